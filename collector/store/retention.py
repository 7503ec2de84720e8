"""How long rows are kept."""

import json
import sqlite3
from datetime import UTC, datetime, timedelta

from ..event.timestamps import iso
from .connection import transaction
from .rejected import MAX_DAYS

CHUNK = 500  # rows removed in one transaction: no sender waits longer than that takes
PAGES = 200  # given back to the file system after each


def expire_rows(connection: sqlite3.Connection) -> int:
    """Removes some expired rows, in a transaction. Returns how many; call it again until it is 0.

    Events expire when they are older than their source's retention; sessions and profiles that are
    left without events go with them. Rejected events expire after MAX_DAYS.
    """
    today = datetime.now(UTC)
    limits = [
        ("events", source_id, days)
        for source_id, days in connection.execute(
            "SELECT id, retention_days FROM sources WHERE retention_days IS NOT NULL"
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
    old = f"SELECT seq FROM {table} WHERE source_id = ? AND received_at < ? LIMIT {CHUNK}"
    with transaction(connection):
        gone = connection.execute(
            f"DELETE FROM {table} WHERE seq IN ({old}) RETURNING session_id, profile_id",
            [source_id, oldest],
        ).fetchall()
        if table == "events":
            _remove_empty(connection, {row[0] for row in gone}, {row[1] for row in gone}, oldest)
    # execute() would stop after one page.
    connection.executescript(f"PRAGMA incremental_vacuum({PAGES})")
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
