"""The table of reasons, row by row, through the front door: status, exact body, header, CORS,
metric, rejected event, and nothing else."""

import contextlib
import json
import re
import sqlite3
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from collector import store

from ..support import PATIENCE, Collector, wait_for

ORIGIN = "https://shop.example.com"
UNKNOWN = "00000000-0000-4000-8000-000000000000"
SCHEMA = {
    "type": "object",
    "properties": {"price": {"type": "number", "minimum": 0}},
    "required": ["price"],
}


@dataclass(frozen=True)
class Row:
    """What a request must come to. `events`: rows that must appear, by table."""

    send: Callable[[Collector, str], Any]
    status: int
    reason: str
    body: dict[str, Any] | None = None
    source: dict[str, Any] | None = None
    rows: dict[str, int] | None = None
    counted: int = 1
    known: bool = True
    retry: bool = False


def post(*events: Any, **more: Any) -> Callable[[Collector, str], Any]:
    return lambda _, source: {
        "source": {"id": source},
        "session": {"id": "s-" + source},
        "events": list(events),
        **more,
    }


def repeated(collector: Collector, source: str) -> Any:
    body = {
        "source": {"id": source},
        "session": {"id": "s-" + source},
        "events": [{"id": "once-" + source, "type": "a"}],
    }
    assert collector.post(body).status_code == 200
    return body


NEW = {"events": 1, "sessions": 1, "profiles": 1}
ROWS = {
    "stored": Row(post({"type": "a"}), 200, "stored", rows=NEW),
    "duplicate": Row(repeated, 200, "duplicate", rows={}),
    "invalid by schema": Row(
        post({"type": "order", "properties": {"price": -1}}),
        200,
        "invalid",
        rows={"rejected": 1, "sessions": 1, "profiles": 1},
    ),
    "invalid by shape": Row(
        post({"properties": {}}), 200, "invalid", rows={"rejected": 1, "sessions": 1, "profiles": 1}
    ),
    "invalid by reserved key": Row(
        lambda _, source: (
            '{"source":{"id":"SOURCE"},"events":[{"type":"a","properties":{"x":{"\\u005f_proto__":1}}}]}'.replace(
                "SOURCE", source
            )
        ),
        200,
        "invalid",
        rows={"rejected": 1, "sessions": 1, "profiles": 1},
    ),
    "wrong envelope": Row(
        post(context=5),
        422,
        "invalid",
        {"detail": "/context: expected an object."},
        rows={"rejected": 1},
    ),
    "no JSON": Row(lambda *_: b"{", 422, "invalid", rows={}, counted=0, known=False),
    "unknown source": Row(
        lambda *_: {"source": {"id": UNKNOWN}, "events": [{"type": "a"}]},
        401,
        "unknown_source",
        {"detail": "Access denied. Invalid source."},
        rows={},
        counted=0,
        known=False,
    ),
    "disabled source": Row(
        post({"type": "a"}),
        401,
        "disabled_source",
        {"detail": "Access denied. Source disabled."},
        {},
        {},
    ),
    "other bridge": Row(
        post({"type": "a"}),
        401,
        "bridge_not_allowed",
        {"detail": "Access denied. Source does not accept this bridge."},
        {"bridges": ["webhook"]},
        {},
    ),
    "other origin": Row(
        post({"type": "a"}),
        403,
        "origin_not_allowed",
        {"detail": "Access denied. Origin not allowed."},
        {"origins": ["https://other.example.com"]},
        {},
    ),
    "too many events": Row(
        post(*[{"type": "a"}] * 501),
        413,
        "too_large",
        {"detail": "More than 500 events."},
        rows={},
        counted=0,
        known=False,
    ),
    "rate limited": Row(
        lambda collector, source: (
            collector.post(post({"type": "a"})(collector, source)),
            post({"type": "a"})(collector, source),
        )[1],
        429,
        "rate_limited",
        {"detail": "Too many events. Try again later."},
        {"rate_limit": 1},
        {},
        retry=True,
    ),
}


def metric(collector: Collector, name: str, source: str, reason: str) -> float:
    text = httpx.get(f"{collector.url}/metrics").text
    found = re.search(
        rf'^{name}\{{reason="{reason}",source="{source}"\}} (\S+)$', text, re.MULTILINE
    )
    return float(found[1]) if found else 0.0


