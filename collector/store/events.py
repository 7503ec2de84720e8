"""Events: writing them in groups, reading them back."""

import json
import sqlite3
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .rows import insert_rows, load_json

COLUMNS = (
    "id",
    "type",
    "source_id",
    "session_id",
    "profile_id",
    "properties",
    "context",
    "options",
    "tags",
    "extra",
    "request",
    "request_id",
    "occurred_at",
    "received_at",
    "ip",
    "bot",
)
EventRow = tuple[Any, ...]  # in the order of COLUMNS

_INSERT = f"INSERT INTO events ({', '.join(COLUMNS)})"


class Repeats(Exception):
    """Some ids were stored before. The transaction has to be rolled back, and run again without
    them."""


def insert_events(connection: sqlite3.Connection, rows: Sequence[EventRow]) -> None:
    """Stores events inside the caller's transaction. Repeats are rare, so all rows are simply
    tried: raises Repeats if an id is stored already, or twice among them."""
    if insert_rows(connection, _INSERT, rows, "ON CONFLICT (id) DO NOTHING") != len(rows):
        raise Repeats


class MissingSource(Exception):
    """A source was removed in between."""


def require_sources(connection: sqlite3.Connection, source_ids: Collection[str]) -> None:
    """Raises MissingSource if one of these is not there."""
    for source_id in source_ids:
        if not connection.execute("SELECT 1 FROM sources WHERE id = ?", (source_id,)).fetchone():
            raise MissingSource


def stored_ids(
    connection: sqlite3.Connection, ids: Iterable[str], source_id: str | None = None
) -> set[str]:
    """Which of these ids are stored, for any source or for one."""
    (found,) = connection.execute(
        "SELECT json_group_array(id) FROM events WHERE id IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR source_id = ?2)",
        (json.dumps(list(ids)), source_id),
    ).fetchone()
    return set(json.loads(found))


@dataclass(frozen=True)
class StoredEvent:
    """One row of `events`, with its JSON columns decoded."""

    seq: int
    id: str
    type: str
    source_id: str
    session_id: str | None
    profile_id: str | None
    properties: dict[str, Any]
    context: dict[str, Any]
    occurred_at: str
    received_at: str
    ip: str | None
    bot: bool

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON-ready data."""
        return asdict(self)


def list_events(
    connection: sqlite3.Connection,
    *,
    type: str | None = None,  # noqa: A002 - the column's name
    source_id: str | None = None,
    session_id: str | None = None,
    profile_id: str | None = None,
    after: int | None = None,
    before: int | None = None,
    limit: int = 50,
) -> Iterator[StoredEvent]:
    """Stored events in the order of storing: the latest `limit` ones (before sequence number
    `before`), or the first ones after sequence number `after`."""
    filters = {
        "type = ?": type,
        "source_id = ?": source_id,
        "session_id = ?": session_id,
        "profile_id = ?": profile_id,
        "seq > ?": after,
        "seq < ?": before,
    }
    given = {clause: value for clause, value in filters.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    order = "DESC" if after is None else "ASC"
    cursor = connection.execute(
        f"SELECT * FROM (SELECT seq, id, type, source_id, session_id, profile_id, properties, context, occurred_at, received_at, ip, bot"
        f" FROM events {where} ORDER BY seq {order} LIMIT ?) ORDER BY seq",
        [*given.values(), limit],
    )
    for row in cursor:
        values = list(row)
        values[6:8] = load_json(values[6]), load_json(values[7])
        values[-1] = bool(values[-1])
        yield StoredEvent(*values)


def last_seq(connection: sqlite3.Connection) -> int:
    """The sequence number of the latest event; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])


def count_events(connection: sqlite3.Connection) -> int:
    """How many events are stored."""
    return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
