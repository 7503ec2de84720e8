"""Rejected events by what is wrong with them, schemas on trial, and replays that people watch."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from collector import store
from collector.errors import InUse, StoreError
from collector.ipc import WriteRequest, WriteResult
from collector.store import reports
from collector.worker.replays import ReplayJob, Replays
from collector.writer.group import Writer

from ..support import PATIENCE, Collector, run, wait_for

ORDER = {
    "required": ["total"],
    "properties": {
        "total": {"type": "number", "minimum": 0},
        "items": {"items": {"properties": {"price": {"$ref": "#/$defs/price"}}}},
    },
    "$defs": {"price": {"maximum": 100}},
}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("groups")).start()
    yield collector
    collector.end()


@pytest.fixture
def source(running: Collector) -> str:
    """A source whose orders have a schema."""
    source = running.add_source()
    with running.database() as database:
        store.set_schema(database, source, "order", json.dumps(ORDER))
    return source


def orders(collector: Collector, source: str, *properties: Any) -> None:
    events = [{"type": "order", "properties": one} for one in properties]
    answer = collector.post({"source": {"id": source}, "events": events})
    assert answer.status_code == 200, answer.text


@pytest.fixture
def reading(running: Collector) -> Iterator[sqlite3.Connection]:
    with closing(store.connect_readonly(running.db)) as connection:
        yield connection


def test_what_fails_in_the_same_place_is_one_group(
    running: Collector, source: str, reading: sqlite3.Connection
) -> None:
    prices = [{"total": 1, "items": [{}] * n + [{"price": 101}]} for n in range(3)]
    orders(running, source, {}, {"total": -1}, {"total": "x"}, {"total": 1}, *prices)
    running.post({"source": {"id": source}, "events": [{"type": ""}]})
    found = store.list_rejected_groups(reading, sources=[source])
    assert {(one.type, one.pointer): (one.events, one.seen) for one in found} == {
        ("order", "/properties/total"): (3, 3),
        ("order", "/properties/items/*/price"): (3, 3),
        (None, "/type"): (1, 1),
    }
    assert found[-1].type is None
    total = next(one for one in found if one.pointer == "/properties/total")
    assert sorted(total.causes) == [
        '"total" is a required property',
        "the value is less than the minimum of 0",
        'the value is not of type "number"',
    ]
    assert "thamesthrive rejected replay" in total.cure
    assert total.first_seen_at <= total.last_seen_at
    only = store.list_rejected_groups(reading, sources=[source], pointer="/properties/total")
    assert only == [total]
    assert store.list_rejected_groups(reading, sources=[]) == []
    counted = sum(one.events for one in store.list_rejected_groups(reading, limit=10_000))
    assert counted == running.rows("SELECT count(*) AS n FROM rejected")[0]["n"]


def test_a_sample_shows_the_failing_field_and_the_rule_it_breaks(
    running: Collector, source: str, reading: sqlite3.Connection
) -> None:
    orders(running, source, {"total": 1, "items": [{"price": 7}, {"price": 101}]})
    (group,) = store.list_rejected_groups(reading, sources=[source])
    sample = store.sample_of(reading, group.latest)
    assert sample.pointer == "/properties/items/1/price"
    assert sample.payload.marked == '"price": 101'
    assert json.loads("".join(sample.payload)) == json.loads(sample.event.payload)
    assert sample.rule == store.Rule(
        "the value is greater than the maximum of 100", "/$defs/price/maximum", "100"
    )
    with running.database() as database:
        store.set_schema(database, source, "order", '{"required": ["total"]}')
    assert store.sample_of(reading, group.latest).rule.is_valid_now


@pytest.mark.parametrize(
    ("event", "marked"),
    [
        ({"type": "order", "properties": {}}, '"properties"'),
        ({"type": "order", "properties": {"total": "x" * 20_000}}, ""),  # it is cut
        ({"type": "order", "properties": [1]}, '"properties": [\n    1\n  ]'),
        (
            {"type": "order", "properties": {"total": "<b>\u202e\x00"}},
            '"total": "<b>\u202e\\u0000"',
        ),
        ({"type": "order", "tags": 7}, '"tags": 7'),
        (7, ""),
    ],
)
def test_a_sample_of_whatever_was_sent(
    running: Collector, source: str, reading: sqlite3.Connection, event: Any, marked: str
) -> None:
    running.post({"source": {"id": source}, "events": [event]})
    (group,) = store.list_rejected_groups(reading, sources=[source])
    sample = store.sample_of(reading, group.latest)
    assert sample.payload.marked == marked
    assert sample.rule.cause in group.causes[0]
    assert not sample.rule.is_valid_now


def test_what_is_rejected_first_of_all_is_counted_for_its_source(running: Collector) -> None:
    """Nothing of the source is stored yet that has a number for it."""
    sources = [running.add_source() for _ in range(2)]
    for source in sources:
        assert running.post({"source": {"id": source}, "events": 7}).status_code == 422
    with closing(store.connect_readonly(running.db)) as connection:
        for source in sources:
            counted = [*reports.rejections(connection, source, "day", "2000", "2100")]
            assert [row["events"] for row in counted] == [1]


def test_the_command_prints_the_groups_with_their_cure(running: Collector, source: str) -> None:
    orders(running, source, {}, {"total": -1})
    db = ["--db", str(running.db)]
    printed = run("rejected", "groups", "--source", source, *db)
    assert printed.returncode == 0
    assert "/properties/total" in printed.stdout
    assert printed.stderr.startswith("invalid: Correct what is sent.")
    (group,) = json.loads(run("rejected", "groups", "--source", source, "--json", *db).stdout)
    assert (group["events"], group["type"], group["pointer"]) == (2, "order", "/properties/total")
    none = run("rejected", "groups", "--type", "none", *db)
    assert (none.stdout, none.stderr) == ("", "No rejected events of this kind.\n")


def test_groups_are_counted_from_an_index(running: Collector, source: str) -> None:
    """Payloads of 16 KB are not read, however many rejected events there are."""
    statements: list[str] = []
    with closing(store.connect_readonly(running.db)) as connection:
        connection.set_trace_callback(statements.append)
        store.list_rejected_groups(connection, sources=[source], type="order")
        store.count_rejected(connection, source_id=source)
        connection.set_trace_callback(None)
        for statement in statements:
            (plan, *_) = connection.execute(f"EXPLAIN QUERY PLAN {statement}").fetchall()
            assert plan[3].startswith("SEARCH rejected USING COVERING INDEX rejected_groups")
    assert len(statements) == 2


def try_total(connection: sqlite3.Connection, source: str, **options: Any) -> store.SchemaTry:
    wanted = {"properties": {"total": {"minimum": 10}}}
    return store.try_schema(connection, source, "order", json.dumps(wanted), **options)


def test_a_schema_is_tried_on_stored_and_rejected_events(
    running: Collector, source: str, reading: sqlite3.Connection
) -> None:
    other = running.add_source()
    orders(running, other, {"total": 1})
    orders(running, source, {"total": 5}, {"total": 20}, {"total": 30}, {}, {"total": -1})
    orders(running, source, {"total": "x" * 20_000})
    before = running.counts()
    found = try_total(reading, source)
    assert (found.events, found.passed, found.failed, found.unjudged) == (6, 3, 2, 1)
    assert (found.stored_would_fail, found.rejected_would_pass) == (1, 1)
    (fault,) = found.faults
    assert (fault.pointer, fault.events) == ("/properties/total", 2)
    assert fault.cause == "the value is less than the minimum of 10"
    assert try_total(reading, source, limit=1).events == 1
    assert running.counts() == before
    assert store.try_schema(reading, source, "none", "{}").events == 0
    with pytest.raises(StoreError, match="not JSON"):
        store.try_schema(reading, source, "order", "{")


def test_the_command_tries_a_schema(running: Collector, source: str, tmp_path: Path) -> None:
    orders(running, source, {"total": 5}, {"total": 20}, {})
    file = tmp_path / "order.json"
    file.write_text('{"properties": {"total": {"minimum": 10}}}')
    command = ["schema", "try", source, "order", str(file), "--db", str(running.db)]
    tried = run(*command)
    assert tried.returncode == 1
    assert "/properties/total" in tried.stdout
    assert tried.stderr.splitlines() == [
        "Of the latest 3 events of type 'order', 2 would be stored (1 of them were rejected),"
        " 1 would be rejected.",
        "Error: 1 of the stored events of type 'order' would be rejected.",
    ]
    assert json.loads(run(*command, "--json").stdout)["stored_would_fail"] == 1
    file.write_text("true")
    assert run(*command).returncode == 0


class Held:
    """Has a writer store requests, once a test lets it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.waiting = threading.Semaphore(0)
        self.allowed = threading.Semaphore(0)

    def write(self, requests: Sequence[WriteRequest]) -> Sequence[WriteResult]:
        self.waiting.release()
        assert self.allowed.acquire(timeout=PATIENCE)
        with closing(Writer(self.path)) as writer:
            return writer.write(requests)


