"""Which profile a request gets: the contract's table, through the front door."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

from collector import store

from ..support import Collector, wait_for


def send(
    collector: Collector, source: str, session: str | None = None, profile: str | None = None
) -> dict[str, Any]:
    body: dict[str, Any] = {"source": {"id": source}, "events": [{"type": "a"}]}
    if session:
        body["session"] = {"id": session}
    if profile:
        body["profile"] = {"id": profile}
    answer = collector.post(body)
    assert answer.status_code == 200
    return {"session": answer.json()["session"]["id"], "profile": answer.json()["profile"]["id"]}


def test_new_session_without_profile_gets_a_new_profile(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    session = str(uuid.uuid4())
    got = send(shared_collector, source, session)
    assert got["session"] == session
    assert shared_collector.rows("SELECT profile_id FROM sessions WHERE id = ?", session) == [
        {"profile_id": got["profile"]}
    ]
    assert shared_collector.rows(
        "SELECT count(*) AS n FROM profiles WHERE id = ?", got["profile"]
    ) == [{"n": 1}]


def test_new_session_with_known_profile_keeps_it(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    first = send(shared_collector, source, str(uuid.uuid4()))
    assert (
        send(shared_collector, source, str(uuid.uuid4()), first["profile"])["profile"]
        == first["profile"]
    )


def test_new_session_with_unknown_profile_gets_a_random_one(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    guessed = str(uuid.uuid4())
    assert send(shared_collector, source, str(uuid.uuid4()), guessed)["profile"] != guessed
    assert shared_collector.rows("SELECT * FROM profiles WHERE id = ?", guessed) == []


def test_a_source_with_static_profiles_takes_the_pages_word(shared_collector: Collector) -> None:
    source = shared_collector.add_source(static_profiles=True)
    chosen = f"customer-{uuid.uuid4()}"
    assert send(shared_collector, source, str(uuid.uuid4()), chosen)["profile"] == chosen


def test_known_session_keeps_its_profile_whatever_the_payload_says(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    session, other = str(uuid.uuid4()), send(shared_collector, source, str(uuid.uuid4()))["profile"]
    own = send(shared_collector, source, session)["profile"]
    assert send(shared_collector, source, session, other)["profile"] == own != other


def test_no_session_gets_a_new_session_and_profile(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    known = send(shared_collector, source, str(uuid.uuid4()))
    got = send(shared_collector, source, None, known["profile"])
    assert got["session"] != known["session"]
    assert got["profile"] != known["profile"]


def test_sources_share_profiles_with_those_of_their_group_alone(
    shared_collector: Collector,
) -> None:
    options: dict[str, dict[str, Any]] = {
        "one": {},
        "other": {},
        "grouped": {"profile_group": "shops"},
        "beside it": {"profile_group": "shops"},
        "another group": {"profile_group": "blogs"},
        "alone": {"profiles": "per-source"},
        "alone in a group": {"profiles": "per-source", "profile_group": "shops"},
    }
    sources = {name: shared_collector.add_source(**given) for name, given in options.items()}
    firsts = {
        name: send(shared_collector, source, str(uuid.uuid4()))["profile"]
        for name, source in sources.items()
    }
    sharing = {
        (name, first)
        for name, source in sources.items()
        for first, profile in firsts.items()
        if send(shared_collector, source, str(uuid.uuid4()), profile)["profile"] == profile
    }
    together = {("one", "other"), ("grouped", "beside it")}
    assert sharing == together | {(b, a) for a, b in together} | {(name, name) for name in sources}


def test_a_source_that_is_set_apart_gives_new_visits_profiles_of_their_own(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    session = str(uuid.uuid4())
    before = send(shared_collector, source, session)["profile"]
    with shared_collector.database() as database:
        store.update_source(database, source, {"profiles": "per-source"})

    def visit() -> str:
        return str(send(shared_collector, source, str(uuid.uuid4()), before)["profile"])

    wait_for(lambda: visit() != before, "the change to be known")
    assert send(shared_collector, source, session)["profile"] == before


def test_visitors_that_pages_of_two_sources_name_alike_are_two(
    shared_collector: Collector,
) -> None:
    chosen = f"user-{uuid.uuid4()}"
    sources = [
        shared_collector.add_source(static_profiles=True, profiles=kept)
        for kept in ("shared", "per-source", "per-source")
    ]
    for source in sources:
        session = str(uuid.uuid4())
        assert send(shared_collector, source, session, chosen)["profile"] == chosen
    scopes = ["", *sorted(f"source:{source}" for source in sources[1:])]
    found = shared_collector.rows(
        "SELECT scope, events FROM profiles WHERE id = ? ORDER BY 1", chosen
    )
    assert found == [{"scope": scope, "events": 1} for scope in scopes]
    # Who asks to be forgotten does not know of scopes.
    with closing(store.connect(shared_collector.db)) as connection:
        assert store.forget_profile(connection, chosen) == {
            "events": 3,
            "rejected": 0,
            "sessions": 3,
            "profiles": 3,
        }
    assert shared_collector.rows("SELECT * FROM events WHERE profile_id = ?", chosen) == []


def test_first_requests_of_one_session_in_parallel_make_one_profile(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    for _ in range(5):
        session = str(uuid.uuid4())
        with ThreadPoolExecutor(8) as pool:
            got = list(
                pool.map(
                    lambda _, session=session: send(shared_collector, source, session)["profile"],
                    range(8),
                )
            )
        assert len(set(got)) == 1
    assert shared_collector.rows(
        "SELECT count(*) AS n FROM sessions WHERE source_id = ?", source
    ) == [{"n": 5}]


def test_session_context_grows_and_keeps_the_campaign_that_began_it(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    for context in (
        {"utm": {"source": "news"}, "screen": {"width": 1}},
        {"screen": {"width": 2}},
        {},
    ):
        shared_collector.post(
            {"source": {"id": source}, "session": {"id": source}, "context": context, "events": []}
        )
    (row,) = shared_collector.rows("SELECT context FROM sessions WHERE id = ?", source)
    assert row["context"] == '{"utm":{"source":"news"},"screen":{"width":2}}'


def test_a_question_without_a_session_stores_nothing(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    before = shared_collector.counts()
    answer = shared_collector.post({"source": {"id": source}, "known": ["x"], "events": []})
    assert (answer.status_code, answer.json()["missing"]) == (200, ["x"])
    assert shared_collector.counts() == before
    rows = "SELECT * FROM request_rows WHERE request_id = ?"
    assert shared_collector.rows(rows, answer.json()["task"][0]) == []
    named = {"source": {"id": source}, "known": ["x"], "session": {"id": source}}
    assert shared_collector.post(named).json()["session"] == {"id": source}
