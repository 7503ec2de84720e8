"""How long rows are kept."""

import sqlite3
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from operator import itemgetter
from typing import Any

from ..event.timestamps import OLDEST, iso
from .audit import MAX_DAYS as AUDIT_DAYS
from .audit import expire_audit
from .clock import MAX_AHEAD, add_mark, describe_clock, is_ahead, reach_of
from .connection import transaction
from .emptied import in_future, remove_empty
from .former_ids import expire_former_ids
from .rejected import MAX_DAYS
from .rollups import removing
from .runs import expire_runs
from .sightings import MAX_DAYS as SIGHTING_DAYS
from .sightings import expire_sightings

CHUNK = 200  # requests, or rejected events, removed at a time: no sender waits longer for it
PAGES = 200  # given back to the file system after each
SESSIONS = 5000  # keys of sessions looked at at a time
ALL = 2**63 - 1  # above the number of any row
# Of a source, up to a number.
_REQUESTS = "SELECT key, events, session FROM request_rows WHERE source = ? AND key <= ?"
_REJECTED = "SELECT seq FROM rejected WHERE source_id = ? AND seq <= ?"


def expire_rows(connection: sqlite3.Connection, looked_at: dict[int, int] | None = None) -> int:
    """Removes some expired rows, in a transaction. Returns how many, or that there is more to look
    at; call it again until it is 0.

    Events expire when they are older than their source's retention; sessions and profiles that are
    left without events go with them. Rejected events expire after MAX_DAYS, changes of administrators
    after AUDIT_DAYS, sightings after SIGHTING_DAYS, and runs of tests after a day. `looked_at`: up to which session of each source is done, for the next call.
    Nothing expires while the clock is not believed (clock.py).
    """
    looked_at = {} if looked_at is None else looked_at
    today = datetime.now(UTC)
    if is_ahead(connection, today):
        return 0
    kept = _kept(connection)
    add_mark(connection, today, _before(today, _longest(kept)))
    for source, days in kept:
        if count := _expire_requests(connection, source, today, days):
            return count
    if count := (
        _expire_rejected(connection, today)
        or expire_runs(connection, today)
        or expire_former_ids(connection)
        or expire_audit(connection, _before(today, AUDIT_DAYS), CHUNK)
        or expire_sightings(connection, _before(today, SIGHTING_DAYS))
    ):
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


def mark_end(connection: sqlite3.Connection) -> None:
    """Marks the time at which a collector ends: until the next mark may be long."""
    today = datetime.now(UTC)
    if not is_ahead(connection, today):
        oldest = _before(today, _longest(_kept(connection)))
        add_mark(connection, today, oldest, interval=timedelta(0))


def _longest(kept: list[tuple[int, int]]) -> int:
    return max([MAX_DAYS, *(days for _, days in kept)])


def paused(connection: sqlite3.Connection) -> str | None:
    """Why rows that seem to have expired are not removed; None if none is kept for that."""
    today = datetime.now(UTC)
    if not is_ahead(connection, today):
        return None
    sources = connection.execute("SELECT id FROM sources").fetchall()
    looks = [
        *((_REQUESTS, source, days) for source, days in _kept(connection)),
        *((_REJECTED, source_id, MAX_DAYS) for (source_id,) in sources),
    ]
    for find, source, days in looks:
        values = [source, ALL, _before(today, days)]
        if connection.execute(f"{find} AND received_at < ? LIMIT 1", values).fetchone():
            return describe_clock(connection, today)
    return None


def _kept(connection: sqlite3.Connection) -> list[tuple[int, int]]:
    """Sources with a retention: key, and days."""
    return connection.execute(
        "SELECT k.key, s.retention_days FROM sources s JOIN source_keys k ON k.id = s.id"
        " WHERE s.retention_days IS NOT NULL"
    ).fetchall()


def _expire_sessions(
    connection: sqlite3.Connection, source: int, oldest: str, looked_at: dict[int, int]
) -> int:
    """Removes sessions that began before `oldest`, or while the clock was ahead, and never had an
    event: those that expire with their last event are gone. Each is looked at once. Returns 0 if
    there are no more."""
    after = looked_at.get(source, 0)
    (last,) = connection.execute("SELECT coalesce(max(key), 0) FROM session_rows").fetchone()
    upto = min(after + SESSIONS, last)
    found = connection.execute(
        "SELECT key, first_seen_at < ? OR first_seen_at > ? FROM session_rows"
        " WHERE key > ? AND key <= ? AND source = ? ORDER BY key",
        (oldest, in_future(), after, upto, source),
    ).fetchall()
    old = list(takewhile(itemgetter(1), found))
    if old:
        with transaction(connection):
            remove_empty(connection, {key for key, _ in old}, oldest)
    looked_at[source] = upto if len(old) == len(found) else found[len(old)][0] - 1
    return int(looked_at[source] < last and len(old) == len(found))


def _find_old(
    connection: sqlite3.Connection, find: str, source: int | str, today: datetime, days: int
) -> list[Any]:
    """Some rows of a source that came before the last `days`. `find`: _REQUESTS or _REJECTED."""
    oldest = _before(today, days)
    reach = reach_of(connection, oldest)
    upto = reach.event if find == _REQUESTS else reach.rejected
    limit = f"LIMIT {CHUNK}"
    old = connection.execute(f"{find} AND received_at < ? {limit}", [source, upto, oldest])
    found = old.fetchall()
    if not found and reach.is_marked:
        # They came while the clock was ahead, and are as old all the same.
        future = [source, upto, iso(today + MAX_AHEAD)]
        found = connection.execute(f"{find} AND received_at > ? {limit}", future).fetchall()
    return found


def _expire_rejected(connection: sqlite3.Connection, today: datetime) -> int:
    """Removes some rejected events that came before the last MAX_DAYS. Returns how many."""
    for (source_id,) in connection.execute("SELECT id FROM sources").fetchall():
        if gone := _find_old(connection, _REJECTED, source_id, today, MAX_DAYS):
            with transaction(connection):
                connection.executemany("DELETE FROM rejected WHERE seq = ?", gone)
            return len(gone)
    return 0


def _expire_requests(
    connection: sqlite3.Connection, source: int, today: datetime, days: int
) -> int:
    """Removes some requests of a source that came before the last `days`, with what is left without
    events. Returns how many."""
    oldest = _before(today, days)
    gone = _find_old(connection, _REQUESTS, source, today, days)
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
