"""The rejected lane: events that were refused, with their reason, until somebody has looked.
Bounded by count and age."""

import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..errors import NotFound
from ..payload import Event
from .rows import insert_rows
from .tombstones import forgotten_ids

MAX_PAYLOAD = 16 * 1024  # characters kept of a payload
MAX_ROWS = 10_000  # for each source
MAX_DAYS = 30
_SLACK = 500  # rows over MAX_ROWS before some are removed: not on every request

_INSERT = """INSERT INTO rejected
    (reason, detail, event_id, type, source_id, session_id, profile_id, origin, payload, request_id, received_at, last_seen_at)"""
_AGAIN = """
    ON CONFLICT (source_id, event_id) DO UPDATE SET
        reason = excluded.reason, detail = excluded.detail, seen = seen + 1, last_seen_at = excluded.last_seen_at
"""


@dataclass(frozen=True)
class RejectedEvent:
    """One row of the lane. `payload` is the event as it came, cut after MAX_PAYLOAD characters."""

    seq: int
    reason: str
    detail: str
    event_id: str
    type: str | None
    source_id: str
    session_id: str | None
    profile_id: str | None
    origin: str | None
    payload: str
    request_id: str
    received_at: str
    last_seen_at: str
    seen: int

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON-ready data."""
        return asdict(self)


class Lane:
    """The writer's side: knows roughly how full the lane is, so that it is counted seldom."""

    def __init__(self) -> None:
        self._room: dict[str, int] = {}  # source id → rows that may come before the next count

    def insert(self, connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Stores (reason, detail, event_id, type, source_id, session_id, profile_id, origin,
        payload, request_id, received_at) inside the caller's transaction, and lets the oldest go
        where there are too many."""
        insert_rows(
            connection,
            _INSERT,
            [(*row[:8], row[8][:MAX_PAYLOAD], *row[9:], row[10]) for row in rows],
            _AGAIN,
        )
        for row in rows:
            self._room[row[4]] = self._room.get(row[4], 0) - 1
        for source_id in {row[4] for row in rows}:
            if self._room[source_id] < 0:
                self._room[source_id] = _trim(connection, source_id)


def _trim(connection: sqlite3.Connection, source_id: str) -> int:
    """Removes the oldest rows of a source beyond MAX_ROWS. Returns how many more may come before
    this is worth doing again."""
    (count,) = connection.execute(
        "SELECT count(*) FROM rejected WHERE source_id = ?", [source_id]
    ).fetchone()
    if count > MAX_ROWS:
        connection.execute(
            "DELETE FROM rejected WHERE seq IN (SELECT seq FROM rejected WHERE source_id = ? ORDER BY received_at LIMIT ?)",
            [source_id, count - MAX_ROWS],
        )
    return int(max(0, MAX_ROWS - count)) + _SLACK


def list_rejected(
    connection: sqlite3.Connection,
    *,
    source_id: str | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    reason: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Iterator[RejectedEvent]:
    """Rejected events, the latest first; those before sequence number `before`, if given."""
    filters = {
        "source_id = ?": source_id,
        "type = ?": type,
        "reason = ?": reason,
        "seq < ?": before,
    }
    given = {clause: value for clause, value in filters.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    names = ", ".join(RejectedEvent.__dataclass_fields__)
    for row in connection.execute(
        f"SELECT {names} FROM rejected {where} ORDER BY seq DESC LIMIT ?", [*given.values(), limit]
    ):
        yield RejectedEvent(*row)


def get_rejected(connection: sqlite3.Connection, seq: int) -> RejectedEvent:
    """One rejected event. Raises NotFound."""
    for row in list_rejected(connection, before=seq + 1, limit=1):
        if row.seq == seq:
            return row
    raise NotFound(
        f"There is no rejected event {seq}. `thamesthrive rejected list` shows those there are."
    )


def store_replayed(connection: sqlite3.Connection, row: RejectedEvent, event: Event) -> bool:
    """Moves an event that is valid now from the lane to `events`, under its own id, in a
    transaction of its own.

    Returns false if it was stored already; then it only leaves the lane.
    """
    connection.execute("BEGIN IMMEDIATE")
    try:
        session_id, profile_id = connection.execute(
            "SELECT (SELECT id FROM sessions WHERE id = ?), (SELECT id FROM profiles WHERE id = ?)",
            [row.session_id, row.profile_id],
        ).fetchone()
        fresh = not forgotten_ids(connection, [row.event_id]) and bool(
            connection.execute(
                """
                INSERT INTO events (id, type, source_id, session_id, profile_id, properties, context, options, tags, extra,
                    request_id, occurred_at, received_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
                ON CONFLICT (id) DO NOTHING
                """,
                [
                    row.event_id, event.type, row.source_id, session_id, profile_id, event.properties, event.context,
                    event.options, event.tags, event.extra, row.request_id, event.occurred_at, row.received_at,
                ],
            ).rowcount
        )  # fmt: skip
        if fresh:
            connection.execute("UPDATE sessions SET events = events + 1 WHERE id = ?", [session_id])
            connection.execute("UPDATE profiles SET events = events + 1 WHERE id = ?", [profile_id])
        connection.execute("DELETE FROM rejected WHERE seq = ?", [row.seq])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return fresh
