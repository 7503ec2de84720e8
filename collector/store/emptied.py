"""Sessions and profiles that are left without events."""

import sqlite3
from datetime import UTC, datetime

from ..event.timestamps import iso
from .clock import MAX_AHEAD


def in_future() -> str:
    """A time after which nothing can have come, unless the clock was wrong."""
    return iso(datetime.now(UTC) + MAX_AHEAD)


def remove_empty(connection: sqlite3.Connection, sessions: set[int], oldest: str) -> None:
    """Removes those of these sessions that began before `oldest` and have no events, and the
    profiles that are left without sessions. So it does with those from the future, which began
    while the clock was wrong."""
    future = in_future()
    for session in sessions - {0}:
        row = connection.execute(
            "DELETE FROM session_rows WHERE key = ? AND (first_seen_at < ? OR first_seen_at > ?)"
            " AND NOT EXISTS (SELECT 1 FROM request_rows WHERE session = session_rows.key)"
            # Rejected events can only be forgotten, or replayed, where their visitor is known.
            " AND NOT EXISTS (SELECT 1 FROM rejected WHERE profile_id ="
            " (SELECT id FROM profile_rows WHERE key = session_rows.profile))"
            " RETURNING profile",
            (session, oldest, future),
        ).fetchone()
        if row:
            connection.execute(
                "DELETE FROM profile_rows WHERE key = ? AND (first_seen_at < ? OR first_seen_at > ?)"
                " AND NOT EXISTS (SELECT 1 FROM session_rows WHERE profile = profile_rows.key)",
                (row[0], oldest, future),
            )
