"""Events: writing them in groups, reading them back."""

import json
import sqlite3
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..event.types import Event
from ..ipc import WriteRequest
from .rows import insert_rows, load_json, select_page

_INSERT = """INSERT INTO events
    (id, type, source_id, session_id, profile_id, properties, context, options, tags, extra,
    request, request_id, occurred_at, received_at, ip, bot)"""
EventRow = tuple[Any, ...]


def event_row(
    event: Event, request: WriteRequest, session_id: str | None, profile_id: str | None
) -> EventRow:
    """An event and the request it came with as a row for `insert_events`."""
    return (
        event.id, event.type, request.source_id, session_id, profile_id, event.properties,
        event.context, event.options, event.tags, event.extra, request.payload.request,
        request.request_id, event.occurred_at, request.received_at, request.sender.ip,
        request.sender.bot,
    )  # fmt: skip


class Repeated(Exception):
    """Some ids were stored before. Roll the transaction back, and run it again without them."""


def insert_events(connection: sqlite3.Connection, rows: Sequence[EventRow]) -> None:
    """Stores events inside the caller's transaction.

    Repeats are rare, so all rows are simply tried. Raises Repeated if an id is stored already, or
    twice among them.
    """
    if insert_rows(connection, _INSERT, rows, "ON CONFLICT (id) DO NOTHING") != len(rows):
        raise Repeated


class MissingSource(Exception):
    """A source was removed while its request waited."""


def require_sources(connection: sqlite3.Connection, source_ids: Collection[str]) -> None:
    """Raises MissingSource if one of these does not exist."""
    for source_id in source_ids:
        if not connection.execute("SELECT 1 FROM sources WHERE id = ?", (source_id,)).fetchone():
            raise MissingSource


def stored_ids(
    connection: sqlite3.Connection, ids: Iterable[str], source_id: str | None = None
) -> set[str]:
    """Which of these ids are stored, for any source or for one."""
    (found,) = connection.execute(
        "SELECT json_group_array(id) FROM events"
        " WHERE id IN (SELECT value FROM json_each(?1)) AND (?2 IS NULL OR source_id = ?2)",
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


_DECODE: dict[str, Callable[[Any], Any]] = {
    "properties": load_json,
    "context": load_json,
    "bot": bool,
}


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
) -> list[StoredEvent]:
    """Stored events, the latest first; with `after`, those with a higher sequence number, oldest
    first. See `select_page`."""
    names = [*StoredEvent.__dataclass_fields__]
    rows = select_page(
        connection,
        "events",
        names,
        equal={
            "type": type,
            "source_id": source_id,
            "session_id": session_id,
            "profile_id": profile_id,
        },
        after=after,
        before=before,
        limit=limit,
    )
    return [
        StoredEvent(
            **{
                name: decode(value) if (decode := _DECODE.get(name)) else value
                for name, value in zip(names, row, strict=True)
            }
        )
        for row in rows
    ]


def last_seq(connection: sqlite3.Connection) -> int:
    """The sequence number of the latest event; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()[0])
