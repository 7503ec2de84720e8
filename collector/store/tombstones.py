"""Tombstones: hashes of the ids of forgotten events, so that a late repeat does not store them
again."""

import hashlib
import sqlite3
from collections.abc import Iterable

from ..event.timestamps import now


def _hash(event_id: str) -> bytes:
    return hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).digest()[:16]


def forgotten_ids(connection: sqlite3.Connection, ids: Iterable[str]) -> set[str]:
    """Which of these event ids belong to events that were forgotten."""
    if not connection.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone():
        return set()
    look = "SELECT 1 FROM tombstones WHERE hash = ?"
    return {event_id for event_id in ids if connection.execute(look, [_hash(event_id)]).fetchone()}


def add_tombstones(connection: sqlite3.Connection, ids: Iterable[str]) -> None:
    """Records these event ids as forgotten, inside the caller's transaction."""
    at = now()
    connection.executemany(
        "INSERT OR IGNORE INTO tombstones VALUES (?, ?)",
        [(_hash(event_id), at) for event_id in ids],
    )
