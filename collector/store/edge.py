"""What this database is among others that send to the same stores, and which visitors they are to
forget.

A forgotten profile's id stays here until each destination has removed its rows, and not a moment
longer: without the id, nobody could find them there.
"""

import sqlite3
from collections.abc import Sequence

from ..event.timestamps import now
from ..ids import uuid7

TABLES = (
    "CREATE TABLE edge (id TEXT NOT NULL)",
    """
    CREATE TABLE forgotten_profiles (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT NOT NULL,
        forgotten_at TEXT NOT NULL
    )
    """,
)


def name_edge(connection: sqlite3.Connection) -> None:
    """Gives the database its name, once."""
    connection.execute("INSERT INTO edge (id) VALUES (?)", [uuid7()])


def edge_id(connection: sqlite3.Connection) -> str:
    """The name under which a store knows this database."""
    return str(connection.execute("SELECT id FROM edge").fetchone()[0])


def add_forgotten(connection: sqlite3.Connection, profile_id: str) -> None:
    """Records a profile that destinations have to forget, inside the caller's transaction."""
    connection.execute(
        "INSERT INTO forgotten_profiles (id, forgotten_at) VALUES (?, ?)", [profile_id, now()]
    )


def forgotten_after(
    connection: sqlite3.Connection, after: int, limit: int
) -> Sequence[tuple[int, str]]:
    """Numbers and ids of profiles that were forgotten, in order, from the one behind `after` on."""
    return [
        (int(row[0]), str(row[1]))
        for row in connection.execute(
            "SELECT seq, id FROM forgotten_profiles WHERE seq > ? ORDER BY seq LIMIT ?",
            [after, limit],
        )
    ]


def drop_forgotten(connection: sqlite3.Connection, upto: int) -> None:
    """Removes the ids of profiles that all destinations have forgotten."""
    connection.execute("DELETE FROM forgotten_profiles WHERE seq <= ?", [upto])
