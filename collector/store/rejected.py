"""Rejected events: kept with their reason until somebody has looked. Bounded by count and age."""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

from ..errors import NotFound
from .rows import insert_rows, select_page

MAX_PAYLOAD = 16 * 1024  # characters kept of a payload
MAX_DETAIL = 500  # characters kept of what is wrong
MAX_ROWS = 10_000  # for each source
MAX_DAYS = 30
_SLACK = 500  # rows over MAX_ROWS before some are removed: not on every request


@dataclass(frozen=True, kw_only=True)
class RejectedEvent:
    """One row of `rejected`. `payload`: the event as it came, cut after MAX_PAYLOAD characters.

    `request`, `ip` and `bot` are those of the request, for the event that a replay may store.
    """

    seq: int = 0  # until it is stored
    reason: str
    detail: str
    event_id: str
    type: str | None
    source_id: str
    session_id: str | None
    profile_id: str | None
    origin: str | None
    ip: str | None
    bot: bool
    payload: str
    request: str | None
    request_id: str
    received_at: str
    last_seen_at: str
    seen: int = 1

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON-ready data."""
        return asdict(self)


_NAMES = tuple(field.name for field in fields(RejectedEvent))
_INSERTED = tuple(name for name in _NAMES if name not in ("seq", "seen"))
_values = attrgetter(*_INSERTED)

_INSERT = f"INSERT INTO rejected ({', '.join(_INSERTED)})"
_AGAIN = """
    ON CONFLICT (source_id, event_id) DO UPDATE SET
        reason = excluded.reason, detail = excluded.detail, seen = seen + 1,
        last_seen_at = excluded.last_seen_at
"""


class RejectedWriter:
    """The writer's side. It knows roughly how many rows a source has, so that it seldom counts
    them."""

    def __init__(self) -> None:
        # Source id → rows that may come before the next count.
        self._room: dict[str, int] = {}

    def insert(self, connection: sqlite3.Connection, rows: Sequence[RejectedEvent]) -> None:
        """Stores rows inside the caller's transaction, and removes the oldest where there are too
        many."""
        insert_rows(connection, _INSERT, [_values(row) for row in rows], _AGAIN)
        for row in rows:
            self._room[row.source_id] = self._room.get(row.source_id, 0) - 1
        for source_id in {row.source_id for row in rows}:
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
            "DELETE FROM rejected WHERE seq IN"
            " (SELECT seq FROM rejected WHERE source_id = ? ORDER BY received_at LIMIT ?)",
            [source_id, count - MAX_ROWS],
        )
    return int(max(0, MAX_ROWS - count)) + _SLACK


def take_rejected(connection: sqlite3.Connection, seqs: Iterable[int]) -> set[int]:
    """Removes these rows inside the caller's transaction. Returns those that were there."""
    remove = "DELETE FROM rejected WHERE seq = ? RETURNING seq"
    return {seq for seq in seqs if connection.execute(remove, [seq]).fetchall()}


def list_rejected(
    connection: sqlite3.Connection,
    *,
    source_id: str | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    reason: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[RejectedEvent]:
    """Rejected events, the latest first. See `select_page`."""
    rows = select_page(
        connection,
        "rejected",
        _NAMES,
        equal={"source_id": source_id, "type": type, "reason": reason},
        before=before,
        limit=limit,
    )
    found = (dict(zip(_NAMES, row, strict=True)) for row in rows)
    return [RejectedEvent(**{**row, "bot": bool(row["bot"])}) for row in found]


def get_rejected(connection: sqlite3.Connection, seq: int) -> RejectedEvent:
    """One rejected event. Raises NotFound."""
    for row in list_rejected(connection, before=seq + 1, limit=1):
        if row.seq == seq:
            return row
    raise NotFound(f"There is no rejected event {seq}. `thamesthrive rejected list` lists them.")
