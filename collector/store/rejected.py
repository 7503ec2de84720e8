"""Rejected events: kept with their reason until somebody has looked. Bounded by count and age."""

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from operator import attrgetter
from typing import Any

from ..errors import NotFound
from ..event.again import parse_again
from ..event.types import Payload
from .keys import source_key
from .rollup_tables import OTHER
from .rows import ANY_RUN, Search, Term, compared, of_run, select_rows

MAX_PAYLOAD = 16 * 1024  # characters kept of a payload
MAX_DETAIL = 500  # characters kept of what is wrong
MAX_SHARED = 256 * 1024  # characters of request data kept with the events of one request
MAX_ROWS = 10_000  # for each source
MAX_SIZE = 32 * 1024 * 1024  # characters of a source's rows
MAX_DAYS = 30
MAX_TYPES = 200  # counted by name in an hour of a source; the rest is OTHER
_SLACK = 500  # rows over MAX_ROWS before some are removed: not on every request
_SLACK_SIZE = 4 * 1024 * 1024  # the same for MAX_SIZE

# How many were rejected in each hour. It is more than there are rows: those that are removed for
# their number or age stay counted.
HOURS = (
    """
    CREATE TABLE rejected_hours (
        source INTEGER NOT NULL,
        hour TEXT NOT NULL,
        reason TEXT NOT NULL,
        type TEXT NOT NULL,
        events INTEGER NOT NULL,
        PRIMARY KEY (source, hour, reason, type)
    ) WITHOUT ROWID
    """,
    "INSERT OR IGNORE INTO source_keys (id) SELECT DISTINCT source_id FROM rejected",
    """
    INSERT INTO rejected_hours
    SELECT k.key, substr(r.received_at, 1, 13), r.reason, coalesce(r.type, ''), count(*)
    FROM rejected r JOIN source_keys k ON k.id = r.source_id GROUP BY 1, 2, 3, 4
    """,
)


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
    run: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The row as JSON-ready data."""
        return asdict(self)


_NAMES = tuple(field.name for field in fields(RejectedEvent))
_INSERTED = tuple(name for name in _NAMES if name not in ("seq", "seen"))
_values = attrgetter(*_INSERTED)

_INSERT = f"""
    INSERT INTO rejected ({", ".join(_INSERTED)}) VALUES ({", ".join("?" * len(_INSERTED))})
    ON CONFLICT (source_id, event_id) DO UPDATE SET
        reason = excluded.reason, detail = excluded.detail, seen = seen + 1,
        last_seen_at = excluded.last_seen_at
"""
_FIND = "SELECT received_at, reason, type, run FROM rejected WHERE source_id = ? AND event_id = ?"


class RejectedWriter:
    """The writer's side. It knows roughly how many rows a source has, so that it seldom counts
    them."""

    def __init__(self) -> None:
        # Source id → rows, and characters, that may come before the next count.
        self._room: dict[str, tuple[int, int]] = {}

    def insert(self, connection: sqlite3.Connection, rows: Sequence[RejectedEvent]) -> None:
        """Stores rows inside the caller's transaction, and removes the oldest where there are too
        many."""
        for row in rows:
            before = connection.execute(_FIND, (row.source_id, row.event_id)).fetchone()
            connection.execute(_INSERT, _values(row))
            # One that comes again is counted once, in the hour that it first came in.
            at, reason, kind, run = before or (row.received_at, None, row.type, row.run)
            if reason != row.reason and run is None:
                if reason:
                    _count(connection, row.source_id, at, reason, kind, -1)
                _count(connection, row.source_id, at, row.reason, kind, 1)
        for row in rows:
            count, size = self._room.get(row.source_id, (0, 0))
            self._room[row.source_id] = (count - 1, size - _size(row))
        for source_id in {row.source_id for row in rows}:
            if min(self._room[source_id]) < 0:
                self._room[source_id] = _trim(connection, source_id)


def _size(row: RejectedEvent) -> int:
    return len(row.payload) + len(row.detail) + len(row.request or "")


def _trim(connection: sqlite3.Connection, source_id: str) -> tuple[int, int]:
    """Removes the oldest rows of a source beyond MAX_ROWS and MAX_SIZE. Returns how many rows and
    characters more may come before this is worth doing again."""
    size = "length(payload) + length(detail) + coalesce(length(request), 0)"
    kept = f"""
        SELECT seq, row_number() OVER latest AS number, sum({size}) OVER latest AS total
        FROM rejected WHERE source_id = ?
        WINDOW latest AS (ORDER BY received_at DESC, seq DESC ROWS UNBOUNDED PRECEDING)
    """
    connection.execute(
        f"DELETE FROM rejected WHERE seq IN (SELECT seq FROM ({kept})"
        " WHERE number > ? OR total > ?)",
        [source_id, MAX_ROWS, MAX_SIZE],
    )
    count, total = connection.execute(
        f"SELECT count(*), coalesce(sum({size}), 0) FROM rejected WHERE source_id = ?", [source_id]
    ).fetchone()
    return MAX_ROWS - count + _SLACK, MAX_SIZE - total + _SLACK_SIZE


def take_rejected(connection: sqlite3.Connection, seqs: Iterable[int]) -> set[int]:
    """Removes these rows inside the caller's transaction. Returns those that were there."""
    return {seq for seq in seqs if remove_rejected(connection, "seq = ?", [seq])}


