"""Records of tests, as the kit makes them."""

from datetime import UTC, datetime
from typing import Any

from collector.testing import TestRecord

START = 1_795_000_000.0  # seconds since the Unix epoch


def at(seconds: float) -> str:
    """A time after the start, as the collector writes it."""
    return datetime.fromtimestamp(START + seconds, UTC).isoformat(timespec="milliseconds")


def event(
    type_: str, properties: dict[str, Any] | None = None, *, tracked: float = 0.1, took: float = 0.1
) -> dict[str, Any]:
    """A stored event, its times in seconds."""
    return {
        "seq": 1,
        "id": f"{type_}-{tracked}",
        "type": type_,
        "source_id": "s",
        "properties": properties or {},
        "context": {},
        "occurred_at": at(tracked),
        "received_at": at(tracked + took),
    }


def request(*events: dict[str, Any], ms: float = 5.0, **more: Any) -> dict[str, Any]:
    """The request that brought events."""
    return {
        "request_id": "r",
        "received_at": events[0]["received_at"] if events else at(0.5),
        "ms": ms,
        "route": "/track",
        "method": "POST",
        "status": 200,
        "reason": "stored",
        "events": [{"id": one["id"], "type": one["type"], "verdict": "stored"} for one in events],
        **more,
    }


def record(name: str = "test_a", *events: dict[str, Any], **more: Any) -> TestRecord:
    """A test of a second that has stored these events."""
    given = {"outcome": "passed", "started_at": START, "ended_at": START + 1, **more}
    return TestRecord(name, f"run-{name}", "s", "http://127.0.0.1", events=[*events], **given)
