"""Ids that sources had before: how a source gets another id, and how long the former one counts.

Events, sessions and counts belong to a number (`source_keys`), which stays; what names a source by
its id gets the new one in the same transaction.
"""

import sqlite3
import uuid
from collections.abc import Collection
from dataclasses import asdict, dataclass
from typing import Any

from sqlite_utils import Database

from ..event.timestamps import now
from .audit import add_entry
from .connection import transaction
from .events import MissingSource
from .moments import time_ahead
from .sources import Source, get_source

GRACE = "7d"  # by default

TABLES = (
    # What a source was first called: profiles of its own and forgotten events are known by it.
    "ALTER TABLE sources ADD COLUMN first_id TEXT",
    """
    CREATE TABLE former_ids (
        id TEXT PRIMARY KEY NOT NULL,
        source_id TEXT NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
        replaced_at TEXT NOT NULL,
        accepted_until TEXT NOT NULL
    )
    """,
    "CREATE TRIGGER former_ids_changed AFTER UPDATE ON former_ids"
    " BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER former_ids_removed AFTER DELETE ON former_ids"
    " BEGIN UPDATE registry SET version = version + 1; END",
)


@dataclass(frozen=True)
class FormerId:
    """An id that a source had: events that name it are the source's until `accepted_until`."""

    id: str
    source_id: str
    replaced_at: str
    accepted_until: str

    def as_dict(self) -> dict[str, Any]:
        """The id as JSON-ready data."""
        return asdict(self)


def rotate_source(db: Database, source_id: str, grace: str = GRACE) -> Source:
    """Gives a source a new, random id. Running collectors notice within a second.

    Everything it has stays with it. Events that name the former id are stored as the source's until
    `grace` is over: a length of time (`7d`, `12h`), a date, or `0` for not at all. Raises NotFound,
    and StoreError for a `grace` that is none.
    """
    at, new = now(), str(uuid.uuid4())
    until = at if grace == "0" else time_ahead(grace)
    connection = db.conn
    with transaction(connection):
        # References are checked at the commit: for a moment they lead nowhere.
        db.execute("PRAGMA defer_foreign_keys=ON")
        old = get_source(db, source_id).id
        db.execute(
            "UPDATE sources SET id = ?, first_id = coalesce(first_id, id) WHERE id = ?", [new, old]
        )
        db.execute("UPDATE source_keys SET id = ? WHERE id = ?", [new, old])
        for table in _tables_with_source_ids(connection):
            db.execute(f"UPDATE {table} SET source_id = ? WHERE source_id = ?", [new, old])
        # A saved report also names its source inside.
        db.execute(
            "UPDATE saved_reports SET definition = json_set(definition, '$.source', ?)"
            " WHERE json_extract(definition, '$.source') = ?",
            [new, old],
        )
        db.execute("INSERT INTO former_ids VALUES (?, ?, ?, ?)", [old, new, at, until])
        changes = {"id": (old, new), "accepted_until": (None, until)}
        add_entry(connection, "source.rotate", new, source_id=new, changes=changes)
    return get_source(db, new)


def _tables_with_source_ids(connection: sqlite3.Connection) -> list[str]:
    """Tables that name sources by their ids. Not the audit: what was written there stays as it
    was, and `iter_audit` finds it by all ids of a source."""
    rows = connection.execute(
        "SELECT m.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c"
        " WHERE m.type = 'table' AND c.name = 'source_id' AND m.name <> 'audit'"
    )
    return [name for (name,) in rows]


def first_id(connection: sqlite3.Connection, source_id: str) -> str:
    """What a source was called at first: that does not change when it gets another id."""
    find = "SELECT coalesce(first_id, id) FROM sources WHERE id = ?"
    row = connection.execute(find, [source_id]).fetchone()
    return str(row[0]) if row else source_id


def list_former_ids(connection: sqlite3.Connection, source_id: str | None = None) -> list[FormerId]:
    """Former ids of one source, or of all, that are still accepted; the latest first."""
    rows = connection.execute(
        "SELECT id, source_id, replaced_at, accepted_until FROM former_ids"
        " WHERE accepted_until > ?1 AND (?2 IS NULL OR source_id = ?2)"
        " ORDER BY replaced_at DESC, id",
        [now(), source_id],
    )
    return [FormerId(*row) for row in rows]


def renamed_sources(connection: sqlite3.Connection, ids: Collection[str]) -> dict[str, str]:
    """Of these ids, those that are former ones and still accepted, with the present ids: requests
    may have been admitted a moment before. Raises MissingSource for an id of no source."""
    renamed = {}
    for source_id in ids:
        if not connection.execute("SELECT 1 FROM sources WHERE id = ?", (source_id,)).fetchone():
            row = connection.execute(
                "SELECT source_id FROM former_ids WHERE id = ? AND accepted_until > ?",
                (source_id, now()),
            ).fetchone()
            if row is None:
                raise MissingSource
            renamed[source_id] = str(row[0])
    return renamed


def expire_former_ids(connection: sqlite3.Connection) -> int:
    """Removes former ids that are not accepted any more, in a transaction. Returns how many."""
    find = "SELECT 1 FROM former_ids WHERE accepted_until <= ? LIMIT 1"
    at = now()
    if not connection.execute(find, [at]).fetchone():
        return 0
    with transaction(connection):
        gone = connection.execute("DELETE FROM former_ids WHERE accepted_until <= ?", [at])
        return gone.rowcount