def remove_rejected(
    connection: sqlite3.Connection, where: str, values: Sequence[Any]
) -> list[tuple[str, str]]:
    """Removes rows as if they had never come, inside the caller's transaction. Returns source and
    event id of each."""
    gone = connection.execute(
        f"DELETE FROM rejected WHERE {where}"
        " RETURNING source_id, event_id, received_at, reason, type, run",
        values,
    ).fetchall()
    for source_id, _, received_at, reason, kind, run in gone:
        if run is None:
            _count(connection, source_id, received_at, reason, kind, -1)
    return [(source_id, event_id) for source_id, event_id, *_ in gone]


def _count(
    connection: sqlite3.Connection,
    source_id: str,
    at: str,
    reason: str,
    kind: str | None,
    number: int,
) -> None:
    """Counts a rejected event, or takes one off, in the hour that it came in."""
    hour = (_key_of(connection, source_id), at[:13])
    name = kind or ""
    find = "SELECT 1 FROM rejected_hours WHERE source = ? AND hour = ? AND reason = ? AND type = ?"
    if not connection.execute(find, (*hour, reason, name)).fetchone():
        types = "SELECT count(*) FROM rejected_hours WHERE source = ? AND hour = ?"
        if number < 0 or connection.execute(types, hour).fetchone()[0] >= MAX_TYPES:
            name = OTHER
    connection.execute(
        "INSERT INTO rejected_hours VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET events = events + excluded.events",
        (*hour, reason, name, number),
    )
    if number < 0:
        connection.execute(
            "DELETE FROM rejected_hours WHERE source = ? AND hour = ? AND reason = ? AND type = ?"
            " AND events <= 0",
            (*hour, reason, name),
        )


def _key_of(connection: sqlite3.Connection, source_id: str) -> int:
    """The number of a source. It may be the first that is stored of it."""
    key = source_key(connection, source_id)
    if not key:
        added = connection.execute("INSERT INTO source_keys (id) VALUES (?)", (source_id,))
        key = int(added.lastrowid or 0)
    return key


def iter_rejected(
    connection: sqlite3.Connection,
    *,
    source_id: str | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    reason: str | None = None,
    profile_id: str | None = None,
    run: str | None = None,
    after: int | None = None,
    before: int | None = None,
    limit: int | None = None,
    terms: Sequence[Term] = (),
) -> Iterator[RejectedEvent]:
    """Rejected events, the latest first; with `after`, oldest first. See `select_rows`. `terms`: others
    that they must meet. `run`: as of `EventFilter`."""
    equal = {"source_id": source_id, "type": type, "reason": reason, "profile_id": profile_id}
    search = Search("rejected", [*compared("=", equal), *terms, *of_run(run)])
    rows = select_rows(connection, search, _NAMES, after=after, before=before, limit=limit)
    for row in rows:
        found = dict(zip(_NAMES, row, strict=True))
        yield RejectedEvent(**{**found, "bot": bool(found["bot"])})


def count_rejected(
    connection: sqlite3.Connection,
    *,
    source_id: str | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
) -> int:
    """How many rejected events of a source and a type there are; None stands for any."""
    terms = compared("=", {"source_id": source_id, "type": type})
    where = " AND ".join([*(term for term, _ in terms), "run IS NULL"])
    values = [value for _, of_term in terms for value in of_term]
    find = f"SELECT count(*) FROM rejected INDEXED BY rejected_groups WHERE {where}"
    return int(connection.execute(find, values).fetchone()[0])


def parsed_again(row: RejectedEvent) -> Payload | None:
    """A rejected event as the only one of a request, as it would be parsed today. None if its payload
    was cut, or it is not an event but a whole request."""
    if len(row.payload) >= MAX_PAYLOAD or row.event_id == row.request_id:
        return None
    return parse_again(row.source_id, row.payload, row.request_id, row.received_at)


def list_rejected(
    connection: sqlite3.Connection, *, limit: int = 50, **filters: Any
) -> list[RejectedEvent]:
    """Some rejected events, all in memory. `filters`: see `iter_rejected`."""
    return list(iter_rejected(connection, limit=limit, **filters))


def get_rejected(connection: sqlite3.Connection, seq: int) -> RejectedEvent:
    """One rejected event. Raises NotFound."""
    for row in list_rejected(connection, before=seq + 1, limit=1, run=ANY_RUN):
        if row.seq == seq:
            return row
    raise NotFound(f"There is no rejected event {seq}. `thamesthrive rejected list` lists them.")
