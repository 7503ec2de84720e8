"""What forwarders read: events behind a cursor, and the sessions and profiles that they belong to.

Runs of tests stay here. Rows are read in one snapshot, which is closed before they are sent.
"""

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from ..event.limits import MAX_EVENTS
from .connection import snapshot
from .edge import edge_id
from .events import last_seq
from .rows import of_run

MAX_ROWS = 5000
MAX_BYTES = 16 * 1024 * 1024  # characters of JSON, about: a batch is in memory
_PAGE = 25  # rows between two looks at their size, which may be a megabyte each

EVENT_COLUMNS = (
    "seq", "id", "source_id", "type", "session_id", "profile_id", "properties", "context",
    "options", "tags", "extra", "request", "request_id", "occurred_at", "received_at", "ip", "bot",
)  # fmt: skip
SESSION_COLUMNS = (
    "id", "source_id", "profile_id", "device_id", "context", "dropped", "country",
    "first_seen_at", "last_seen_at", "first_utm", "last_utm",
)  # fmt: skip
PROFILE_COLUMNS = ("id", "scope", "first_seen_at", "last_seen_at", "first_utm", "last_utm")
COLUMNS = {"events": EVENT_COLUMNS, "sessions": SESSION_COLUMNS, "profiles": PROFILE_COLUMNS}

_SIZED = [EVENT_COLUMNS.index(name) for name in ("properties", "context", "extra", "request")]
_RECEIVED = EVENT_COLUMNS.index("received_at")

# `context` is what the events of a request share, and a request's events may lie in two batches.
_TOUCHED = f"""
    SELECT r.session AS key, max(r.received_at) AS last_seen_at FROM request_rows r
    WHERE r.key BETWEEN ?1 - {MAX_EVENTS} AND ?2 AND r.key + r.events > ?1 AND r.session > 0
        AND r.run IS NULL
    GROUP BY r.session
"""
_SESSIONS = f"""
    SELECT s.id, nullif(k.id, ''), p.id, s.device_id, s.context, s.dropped, s.country,
        s.first_seen_at, max(t.last_seen_at, s.first_seen_at), s.first_utm, s.last_utm
    FROM ({_TOUCHED}) t JOIN session_rows s ON s.key = t.key
    JOIN source_keys k ON k.key = s.source JOIN profile_rows p ON p.key = s.profile
"""
_PROFILES = f"""
    SELECT p.id, p.scope, p.first_seen_at, max(max(t.last_seen_at), p.first_seen_at), p.first_utm,
        p.last_utm
    FROM ({_TOUCHED}) t JOIN session_rows s ON s.key = t.key
    JOIN profile_rows p ON p.key = s.profile
    WHERE p.key > 0 GROUP BY p.key
"""

Rows = Sequence[tuple[Any, ...]]


class Anchor(NamedTuple):
    """An event by its number, its id and its source's key: proof that a cursor belongs to this
    database."""

    seq: int
    id: str
    source: int


class Batch(NamedTuple):
    """What is sent together. `first` and `last`: the numbers between which everything is in it; `rows`: by the
    names in COLUMNS, in the order of those columns; `oldest`: when the first event came in, None
    without any. `anchor`: its last event. `is_full`: whether there may be more behind it."""

    edge: str
    first: int
    last: int
    rows: Mapping[str, Rows]
    oldest: str | None
    anchor: Anchor | None
    is_full: bool = False


def read_batch(
    connection: sqlite3.Connection, after: int, max_rows: int = MAX_ROWS
) -> Batch | None:
    """The events behind a number, at most `max_rows` and about MAX_BYTES of them; None if there is
    none yet."""
    with snapshot(connection):
        end = last_seq(connection)
        if end <= after:
            return None
        events, is_all = _read_events(connection, after, max_rows)
        last = end if is_all else int(events[-1][0])
        bounds = (after + 1, last)
        rows: dict[str, Rows] = {"events": events}
        if events:
            rows["sessions"] = _plain(connection, _SESSIONS, bounds)
            rows["profiles"] = _plain(connection, _PROFILES, bounds)
        oldest = min((str(event[_RECEIVED]) for event in events), default=None)
        return Batch(
            edge_id(connection),
            after + 1,
            last,
            rows,
            oldest,
            anchor_at(connection, last),
            not is_all,
        )


def _read_events(connection: sqlite3.Connection, after: int, most: int) -> tuple[Rows, bool]:
    """Events, and whether these are all there are."""
    ((no_run, _),) = of_run(None)
    found = connection.execute(
        f"SELECT {', '.join(EVENT_COLUMNS)} FROM events WHERE seq > ? AND {no_run}"
        " ORDER BY seq LIMIT ?",
        [after, most],
    )
    events: list[tuple[Any, ...]] = []
    size = 0
    with closing(found):
        while page := found.fetchmany(_PAGE):
            events += [tuple(row) for row in page]
            size += sum(len(row[at] or "") for row in page for at in _SIZED)
            if size >= MAX_BYTES:
                return events, False
    return events, len(events) < most


def _plain(connection: sqlite3.Connection, select: str, values: Sequence[Any]) -> Rows:
    return [tuple(row) for row in connection.execute(select, values)]


def anchor_at(connection: sqlite3.Connection, upto: int) -> Anchor | None:
    """The last event up to a number; None if there is none."""
    row = connection.execute(
        "SELECT seq, id, source FROM event_rows WHERE seq <= ? ORDER BY seq DESC LIMIT 1", [upto]
    ).fetchone()
    return Anchor(*row) if row else None


def holds(connection: sqlite3.Connection, anchor: Anchor) -> bool:
    """Whether this event is still what it was: a database that was restored from a backup may have
    given its number to another one."""
    find = "SELECT 1 FROM event_rows WHERE seq = ? AND id = ? AND source = ?"
    return connection.execute(find, anchor).fetchone() is not None


class Backlog(NamedTuple):
    """What waits for a destination. `rows`: about how many, runs of tests among them; `seconds`: for
    how long the first of them."""

    rows: int
    since: str | None


def backlog(connection: sqlite3.Connection, after: int) -> Backlog:
    """What is behind a cursor. It takes two lookups."""
    rows = last_seq(connection) - after
    if rows <= 0:
        return Backlog(0, None)
    row = connection.execute(
        "SELECT r.received_at FROM event_rows e JOIN request_rows r ON r.key = e.request"
        " WHERE e.seq > ? ORDER BY e.seq LIMIT 1",
        [after],
    ).fetchone()
    return Backlog(rows, str(row[0]) if row else None)


def ids_between(connection: sqlite3.Connection, after: int, upto: int, limit: int) -> Rows:
    """Number, source and id of events between two numbers, the first excluded, in order; without
    runs of tests."""
    return _plain(
        connection,
        "SELECT e.seq, k.id, e.id FROM event_rows e JOIN request_rows r ON r.key = e.request"
        " JOIN source_keys k ON k.key = e.source"
        " WHERE e.seq > ? AND e.seq <= ? AND r.run IS NULL ORDER BY e.seq LIMIT ?",
        [after, upto, limit],
    )
