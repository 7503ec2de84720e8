"""What this database is among others that send to the same stores, and which visitors they are to
forget.

A forgotten profile's id stays here until each destination has removed its rows, and not a moment
longer: without the id, nobody could find them there.
"""

import sqlite3
from collections.abc import Sequence
from typing import NamedTuple

from ..event.timestamps import now
from ..ids import uuid7

# The key is no number: after a backup was restored, a number would be given again.
TABLES = (
    "CREATE TABLE edge (id TEXT NOT NULL, forwards INTEGER NOT NULL DEFAULT 0)",
    """
    CREATE TABLE forgotten_profiles (
        key TEXT PRIMARY KEY,
        id TEXT NOT NULL,
        forgotten_at TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)


class Forgotten(NamedTuple):
    """A profile that destinations have to forget."""

    key: str
    id: str


def name_edge(connection: sqlite3.Connection) -> None:
    """Gives the database its name, once."""
    connection.execute("INSERT INTO edge (id) VALUES (?)", [uuid7()])


def edge_id(connection: sqlite3.Connection) -> str:
    """The name under which a store knows this database."""
    return str(connection.execute("SELECT id FROM edge").fetchone()[0])


def forwards(connection: sqlite3.Connection) -> bool:
    """Whether there are stores that get the events as well. It is in the database, so that nobody
    who moves that forgets it."""
    return bool(connection.execute("SELECT forwards FROM edge").fetchone()[0])


def set_forwards(connection: sqlite3.Connection, wanted: bool) -> None:
    """Sets whether there are such stores. Without any, nobody has to forget."""
    connection.execute("UPDATE edge SET forwards = ?", [wanted])
    if not wanted:
        connection.execute("DELETE FROM forgotten_profiles")


def add_forgotten(connection: sqlite3.Connection, profile_id: str) -> None:
    """Records a profile that destinations have to forget, inside the caller's transaction."""
    connection.execute(
        "INSERT INTO forgotten_profiles VALUES (?, ?, ?)", [uuid7(), profile_id, now()]
    )


def forgotten_profiles(connection: sqlite3.Connection) -> Sequence[Forgotten]:
    """Those that some destination has not forgotten yet, in order."""
    found = connection.execute("SELECT key, id FROM forgotten_profiles ORDER BY key")
    return [Forgotten(*row) for row in found]


def drop_forgotten(connection: sqlite3.Connection, keys: Sequence[str]) -> None:
    """Removes the ids of profiles that all destinations have forgotten."""
    connection.executemany("DELETE FROM forgotten_profiles WHERE key = ?", [(key,) for key in keys])