@pytest.mark.parametrize("case", ROWS)
def test_each_reason_comes_to_what_the_contract_says(
    shared_collector: Collector, case: str
) -> None:
    collector, row = shared_collector, ROWS[case]
    # Set up before the first request: a worker that has never seen a source reads it as it is now.
    source = collector.add_source(**(row.source or {}))
    with collector.database() as database:
        store.set_schema(database, source, "order", json.dumps(SCHEMA))
        if case == "disabled source":
            store.update_source(database, source, {"enabled": False})
    check(collector, source, row, row.send(collector, source))


def test_overloaded_comes_to_what_the_contract_says(collector: Collector) -> None:
    """By a database that another client has locked."""
    source = collector.add_source()
    detail = "The collector cannot store events right now. Try again."
    row = Row(post({"type": "a"}), 503, "overloaded", {"detail": detail}, rows={}, retry=True)
    with contextlib.closing(sqlite3.connect(collector.db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        check(collector, source, row, row.send(collector, source))


def test_internal_comes_to_what_the_contract_says(collector: Collector) -> None:
    """By a trigger that somebody has put into the database, which refuses the row."""
    source = collector.add_source()
    with collector.database() as database:
        database.execute(
            "CREATE TRIGGER no BEFORE INSERT ON event_rows BEGIN SELECT RAISE(ABORT, 's3cret'); END"
        )
    row = Row(post({"type": "a"}), 500, "internal", rows={})
    check(collector, source, row, row.send(collector, source))
    answer = collector.post(row.send(collector, source)).json()
    assert (set(answer), answer["detail"]) == ({"detail", "request"}, "Internal error.")
    wait_for(
        lambda: any(answer["request"] in line and "s3cret" in line for line in collector.log),
        "the log to name the request and the cause",
    )


def check(collector: Collector, source: str, row: Row, body: Any) -> None:
    label = source if row.known else ""
    before = collector.counts()
    events = metric(collector, "thamesthrive_events_total", label, row.reason)
    requests = metric(collector, "thamesthrive_requests_total", label, row.reason)
    answer = collector.post(body, headers={"Origin": ORIGIN})
    assert (answer.status_code, answer.headers["X-Collector-Reason"]) == (row.status, row.reason)
    assert row.body is None or answer.json() == row.body
    assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
    assert answer.headers["Vary"] == "Origin"
    assert ("Retry-After" in answer.headers) is row.retry
    after = collector.counts()
    assert {
        table: after[table] - before[table] for table in after if after[table] != before[table]
    } == (row.rows or {})
    assert metric(collector, "thamesthrive_events_total", label, row.reason) - events == row.counted
    # Which the worker that served it counts half a second later at most.
    wait_for(
        lambda: metric(collector, "thamesthrive_requests_total", label, row.reason) > requests,
        "the request to be counted",
    )
    assert metric(collector, "thamesthrive_requests_total", label, row.reason) - requests == 1


def test_a_wrong_event_says_where_and_its_neighbours_are_stored(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source()
    with shared_collector.database() as database:
        store.set_schema(database, source, "order", json.dumps(SCHEMA))
    wrong = {
        "id": str(uuid.uuid4()),
        "type": "order",
        "properties": {"price": -1, "secret": "s3cret"},
    }
    answer = shared_collector.post(
        {"source": {"id": source}, "events": [{"type": "a"}, wrong, {"type": "b"}]},
        headers={"Origin": ORIGIN},
    )
    (error,) = answer.json()["errors"]
    assert (error["index"], error["id"], error["reason"]) == (1, wrong["id"], "invalid")
    assert error["detail"] == "/properties/price: the value is less than the minimum of 0"
    assert "s3cret" not in answer.text
    assert [row["type"] for row in shared_collector.events(source)] == ["a", "b"]
    (rejected,) = shared_collector.rows("SELECT * FROM rejected WHERE event_id = ?", wrong["id"])
    assert json.loads(rejected["payload"])["properties"] == wrong["properties"]
    assert (rejected["reason"], rejected["type"], rejected["origin"], rejected["seen"]) == (
        "invalid",
        "order",
        ORIGIN,
        1,
    )
    shared_collector.post({"source": {"id": source}, "events": [wrong]})
    (again,) = shared_collector.rows("SELECT * FROM rejected WHERE event_id = ?", wrong["id"])
    assert again["seen"] == 2
    assert again["last_seen_at"] > rejected["last_seen_at"]


def test_a_source_that_only_validates_is_answered_and_nothing_is_stored(
    shared_collector: Collector,
) -> None:
    source = shared_collector.add_source(validate_only=True)
    before = shared_collector.counts()
    answer = shared_collector.post(
        {"source": {"id": source}, "session": {"id": "s"}, "events": [{"id": "e-1", "type": "a"}]}
    )
    assert answer.status_code == 200
    assert answer.json()["events"] == ["e-1"]
    assert answer.json()["session"] == {"id": "s"}
    assert "not kept" in answer.json()["warnings"][0]["detail"]
    assert shared_collector.counts() == before


def test_a_rate_limit_holds_for_all_workers_together(collector_of_two: Collector) -> None:
    collector = collector_of_two
    source = collector.add_source(rate_limit=60)
    started = time.monotonic()
    statuses: list[int] = []
    # Two kept connections, which may be with different workers.
    with httpx.Client() as one, httpx.Client() as another:
        while statuses.count(429) < 20 and len(statuses) < 1000:
            for client in (one, another):
                answer = client.post(
                    f"{collector.url}/track",
                    json={"source": {"id": source}, "events": [{"type": "a"}]},
                    timeout=PATIENCE,
                )
                statuses.append(answer.status_code)
    seconds = time.monotonic() - started
    assert 60 <= statuses.count(200) <= 61 + seconds  # one more a second
    assert set(statuses) == {200, 429}
    assert len(collector.events(source)) == statuses.count(200)


def test_a_clock_that_is_wrong_is_corrected_by_sent_at(shared_collector: Collector) -> None:
    source = shared_collector.add_source()
    body = {
        "source": {"id": source},
        "sentAt": "2020-01-01T00:00:10.000Z",
        "events": [
            {"type": "a", "time": {"create": "2020-01-01T00:00:00.000Z"}},
            {"type": "b", "time": {"create": "2020-01-01T00:00:10Z"}},
        ],
    }
    assert shared_collector.post(body).status_code == 200
    first, second = shared_collector.rows(
        "SELECT *, (julianday(received_at) - julianday(occurred_at)) * 86400 AS age FROM events WHERE source_id = ? ORDER BY seq",
        source,
    )
    assert first["age"] == pytest.approx(10, abs=0.1)
    assert second["age"] == pytest.approx(0, abs=0.1)
    assert json.loads(first["extra"]) == {"time": {"create": "2020-01-01T00:00:00.000Z"}}


@pytest.mark.parametrize(
    "created", ["2090-01-01T00:00:00Z", "1970-01-01T00:00:00.000Z", "0001-01-01T00:00:00Z"]
)
def test_a_time_that_cannot_be_is_replaced_by_the_arrival_with_a_warning(
    shared_collector: Collector, created: str
) -> None:
    source = shared_collector.add_source()
    answer = shared_collector.post(
        {"source": {"id": source}, "events": [{"type": "a", "time": {"create": created}}]}
    )
    assert "/time/create" in answer.json()["warnings"][0]["detail"]
    (row,) = shared_collector.events(source)
    assert row["occurred_at"] == row["received_at"]
    assert created in row["extra"]


@pytest.mark.parametrize("more", [{}, {"unknown": 1}], ids=["exact", "lenient"])
@pytest.mark.parametrize(
    ("sent", "created"),
    [
        ("2020-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z"),
        ("2020-01-01T00:00:00Z", "9999-12-31T23:59:59-14:00"),
        ("9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"),
        ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_clock_at_the_end_of_the_calendar_is_corrected_without_an_error(
    shared_collector: Collector, sent: str, created: str, more: dict[str, Any]
) -> None:
    """The corrected time may be none that the calendar has."""
    source = shared_collector.add_source()
    events = [{"type": "a", "time": {"create": created}}]
    answer = shared_collector.post(
        {"source": {"id": source}, "sentAt": sent, "events": events, **more}
    )
    assert answer.status_code == 200, answer.text
    assert "/time/create" in answer.json()["warnings"][0]["detail"]
    (row,) = shared_collector.events(source)
    assert row["occurred_at"] == row["received_at"]


def test_the_lane_is_bounded_and_the_oldest_go_first(collector: Collector) -> None:
    source = collector.add_source()
    for n in range(23):
        body = {
            "source": {"id": source},
            "events": [{"id": f"{n}-{i}", "type": ""} for i in range(500)],
        }
        assert collector.post(body).json()["unlisted"] == {"invalid": 480}
    kept = {row["event_id"] for row in collector.rows("SELECT event_id FROM rejected")}
    assert 10_000 <= len(kept) <= 11_000
    assert "22-499" in kept
    assert "0-0" not in kept
