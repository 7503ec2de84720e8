"""Events and the rejected lane: writing them in groups, reading them back."""

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from .rows import insert_rows

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
)
EventRow = tuple[str, str, str, str | None, str | None, str, str, str | None, str | None, str | None, str | None, str, str, str]

_INSERT = f"INSERT INTO events ({', '.join(COLUMNS)})"
_REJECT = "INSERT INTO rejected (reason, detail, event_id, type, source_id, payload, request_id, received_at)"


class Repeats(Exception):
    """Some ids were stored before. The transaction has to be rolled back, and run again with `expect_repeats`."""


def insert_events(connection: sqlite3.Connection, rows: Sequence[EventRow], *, expect_repeats: bool = False) -> set[str]:
    """Stores each id once, inside the caller's transaction. Returns the ids that were there already.

    Repeats are rare, so all rows are simply tried, and Repeats is raised if some did not go in.
    With `expect_repeats` it is asked first which are stored.
    """
    if not expect_repeats:
        if insert_rows(connection, _INSERT, rows, "ON CONFLICT (id) DO NOTHING") != len(rows):
            raise Repeats
        return set()
    repeated = stored_ids(connection, (row[0] for row in rows))
    fresh: dict[str, EventRow] = {}
    for row in rows:
        if row[0] in fresh:
            repeated.add(row[0])
        elif row[0] not in repeated:
            fresh[row[0]] = row
    insert_rows(connection, _INSERT, list(fresh.values()))
    return repeated


def stored_ids(connection: sqlite3.Connection, ids: Iterable[str], source_id: str | None = None) -> set[str]:
    """Which of these ids are stored, for any source or for one."""
    (found,) = connection.execute(
        "SELECT json_group_array(id) FROM events WHERE id IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR source_id = ?2)",
        (json.dumps(list(ids)), source_id),
    ).fetchone()
    return set(json.loads(found))


def insert_rejected(connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Stores (reason, detail, event_id, type, source_id, payload, request_id, received_at) in the rejected lane."""
    insert_rows(connection, _REJECT, rows)


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

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON-ready data."""
        return asdict(self)


def list_events(
    connection: sqlite3.Connection,
    *,
    type: str | None = None,  # noqa: A002 - the column's name
    source_id: str | None = None,
    session_id: str | None = None,
    after: int | None = None,
    limit: int = 50,
) -> Iterator[StoredEvent]:
    """Stored events: the latest `limit` ones in the order of storing, or the first ones after sequence number `after`."""
    filters = {"type = ?": type, "source_id = ?": source_id, "session_id = ?": session_id, "seq > ?": after}
    given = {clause: value for clause, value in filters.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    order = "DESC" if after is None else "ASC"
    cursor = connection.execute(
        f"SELECT * FROM (SELECT seq, id, type, source_id, session_id, profile_id, properties, context, occurred_at, received_at"
        f" FROM events {where} ORDER BY seq {order} LIMIT ?) ORDER BY seq",
        [*given.values(), limit],
    )
    for row in cursor:
        values = list(row)
        values[6:8] = json.loads(values[6]), json.loads(values[7])
        yield StoredEvent(*values)


def count_events(connection: sqlite3.Connection) -> int:
    """How many events are stored."""
    return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])