def ended(job: ReplayJob) -> bool:
    return job.state != "running"


@pytest.fixture
def cured(running: Collector, source: str) -> str:
    """A source with 252 rejected orders, of which today's schema has nothing against 250."""
    orders(running, source, *[{}] * 250, *[{"total": 1, "items": [{"price": 101}]}] * 2)
    with running.database() as database:
        store.set_schema(database, source, "order", '{"properties": {"items": {"maxItems": 0}}}')
    return source


def test_a_replay_in_the_background_is_watched_to_its_end(running: Collector, cured: str) -> None:
    held = Held(running.db)
    replays = Replays(running.db, held.write)
    job = replays.start(cured, "order")
    looked = []
    for _ in range(3):
        assert held.waiting.acquire(timeout=PATIENCE)
        looked.append(job.looked)
        held.allowed.release()
    wait_for(lambda: ended(job), "the end of the replay")
    assert looked == [0, 100, 200]
    assert (job.state, job.total, job.looked) == ("done", 252, 252)
    assert job.as_dict()["counts"] == {"stored": 250, "duplicate": 0, "invalid": 2}
    assert replays.of(cured) is job
    assert len(running.events(cured)) == 250


def test_a_source_has_one_replay_at_a_time(running: Collector, cured: str) -> None:
    held = Held(running.db)
    replays = Replays(running.db, held.write)
    job = replays.start(cured)
    for source_id in (cured, None):
        with pytest.raises(InUse, match="is running"):
            replays.start(source_id)
    assert ended(other := replays.start(running.add_source())) or wait_for(
        lambda: ended(other), "the end of the other one"
    )
    replays.stop(cured)
    held.allowed.release()
    wait_for(lambda: ended(job), "the end of the replay")
    assert (job.state, len(running.events(cured))) == ("stopped", 98)
    again = replays.start(cured)
    held.allowed.release(10)
    wait_for(lambda: ended(again), "the end of the second replay")
    assert (again.state, again.counts.stored) == ("done", 152)


def test_a_replay_that_cannot_store_says_why(running: Collector, cured: str) -> None:
    def write(requests: Sequence[WriteRequest]) -> Sequence[WriteResult]:
        return [WriteResult(request.number, refused="overloaded") for request in requests]

    job = Replays(running.db, write).start(cured)
    wait_for(lambda: ended(job), "the end of the replay")
    assert (job.state, job.counts.stored) == ("failed", 0)
    assert job.problem == "The collector cannot store events right now. Try again."


def test_a_replay_is_recorded_as_done_by_whoever_started_it(running: Collector, cured: str) -> None:
    held = Held(running.db)
    held.allowed.release(10)
    with store.acting_as(store.Actor("console", "token-1")):
        job = Replays(running.db, held.write).start(cured)
    wait_for(lambda: ended(job), "the end of the replay")
    (row,) = running.rows(
        "SELECT * FROM audit WHERE action = 'rejected.replay' AND source_id = ?", cured
    )
    assert (row["actor"], row["token_id"]) == ("console", "token-1")
