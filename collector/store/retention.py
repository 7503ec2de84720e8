"""How long rows are kept."""

import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from operator import itemgetter

from ..event.timestamps import OLDEST, iso
from .audit import MAX_DAYS as AUDIT_DAYS
from .audit import expire_audit
from .connection import transaction
from .rejected import MAX_DAYS
from .rollups import removing

CHUNK = 200  # requests, or rejected events, removed at a time: no sender waits longer for it
PAGES = 200  # given back to the file system after each
SESSIONS = 5000  # keys of sessions looked at at a time


def expire_rows(connection: sqlite3.Connection, looked_at: dict[int, int] | None = None) -> int:
    """Removes some expired rows, in a transaction. Returns how many, or that there is more to look
    at; call it again until it is 0.

    Events expire when they are older than their source's retention; sessions and profiles that are
    left without events go with them. Rejected events expire after MAX_DAYS, changes of administrators
    after AUDIT_DAYS. `looked_at`: up to
    which session of each source is done, for the next call.
    """
    looked_at = {} if looked_at is None else looked_at
    today = datetime.now(UTC)
    kept = connection.execute(
        "SELECT k.key, s.retention_days FROM sources s JOIN source_keys k ON k.id = s.id"
        " WHERE s.retention_days IS NOT NULL"
    ).fetchall()
    for source, days in kept:
        if count := _expire_requests(connection, source, _before(today, days)):
            return count
    oldest = _before(today, MAX_DAYS)
    for (source_id,) in connection.execute("SELECT id FROM sources").fetchall():
        old = "SELECT seq FROM rejected WHERE source_id = ? AND received_at < ?"
        if connection.execute(f"{old} LIMIT 1", [source_id, oldest]).fetchone():
            with transaction(connection):
                return connection.execute(
                    f"DELETE FROM rejected WHERE seq IN ({old} LIMIT {CHUNK})", [source_id, oldest]
                ).rowcount
    if count := expire_audit(connection, iso(today - timedelta(days=AUDIT_DAYS)), CHUNK):
        return count
    return sum(
        # Rejected events, too, have expired by then.
        _expire_sessions(connection, source, _before(today, max(days, MAX_DAYS)), looked_at)
        for source, days in kept
    )


def _before(today: datetime, days: int) -> str:
    """The time this many days ago; at the earliest the one before which nothing is stored, as the
    calendar ends somewhere."""
    return iso(max(OLDEST, today - timedelta(days=min(days, today.toordinal() - 1))))


def _expire_sessions(
    connection: sqlite3.Connection, source: int, oldest: str, looked_at: dict[int, int]
) -> int:
    """Removes sessions that began before `oldest` and never had an event: those that expire with
    their last event are gone. Each is looked at once. Returns 0 if there are no more."""
    after = looked_at.get(source, 0)
    (last,) = connection.execute("SELECT coalesce(max(key), 0) FROM session_rows").fetchone()
    upto = min(after + SESSIONS, last)
    found = connection.execute(
        "SELECT key, first_seen_at < ? FROM session_rows"
        " WHERE key > ? AND key <= ? AND source = ? ORDER BY key",
        (oldest, after, upto, source),
    ).fetchall()
    old = list(takewhile(itemgetter(1), found))
    if old:
        with transaction(connection):
            remove_empty(connection, {key for key, _ in old}, oldest)
    looked_at[source] = upto if len(old) == len(found) else found[len(old)][0] - 1
    return int(looked_at[source] < last and len(old) == len(found))


def _expire_requests(connection: sqlite3.Connection, source: int, oldest: str) -> int:
    """Removes some requests of a source that came before `oldest`, with what is left without
    events. Returns how many."""
    find = "SELECT key, events, session FROM request_rows WHERE source = ? AND received_at < ?"
    gone = connection.execute(f"{find} LIMIT {CHUNK}", [source, oldest]).fetchall()
    if not gone:
        return 0
    with transaction(connection):
        with removing(connection, [key for key, _, _ in gone]):
            connection.executemany(
                "DELETE FROM event_rows WHERE seq BETWEEN ?1 AND ?1 + ?2 - 1 AND request = ?1",
                [(key, events) for key, events, _ in gone],
            )
            connection.executemany(
                "DELETE FROM request_rows WHERE key = ?", [(key,) for key, _, _ in gone]
            )
        remove_empty(connection, {session for _, _, session in gone}, oldest)
    # execute() would stop after one page.
    connection.executescript(f"PRAGMA incremental_vacuum({PAGES})")
    return len(gone)


def remove_empty(connection: sqlite3.Connection, sessions: set[int], oldest: str) -> None:
    """Removes those of these sessions that began before `oldest` and have no events, and the
    profiles that are left without sessions."""
    for session in sessions - {0}:
        row = connection.execute(
            "DELETE FROM session_rows WHERE key = ? AND first_seen_at < ?"
            " AND NOT EXISTS (SELECT 1 FROM request_rows WHERE session = session_rows.key)"
            # Rejected events can only be forgotten, or replayed, where their visitor is known.
            " AND NOT EXISTS (SELECT 1 FROM rejected WHERE profile_id ="
            " (SELECT id FROM profile_rows WHERE key = session_rows.profile))"
            " RETURNING profile",
            (session, oldest),
        ).fetchone()
        if row:
            connection.execute(
                "DELETE FROM profile_rows WHERE key = ? AND first_seen_at < ?"
                " AND NOT EXISTS (SELECT 1 FROM session_rows WHERE profile = profile_rows.key)",
                (row[0], oldest),
            )
