"""Events of runs of tests are nowhere but where somebody asks for the run, and not for long."""

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from collector import store
from collector.event.timestamps import iso
from collector.store import feed, overview, reports
from collector.store.events import count_events
from collector.store.ranges import named_range
from collector.store.rollups import mark_of
from collector.store.runs import expire_runs
from collector.store.source_states import source_states
from collector.store.suggestions import suggest

from ..support import Collector, run, wait_for
from .test_runs import ask, envelope, run_id, types

ORIGIN = "https://shop.example.com"
BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("mixed"), options=("--qa",)).start()
    yield collector
    collector.end()


def send(collector: Collector, source: str, session: str, **parts: Any) -> None:
    view = {"type": "page-view", "context": {"page": {"path": "/a", "url": f"{ORIGIN}/a"}}}
    bad, order = {"type": "order", "properties": 7}, {"type": "order", "properties": {"price": 5}}
    body = envelope(source, view, order, bad, session={"id": session}, **parts)
    assert collector.post(body, headers=BROWSER).status_code == 200


def everything(collector: Collector, source: str, now: datetime) -> dict[str, Any]:
    """What is shown anywhere without asking for a run."""
    with closing(store.connect_readonly(collector.db)) as connection:
        found: dict[str, Any] = {
            "stats": store.stats(connection),
            "events": [event.seq for event in store.list_events(connection)],
            "count": count_events(connection, 0, 2**62),
            "rejected": [row.seq for row in store.list_rejected(connection)],
            "rejected count": store.count_rejected(connection, source_id=source),
            "groups": [group.as_dict() for group in store.list_rejected_groups(connection)],
            "minutes": feed.by_minute(connection, None, "2000"),
            "live": [
                row.seq
                for row in feed.latest(
                    connection, feed.FeedFilter(), feed.cursor_now(connection), 100
                )
            ],
            "live now": overview.live_now(connection, None, now),
            "suggestions": asdict(suggest(connection, None, ())),
            "tried": asdict(store.try_schema(connection, source, "order", "{}")),
        }
        with reports.up_to_date(connection):
            found["states"] = source_states(connection, None, now)
            for name in ("30min", "24h", "30d"):
                for filters in ({}, {"type": "order"}, {"page": "/a"}, {"browser": "Firefox"}):
                    question = overview.Question(named_range(name, now), None, filters)
                    answer = overview.read_overview(connection, question)
                    found[f"{name} {filters}"] = result_of(answer)
    with collector.database() as database:
        found["install"] = store.install_state(database, source)
        found["causes"] = store.likely_causes(database, source)
    return found


def result_of(answer: overview.Answer) -> overview.Overview:
    while True:
        try:
            next(answer)
        except StopIteration as end:
            found: overview.Overview = end.value
            return found


def counted(collector: Collector) -> bool:
    with closing(store.connect_readonly(collector.db)) as connection:
        return store.last_seq(connection) == mark_of(connection)


def test_nothing_changes_by_a_run(mixed: Collector) -> None:
    source, now = mixed.add_source(), datetime.now(UTC)
    send(mixed, source, "visitor")
    before = everything(mixed, source, now)
    send(mixed, source, "visitor", options={"run": "left-out"})
    send(mixed, source, "tester", options={"run": "left-out"})
    assert everything(mixed, source, now) == before
    wait_for(lambda: counted(mixed), "the events to be counted")
    assert everything(mixed, source, now) == before
    with closing(store.connect_readonly(mixed.db)) as connection:
        assert store.check_database(connection) == []
    assert types(mixed, "left-out") == ["page-view", "order"] * 2


def test_a_refused_request_of_a_run_is_not_seen_by_the_sources_owner(mixed: Collector) -> None:
    source = mixed.add_source(origins=[ORIGIN])
    for origin, run_of in (("https://tested.example", run_id()), ("https://seen.example", None)):
        body = envelope(source, {"type": "a"}, options={"run": run_of})
        assert mixed.post(body, headers={"Origin": origin}).status_code == 403
    seen = "SELECT origin FROM sightings WHERE source_id = ?"
    wait_for(lambda: mixed.rows(seen, source), "the sighting")
    assert mixed.rows(seen, source) == [{"origin": "https://seen.example"}]


def test_events_list_has_a_run_only_when_it_is_asked_for(mixed: Collector) -> None:
    name, source = run_id(), mixed.add_source()
    mixed.post(envelope(source, {"type": "tested"}, options={"run": name}))
    mixed.post(envelope(source, {"type": "real"}))
    words = ("events", "list", "--source", source, "--json", "--db", str(mixed.db))
    assert [event["type"] for event in json.loads(run(*words).stdout)] == ["real"]
    (event,) = json.loads(run(*words, "--run", name).stdout)
    assert (event["type"], event["run"]) == ("tested", name)


def received(collector: Collector, source: str, ago: timedelta) -> None:
    """Has all of a source come in so long ago."""
    at = iso(datetime.now(UTC) - ago)
    with closing(store.connect(collector.db)) as connection:
        key = "SELECT key FROM source_keys WHERE id = ?"
        connection.execute(
            f"UPDATE request_rows SET received_at = ? WHERE source = ({key})", (at, source)
        )
        connection.execute(
            f"UPDATE session_rows SET first_seen_at = ? WHERE source = ({key})", (at, source)
        )
        connection.execute("UPDATE profile_rows SET first_seen_at = ? WHERE key > 0", (at,))
        connection.execute("UPDATE rejected SET received_at = ? WHERE source_id = ?", (at, source))


def expire(path: Any) -> None:
    with closing(store.connect(path)) as connection:
        while expire_runs(connection, datetime.now(UTC)):
            pass


def test_runs_are_removed_after_a_day_with_what_has_nothing_else(mixed: Collector) -> None:
    name, source = run_id(), mixed.add_source()
    send(mixed, source, "both")
    send(mixed, source, "both", options={"run": name})
    send(mixed, source, "only", options={"run": name})
    received(mixed, source, timedelta(hours=23))
    expire(mixed.db)
    assert types(mixed, name) == ["page-view", "order"] * 2
    received(mixed, source, timedelta(hours=25))
    expire(mixed.db)
    assert types(mixed, name) == []
    assert ask(mixed, name, "rejected").json() == {"rejected": []}
    assert [row["type"] for row in mixed.events(source)] == ["page-view", "order"]
    sessions = mixed.rows("SELECT id FROM sessions WHERE source_id = ?", source)
    assert sessions == [{"id": "both"}]
    orphans = "SELECT id FROM profiles p WHERE id NOT IN (SELECT profile_id FROM sessions)"
    assert mixed.rows(orphans) == []


def test_a_collector_without_qa_removes_what_was_left_of_runs(mixed: Collector) -> None:
    name, source = run_id(), mixed.add_source()
    mixed.post(envelope(source, {"type": "old"}, options={"run": name}))
    received(mixed, source, timedelta(hours=25))
    mixed.stop()
    options, mixed.options = mixed.options, ()
    mixed.start()
    wait_for(lambda: not mixed.events(source), "the writer to remove it")
    mixed.stop()
    mixed.options = options
    mixed.start()
    assert ask(mixed, name, "events").json()["count"] == 0
