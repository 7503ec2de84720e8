"""Events that carry a text that nobody else's do, such as a verification's: found, and removed as if
they had never come."""

import sqlite3
from collections.abc import Sequence

from .connection import snapshot, transaction
from .emptied import remove_empty
from .events import StoredEvent
from .feed import FeedFilter, cursor_now, latest
from .rejected import RejectedEvent, remove_rejected
from .rollups import removing
from .tombstones import add_tombstones

MAX_TRACES = 1000
_NEVER = "9999"  # later than any time


def find_traces(
    connection: sqlite3.Connection, text: str, since: str
) -> list[StoredEvent | RejectedEvent]:
    """Stored and rejected events that came since a time (stored form) and have `text` in their type,
    properties or context, oldest first; the latest MAX_TRACES."""
    with snapshot(connection):
        wanted = FeedFilter(text=text, since=since)
        return [*reversed(latest(connection, wanted, cursor_now(connection), MAX_TRACES))]


def remove_traces(connection: sqlite3.Connection, text: str, since: str) -> tuple[int, int]:
    """Removes these events, with the sessions and profiles that are left without any. Returns how
    many were removed, and how many are left because other events came in the same request.

    Tombstones remain, so that a repeat that is still on its way does not store them again.
    """
    with transaction(connection):
        wanted = FeedFilter(text=text, since=since)
        found = latest(connection, wanted, cursor_now(connection), MAX_TRACES)
        rejected = [row for row in found if isinstance(row, RejectedEvent)]
        stored = {row.seq for row in found if isinstance(row, StoredEvent)}
        gone = _remove_rejected(connection, rejected) + _remove_stored(connection, stored)
        remove_empty(connection, _sessions_of(connection, found), _NEVER)
        return gone, _count(connection, stored)


def _remove_rejected(connection: sqlite3.Connection, rows: list[RejectedEvent]) -> int:
    gone = 0
    for row in rows:
        removed = remove_rejected(connection, "seq = ?", [row.seq])
        add_tombstones(connection, removed)
        gone += len(removed)
    return gone


def _sessions_of(
    connection: sqlite3.Connection, rows: Sequence[StoredEvent | RejectedEvent]
) -> set[int]:
    """The keys of the sessions that events belong to."""
    find = (
        "SELECT s.key FROM session_rows s JOIN source_keys k ON k.key = s.source"
        " WHERE s.id = ? AND k.id = ?"
    )
    visits = {(row.session_id, row.source_id) for row in rows}
    return {key for visit in visits for (key,) in connection.execute(find, visit)}


def _remove_stored(connection: sqlite3.Connection, seqs: set[int]) -> int:
    """Removes whole requests: those that have no other event."""
    requests: dict[int, int] = {}
    for seq in seqs:
        row = connection.execute(
            "SELECT r.key, r.events FROM event_rows e JOIN request_rows r ON r.key = e.request"
            " WHERE e.seq = ?",
            [seq],
        ).fetchone()
        if row and set(range(row[0], row[0] + row[1])) <= seqs:
            requests[row[0]] = row[1]
    removed = 0
    with removing(connection, [*requests]):
        for key, events in requests.items():
            gone = connection.execute(
                "DELETE FROM event_rows WHERE seq BETWEEN ?1 AND ?1 + ?2 - 1 AND request = ?1"
                " RETURNING (SELECT id FROM source_keys WHERE key = source), id",
                (key, events),
            ).fetchall()
            add_tombstones(connection, [(row[0], row[1]) for row in gone])
            removed += len(gone)
            connection.execute("DELETE FROM request_rows WHERE key = ?", [key])
    return removed


def _count(connection: sqlite3.Connection, seqs: set[int]) -> int:
    return sum(
        connection.execute("SELECT count(*) FROM event_rows WHERE seq = ?", [seq]).fetchone()[0]
        for seq in seqs
    )
