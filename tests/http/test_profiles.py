"""One visitor's story: found by any id, told session by session, and what forgetting would remove."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from collector import store
from collector.errors import NotFound

from ..support import Collector, run

CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36"
CONTEXT = {
    "browser": {"userAgent": CHROME, "language": "en-GB"},
    "screen": {"width": 1280, "height": 720},
    "utm": {"campaign": "spring"},
}


@dataclass
class Visitor:
    """Somebody who was at two shops, twice at the first."""

    collector: Collector
    profile: str
    first: str
    second: str

    @contextmanager
    def reading(self) -> Iterator[Any]:
        connection = store.connect_readonly(self.collector.db)
        try:
            yield connection
        finally:
            connection.close()


def view(id_: str, path: str, referrer: str = "") -> dict[str, Any]:
    page = {"url": f"https://shop.example.com{path}", "path": path, "referrer": referrer}
    return {"id": id_, "type": "page-view", "context": {"page": page}}


def send(
    collector: Collector, source: str, session: str, profile: str | None, *events: Any, **more: Any
) -> str:
    body = {"source": {"id": source}, "session": {"id": session}, "events": events, **more}
    if profile:
        body["profile"] = {"id": profile}
    answer = collector.post(body, headers={"User-Agent": CHROME})
    assert answer.status_code == 200
    return str(answer.json()["profile"]["id"])


@pytest.fixture
def visitor(collector: Collector) -> Visitor:
    first, second = collector.add_source(), collector.add_source()
    pages = (
        view("e1", "/", "https://news.example.org/today"),
        view("e2", "/basket"),
        {"id": "e3", "type": "order", "properties": {"price": 13.45}},
    )
    profile = send(collector, first, "monday", None, *pages, context=CONTEXT)
    send(collector, first, "tuesday", profile, view("e4", "/sale"), {"id": "bad", "type": ""})
    send(collector, second, "monday", profile, {"id": "e1", "type": "sign-up"})
    send(collector, first, "other", None, view("e5", "/"))
    return Visitor(collector, profile, first, second)


def test_a_visitor_is_found_by_any_id(visitor: Visitor) -> None:
    def found(id_: str, sources: list[str] | None = None) -> list[tuple[str, str | None]]:
        with visitor.reading() as connection:
            matches = store.find_profiles(connection, id_, sources)
        assert {match.profile_id for match in matches} <= {visitor.profile}
        return [(match.kind, match.source_id) for match in matches]

    assert found(f" {visitor.profile} ") == [("profile", None)]
    both = {("session", visitor.first), ("session", visitor.second)}
    assert set(found("monday")) == both
    assert set(found("e1")) == {("event", visitor.first), ("event", visitor.second)}
    assert found("monday", [visitor.second]) == [("session", visitor.second)]
    assert found("e4", [visitor.second]) == []
    assert found(visitor.profile, [visitor.second]) == [("profile", None)]
    assert found(visitor.profile, []) == []
    for id_ in ("", "%", "' OR 1=1 --", "\x00", "é" * 2000):
        assert found(id_) == []


def test_a_profile_is_counted_within_the_sources_asked_for(visitor: Visitor) -> None:
    with visitor.reading() as connection:
        whole = store.get_profile(connection, visitor.profile)
        part = store.get_profile(connection, visitor.profile, [visitor.second])
        for strange, sources in ((visitor.profile, []), ("nobody", None)):
            with pytest.raises(NotFound):
                store.get_profile(connection, strange, sources)
        rows = visitor.collector.rows(
            "SELECT min(received_at) AS first, max(received_at) AS last FROM events WHERE profile_id = ?",
            visitor.profile,
        )
    assert (whole.sessions, whole.events, whole.rejected) == (3, 5, 1)
    assert (whole.first_campaign, whole.last_campaign) == ("spring", "spring")
    assert set(whole.source_ids) == {visitor.first, visitor.second}
    assert (whole.first_seen_at, whole.last_seen_at) == (rows[0]["first"], rows[0]["last"])
    assert (part.sessions, part.events, part.rejected) == (1, 1, 0)
    assert (part.first_campaign, part.source_ids) == ("", (visitor.second,))


def test_sessions_say_where_a_visit_began_and_ended(visitor: Visitor) -> None:
    with visitor.reading() as connection:
        sessions = store.list_profile_sessions(connection, visitor.profile)
        page = store.list_profile_sessions(connection, visitor.profile, limit=2)
        rest = store.list_profile_sessions(connection, visitor.profile, before=page[-1].key)
        part = store.list_profile_sessions(connection, visitor.profile, [visitor.second])
    assert [(s.id, s.events) for s in sessions] == [("monday", 1), ("tuesday", 1), ("monday", 3)]
    assert page + rest == sessions
    assert part == sessions[:1]
    first = sessions[2]
    assert (first.entry_page, first.exit_page, first.referrer) == (
        "/",
        "/basket",
        "news.example.org",
    )
    told = (first.campaign, first.browser, first.screen, first.language)
    assert told == ("spring", "Chrome", "1280x720", "en-GB")
    assert not first.is_bot
    assert sessions[1].entry_page == "/sale"


def test_events_are_read_page_by_page(visitor: Visitor) -> None:
    with visitor.reading() as connection:

        def ids(**more: Any) -> list[str]:
            found = store.list_profile_events(connection, visitor.profile, **more)
            return [event.id for event in found]

        assert ids() == ["e1", "e4", "e3", "e2", "e1"]
        (_, last) = store.list_profile_events(connection, visitor.profile, limit=2)
        assert ids(before=last.seq) == ["e3", "e2", "e1"]
        assert ids(sources=[visitor.first]) == ["e4", "e3", "e2", "e1"]
        assert ids(sources=[visitor.first, visitor.second], limit=2) == ["e1", "e4"]
        assert ids(session_id="tuesday") == ["e4"]
        assert ids(sources=[]) == []


def test_the_session_of_a_program_is_marked(collector: Collector) -> None:
    source = collector.add_source()
    body = {"source": {"id": source}, "session": {"id": "s"}, "events": [view("e", "/")]}
    answer = collector.post(body, headers={"User-Agent": "Googlebot/2.1"})
    connection = store.connect_readonly(collector.db)
    profile = answer.json()["profile"]["id"]
    (session,) = store.list_profile_sessions(connection, profile)
    connection.close()
    assert (session.is_bot, session.entry_page, session.events) == (True, "/", 1)


def test_a_dry_run_counts_what_forgetting_removes(visitor: Visitor) -> None:
    db = ("--db", str(visitor.collector.db))
    forget = ("profile", "forget", visitor.profile, *db, "--json")
    before = visitor.collector.counts()
    dry = json.loads(run(*forget, "--dry-run").stdout)
    assert dry == {"events": 5, "rejected": 1, "sessions": 3, "profiles": 1}
    assert visitor.collector.counts() == before
    assert json.loads(run(*forget, "--yes").stdout) == dry
    after = visitor.collector.counts()
    assert {table: before[table] - after[table] for table in before} == dry
    gone = run(*forget, "--dry-run")
    assert (gone.returncode, gone.stdout) == (1, "")


def test_profiles_of_several_scopes_are_counted_together(collector: Collector) -> None:
    sources = [collector.add_source(profiles="per-source", static_profiles=True) for _ in range(2)]
    for source in sources:
        assert send(collector, source, "s", "anna", {"type": "a"}) == "anna"
    with collector.database() as database:
        dry = store.count_profile(database.conn, "anna")
        assert dry == {"events": 2, "rejected": 0, "sessions": 2, "profiles": 2}
        assert store.get_profile(database.conn, "anna").sessions == 2
        assert store.forget_profile(database.conn, "anna") == dry


def test_the_command_tells_a_visitors_story(visitor: Visitor) -> None:
    db = ("--db", str(visitor.collector.db))
    told = run("profile", "show", "tuesday", *db).stdout
    for part in (visitor.profile, "spring", "/sale", "order", '"price": 13.45'):
        assert part in told
    story = json.loads(run("profile", "show", "e3", "-n", "2", "--json", *db).stdout)
    assert (story["id"], story["events"]) == (visitor.profile, 5)
    assert [event["id"] for event in story["latest_events"]] == ["e1", "e4"]
    assert len(story["latest_sessions"]) == 2
    nobody = run("profile", "show", "nobody", *db)
    assert (nobody.returncode, nobody.stdout) == (1, "")
