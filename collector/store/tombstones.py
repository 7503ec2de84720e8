"""Tombstones: hashes of the ids of what is forgotten. So a late repeat does not store an event again,
and a browser that still names a profile does not bring it back."""

import hashlib
import sqlite3
from collections.abc import Iterable

from ..event.timestamps import now
from ..ids import is_uuid8
from .former_ids import first_id


def _hash(source_id: str, event_id: str) -> bytes:
    name = f"{source_id}\0{event_id}"
    return hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()[:16]


def _former_hash(event_id: str) -> bytes:
    """As it was before ids were a source's own."""
    return hashlib.sha256(event_id.encode("utf-8", "surrogatepass")).digest()[:16]


def _profile_hash(profile_id: str) -> bytes:
    """By another hash function than events', so that none of them equals one of these."""
    name = profile_id.encode("utf-8", "surrogatepass")
    return hashlib.blake2b(name, digest_size=16, person=b"tt-profile").digest()


def has_tombstones(connection: sqlite3.Connection) -> bool:
    """Whether anything was ever forgotten."""
    return bool(connection.execute("SELECT 1 FROM tombstones LIMIT 1").fetchone())


def forgotten_ids(connection: sqlite3.Connection, source_id: str, ids: Iterable[str]) -> set[str]:
    """Which of these ids belong to forgotten events of a source."""
    look = "SELECT 1 FROM tombstones WHERE hash IN (?, ?)"
    called = first_id(connection, source_id)
    return {
        event_id
        for event_id in ids
        if connection.execute(look, [_hash(called, event_id), _former_hash(event_id)]).fetchone()
    }


def add_tombstones(connection: sqlite3.Connection, ids: Iterable[tuple[str, str]]) -> None:
    """Records events as forgotten, inside the caller's transaction. `ids`: of source and event."""
    at = now()
    ids = list(ids)
    first_ids = {source: first_id(connection, source) for source in {owner for owner, _ in ids}}
    connection.executemany(
        "INSERT OR IGNORE INTO tombstones VALUES (?, ?)",
        [(_hash(first_ids[source_id], event_id), at) for source_id, event_id in ids],
    )


def add_profile_tombstone(connection: sqlite3.Connection, profile_id: str) -> None:
    """Records a profile as forgotten, inside the caller's transaction, if its id may be one that
    verifies (profile_ids.py).

    No other id comes back without its row. Sites may choose those, and who knows a name could tell by
    its hash that it was forgotten; nobody can guess one that verifies.
    """
    if is_uuid8(profile_id):
        insert = "INSERT OR IGNORE INTO tombstones VALUES (?, ?)"
        connection.execute(insert, [_profile_hash(profile_id), now()])


def is_forgotten_profile(connection: sqlite3.Connection, profile_id: str) -> bool:
    """Whether a profile with an id that verifies was forgotten."""
    look = "SELECT 1 FROM tombstones WHERE hash = ?"
    return connection.execute(look, [_profile_hash(profile_id)]).fetchone() is not None
