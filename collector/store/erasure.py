"""What a visitor may ask for: everything stored about them, and that it is forgotten."""

import sqlite3
from collections.abc import Iterator
from typing import Any

from ..errors import NotFound
from .connection import transaction
from .rows import load_json
from .tombstones import add_tombstones

CHUNK = 500  # rows removed in one transaction: no sender waits longer than that takes
_JSON = ("properties", "context", "options", "tags", "extra", "request", "first_utm", "last_utm")


def export_profile(
    connection: sqlite3.Connection, profile_id: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything stored about a profile, as (table, row). Raises NotFound, before the first row."""
    row = connection.execute("SELECT * FROM profiles WHERE id = ?", [profile_id]).fetchone()
    if row is None:
        raise NotFound(f"There is no profile {profile_id!r}.")
    yield "profiles", _decoded(row)
    for table, order in (("sessions", "first_seen_at"), ("events", "seq"), ("rejected", "seq")):
        for row in connection.execute(
            f"SELECT * FROM {table} WHERE profile_id = ? ORDER BY {order}", [profile_id]
        ):
            yield table, _decoded(row)


def _decoded(row: sqlite3.Row) -> dict[str, Any]:
    return {
        key: load_json(row[key]) if key in _JSON and row[key] is not None else row[key]
        for key in row.keys()  # noqa: SIM118 - iterating a sqlite3.Row gives values
    }


def forget_profile(connection: sqlite3.Connection, profile_id: str) -> dict[str, int]:
    """Removes a profile and all that belongs to it. Returns the removed rows per table.

    It works in small transactions and may be called again if it was interrupted. Tombstones of the
    events remain, so that a repeat that is still on its way does not store them again. Raises
    NotFound.
    """
    if not connection.execute("SELECT 1 FROM profiles WHERE id = ?", [profile_id]).fetchone():
        raise NotFound(f"There is no profile {profile_id!r}.")
    removed = {"events": 0, "rejected": 0, "sessions": 0, "profiles": 0}
    tables = (("events", "id"), ("rejected", "event_id"))
    for table, column in tables:
        where = f"seq IN (SELECT seq FROM {table} WHERE profile_id = ? LIMIT {CHUNK})"
        while count := _forget_chunk(connection, table, column, where, profile_id):
            removed[table] += count
    with transaction(connection):
        # Events that came in between, then sessions and the profile itself.
        for table, column in tables:
            removed[table] += _forget(connection, table, column, "profile_id = ?", profile_id)
        for table, column in (("sessions", "profile_id"), ("profiles", "id")):
            removed[table] = connection.execute(
                f"DELETE FROM {table} WHERE {column} = ?", [profile_id]
            ).rowcount
    return removed


def _forget_chunk(
    connection: sqlite3.Connection, table: str, column: str, where: str, profile_id: str
) -> int:
    with transaction(connection):
        return _forget(connection, table, column, where, profile_id)


def _forget(
    connection: sqlite3.Connection, table: str, column: str, where: str, profile_id: str
) -> int:
    """Removes rows and leaves tombstones of their ids. Returns how many."""
    gone = connection.execute(
        f"DELETE FROM {table} WHERE {where} RETURNING {column}", [profile_id]
    ).fetchall()
    add_tombstones(connection, (row[0] for row in gone))
    return len(gone)
