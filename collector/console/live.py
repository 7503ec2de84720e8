"""Live: what comes in, the latest first, with a stream that goes on where the page ends."""

import json
import time
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import Any

from ..errors import StoreError
from ..event.run_id import is_run_id
from ..store import get_rejected
from ..store.events import StoredEvent
from ..store.feed import (
    MAX_LOOKED_AT,
    STATUSES,
    Cursor,
    FeedFilter,
    Row,
    by_minute,
    cursor_now,
    get_stored,
    latest,
    request_id_of,
)
from .page import Call, Html, Page, get
from .request_headers import RequestHeaders, read_headers
from .responses import ROOT

ROWS = 50  # that the page has, and that the stream shows in a second
MINUTES = 30
NAMES = ("source", "type", "status", "text", "session", "profile", "minute", "run")
COSTS = 20  # a count is kept for so many times of what it took
MAX_TEXT = 200


def filter_of(call: Call) -> FeedFilter:
    """What the address asks for. Raises StoreError."""
    values = {name: call.query.get(name, "").strip()[:MAX_TEXT] or None for name in NAMES}
    if values["status"] not in (None, *STATUSES):
        raise StoreError(f"status must be one of {', '.join(STATUSES)}.")
    if values["run"] is not None and not is_run_id(values["run"]):
        raise StoreError(f"{values['run']!r} is not the id of a run of tests.")
    sources = call.chosen_sources()
    since = until = None
    if values["minute"]:
        since, until = _ends_of(values["minute"])
    return FeedFilter(
        None if sources is None else tuple(sources),
        values["type"],
        values["status"],
        values["text"],
        values["session"],
        values["profile"],
        since,
        until,
        values["run"],
    )


def _ends_of(minute: str) -> tuple[str, str]:
    """The first moment of a minute, as `2026-11-27T18:03`, and that of the next one."""
    try:
        start = datetime.strptime(minute, "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
        end = (start + timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M")
    except (ValueError, OverflowError) as error:
        raise StoreError(f"{minute!r} is not a minute, as in 2026-11-27T18:03.") from error
    return minute, end


class MinuteCounts:
    """Counts of the last minutes, kept for a moment: many pages ask for the same."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[tuple[str, ...] | None, tuple[float, dict[str, int]]] = {}

    def get(self, call: Call, sources: list[str] | None) -> list[tuple[str, int]]:
        """The last MINUTES minutes, each with its stored events."""
        now = datetime.now(UTC)
        minutes = [
            (now - timedelta(minutes=back)).strftime("%Y-%m-%dT%H:%M")
            for back in range(MINUTES - 1, -1, -1)
        ]
        key = None if sources is None else tuple(sources)
        with self._lock:
            until, counts = self._kept.get(key, (0.0, {}))
            if time.monotonic() >= until:
                began = time.monotonic()
                counts = by_minute(call.db, sources, minutes[0])
                took = time.monotonic() - began
                self._kept[key] = (began + took * COSTS, counts)
        return [(minute, counts.get(minute, 0)) for minute in minutes]


_minutes = MinuteCounts()


def _live(call: Call) -> Html:
    wanted = filter_of(call)
    cursor = cursor_now(call.db)
    sources = call.sources()
    return Html(
        "live.html",
        {
            "rows": [row_of(row) for row in latest(call.db, wanted, cursor, ROWS)],
            "names": {source.id: source.name for source in sources},
            "sources": sources,
            "statuses": STATUSES,
            "filters": {name: call.query.get(name, "") for name in NAMES},
            "minutes": _minutes.get(call, call.chosen_sources()),
            "stream": _stream_of(call, cursor),
            "looked_at": MAX_LOOKED_AT if wanted.text else None,
        },
    )


def _stream_of(call: Call, cursor: Cursor) -> str | None:
    """Where the page goes on; a single minute in the past does not."""
    if call.query.get("minute"):
        return None
    return call.with_query(f"{ROOT}/live/stream", after=str(cursor))


def row_of(row: Row) -> dict[str, Any]:
    """A row as the list shows it."""
    if isinstance(row, StoredEvent):
        return {
            "status": "stored",
            "seq": row.seq,
            "type": row.type,
            "source_id": row.source_id,
            "at": row.received_at,
            "text": _short(row.properties),
            "bot": row.bot,
            "run": row.run,
        }
    return {
        "status": "rejected",
        "seq": row.seq,
        "type": row.type or "",
        "source_id": row.source_id,
        "at": row.received_at,
        "text": f"{row.reason}: {row.detail}",
        "bot": row.bot,
        "run": row.run,
    }


def _short(properties: dict[str, Any]) -> str:
    return json.dumps(properties, ensure_ascii=False)[:300] if properties else ""


def _stored(call: Call) -> Html:
    event = get_stored(call.db, _number(call))
    source = call.source_of(event.source_id)
    texts = {
        "json": json.dumps(event.as_dict(), ensure_ascii=False, indent=2),
        "curl": _curl(call, event),
        "expect": f"tracking.expect({event.type!r}, {event.properties!r})",
    }
    headers = _headers(call, event.run, request_id_of(call.db, event.seq))
    values = {"event": event, "source": source, "texts": texts, "rejected": None}
    return Html("event.html", {**values, "sent": headers})


def _rejected(call: Call) -> Html:
    row = get_rejected(call.db, _number(call))
    source = call.source_of(row.source_id)
    texts = {"json": json.dumps(row.as_dict(), ensure_ascii=False, indent=2)}
    headers = _headers(call, row.run, row.request_id)
    values = {"event": None, "source": source, "texts": texts, "rejected": row}
    return Html("event.html", {**values, "sent": headers})


def _headers(call: Call, run: str | None, request_id: str | None) -> RequestHeaders:
    return read_headers(call.settings, call.port, run, request_id)


def _number(call: Call) -> int:
    text = call.path["seq"]
    if not (text.isascii() and text.isdigit() and len(text) <= 18):
        raise StoreError(f"{text!r} is not the number of an event.")
    return int(text)


def _curl(call: Call, event: StoredEvent) -> str:
    """A command that sends the event again, as a new one."""
    body = {
        "source": {"id": event.source_id},
        "events": [{"type": event.type, "properties": event.properties, "context": event.context}],
    }
    text = json.dumps(body, ensure_ascii=True).replace("'", "\\u0027")
    return f"curl -X POST {call.url}/track -H 'Content-Type: application/json' -d '{text}'"


PAGES: tuple[Page, ...] = (
    get("/live", _live),
    get("/live/stored/{seq}", _stored),
    get("/live/rejected/{seq}", _rejected),
)
