"""What a visitor may ask for: everything about them, and that it is forgotten. And how long events
are kept."""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from ..clock import iso
from ..errors import NotFound
from .rejected import MAX_DAYS
from .rows import load_json
from .tombstones import bury

CHUNK = 500  # rows removed in one transaction: the writer's senders wait no longer than that takes
PAGES = 200  # given back to the file system after each
_JSON = ("properties", "context", "options", "tags", "extra", "request", "first_utm", "last_utm")


def export_profile(
    connection: sqlite3.Connection, profile_id: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything stored about a profile, as (table, row). Raises NotFound, before the first row."""
    row = connection.execute("SELECT * FROM profiles WHERE id = ?", [profile_id]).fetchone()
    if row is None:
        raise NotFound(f"There is no profile {profile_id!r}.")
    yield "profiles", _readable(row)
    for table, order in (("sessions", "first_seen_at"), ("events", "seq"), ("rejected", "seq")):
        for row in connection.execute(
            f"SELECT * FROM {table} WHERE profile_id = ? ORDER BY {order}", [profile_id]
        ):
            yield table, _readable(row)


def _readable(row: sqlite3.Row) -> dict[str, Any]:
    return {
        key: load_json(row[key]) if key in _JSON and row[key] is not None else row[key]
        for key in row.keys()  # noqa: SIM118 - iterating a sqlite3.Row gives values
    }


def forget_profile(connection: sqlite3.Connection, profile_id: str) -> dict[str, int]:
    """Removes a profile and all that belongs to it, in small transactions. Returns the removed rows
    per table.

    What remains are hashes of the events' ids, so that a repeat that is still on its way does not
    bring them back. It may be called again if it was interrupted. Raises NotFound.
    """
    if connection.execute("SELECT 1 FROM profiles WHERE id = ?", [profile_id]).fetchone() is None:
        raise NotFound(f"There is no profile {profile_id!r}.")
    removed = {"events": 0, "rejected": 0, "sessions": 0, "profiles": 0}
    for table, column in (("events", "id"), ("rejected", "event_id")):
        while ids := _forget_some(connection, table, column, profile_id):
            removed[table] += ids
    connection.execute("BEGIN IMMEDIATE")
    # Events that came in between, then sessions and the profile itself.
    for table, column in (("events", "id"), ("rejected", "event_id")):
        removed[table] += _bury(connection, table, column, "profile_id = ?", [profile_id])
    removed["sessions"] = connection.execute(
        "DELETE FROM sessions WHERE profile_id = ?", [profile_id]
    ).rowcount
    removed["profiles"] = connection.execute(
        "DELETE FROM profiles WHERE id = ?", [profile_id]
    ).rowcount
    connection.execute("COMMIT")
    return removed


def _forget_some(connection: sqlite3.Connection, table: str, column: str, profile_id: str) -> int:
    connection.execute("BEGIN IMMEDIATE")
    try:
        where = f"seq IN (SELECT seq FROM {table} WHERE profile_id = ? LIMIT {CHUNK})"
        count = _bury(connection, table, column, where, [profile_id])
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    return count


def _bury(
    connection: sqlite3.Connection, table: str, column: str, where: str, values: list[Any]
) -> int:
    gone = connection.execute(
        f"DELETE FROM {table} WHERE {where} RETURNING {column}", values
    ).fetchall()
    bury(connection, (row[0] for row in gone))
    return len(gone)


def expire_some(connection: sqlite3.Connection) -> int:
    """Removes some events that are older than their source keeps them, with the sessions and
    profiles that are left without any, and old rows of the rejected lane, in a transaction of its
    own; returns how many. Call it again until that is 0."""
    today = datetime.now(UTC)
    limits = [
        ("events", source_id, days)
        for source_id, days in connection.execute(
            "SELECT id, keep_days FROM sources WHERE keep_days IS NOT NULL"
        )
    ]
    limits += [
        ("rejected", row[0], MAX_DAYS) for row in connection.execute("SELECT id FROM sources")
    ]
    for table, source_id, days in limits:
        oldest = iso(today - timedelta(days=days))
        if connection.execute(
            f"SELECT 1 FROM {table} WHERE source_id = ? AND received_at < ?", [source_id, oldest]
        ).fetchone():
            return _expire(connection, table, source_id, oldest)
    return 0


def _expire(connection: sqlite3.Connection, table: str, source_id: str, oldest: str) -> int:
    where = (
        f"seq IN (SELECT seq FROM {table} WHERE source_id = ? AND received_at < ? LIMIT {CHUNK})"
    )
    connection.execute("BEGIN IMMEDIATE")
    try:
        gone = connection.execute(
            f"DELETE FROM {table} WHERE {where} RETURNING session_id, profile_id",
            [source_id, oldest],
        ).fetchall()
        if table == "events":
            _remove_empty(connection, {row[0] for row in gone}, {row[1] for row in gone}, oldest)
        connection.execute("COMMIT")
    except BaseException:
        connection.rollback()
        raise
    connection.executescript(
        f"PRAGMA incremental_vacuum({PAGES})"
    )  # execute() would stop after one page
    return len(gone)


def _remove_empty(
    connection: sqlite3.Connection,
    sessions: set[str | None],
    profiles: set[str | None],
    oldest: str,
) -> None:
    """Of sessions and profiles that were not seen since `oldest`, removes those without events."""
    connection.execute(
        """DELETE FROM sessions WHERE id IN (SELECT value FROM json_each(?)) AND last_seen_at < ?
        AND NOT EXISTS (SELECT 1 FROM events WHERE session_id = sessions.id)""",
        [json.dumps(list(sessions - {None})), oldest],
    )
    connection.execute(
        """DELETE FROM profiles WHERE id IN (SELECT value FROM json_each(?)) AND last_seen_at < ?
        AND NOT EXISTS (SELECT 1 FROM events WHERE profile_id = profiles.id)
        AND NOT EXISTS (SELECT 1 FROM sessions WHERE profile_id = profiles.id)""",
        [json.dumps(list(profiles - {None})), oldest],
    )
