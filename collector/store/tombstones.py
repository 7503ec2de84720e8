"""Tombstones: hashes of the ids of forgotten events, so that a late repeat does not store them
again."""

import hashlib
import sqlite3
from collections.abc import Iterable

from ..event.timestamps import now


def _hash(source_id: str, event_id: str) -> bytes:
    name = f"{source_id}\0{event_id}"
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:16]


def _first_id(connection: sqlite3.Connection, source_id: str) -> str:
    """What a source was called at first: that does not change when it gets another id."""
    find = "SELECT coalesce(first_id, id) FROM sources WHERE id = ?"
    row = connection.execute(find, [source_id]).fetchone()
    return str(row[0]) if row else source_id


def _former_hash(event_id: str) -> bytes:
    """As it was before ids were a source's own."""
    return hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).digest()[:16]


def has_tombstones(connection: sqlite3.Connection) -> bool:
    """Whether any event was ever forgotten."""
    return bool(connection.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone())


def forgotten_ids(connection: sqlite3.Connection, source_id: str, ids: Iterable[str]) -> set[str]:
    """Which of these ids belong to forgotten events of a source."""
    look = "SELECT 1 FROM tombstones WHERE hash IN (?, ?)"
    first_id = _first_id(connection, source_id)
    return {
        event_id
        for event_id in ids
        if connection.execute(look, [_hash(first_id, event_id), _former_hash(event_id)]).fetchone()
    }


def add_tombstones(connection: sqlite3.Connection, ids: Iterable[tuple[str, str]]) -> None:
    """Records events as forgotten, inside the caller's transaction. `ids`: of source and event."""
    at = now()
    ids = list(ids)
    first_ids = {source: _first_id(connection, source) for source in {owner for owner, _ in ids}}
    connection.executemany(
        "INSERT OR IGNORE INTO tombstones VALUES (?, ?)",
        [(_hash(first_ids[source_id], event_id), at) for source_id, event_id in ids],
    )
