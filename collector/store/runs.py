"""Runs of tests: what is stored of each, and how it is removed.

`request_rows.run` says which run an event belongs to, `rejected.run` does so for a rejected one. They
are never counted in rollups, so removing them leaves those as they are.
"""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from ..event.timestamps import iso
from .connection import connect, transaction
from .emptied import in_future, remove_empty
from .events import StoredEvent, iter_events
from .layout import EVENTS_REMOVED
from .rejected import RejectedEvent, iter_rejected

KEPT = timedelta(hours=24)
CHUNK = 200  # requests, or rejected events, removed at a time: no sender waits longer for it
MAX_RUNS = 1000  # that are listed

# The view is made again: what migrations of before made of it is not edited.
TABLES = (
    "ALTER TABLE request_rows ADD COLUMN run TEXT",
    "CREATE INDEX requests_of_run ON request_rows(run) WHERE run IS NOT NULL",
    "ALTER TABLE rejected ADD COLUMN run TEXT",
    "CREATE INDEX rejected_of_run ON rejected(run) WHERE run IS NOT NULL",
    "DROP INDEX rejected_groups",
    """
    CREATE INDEX rejected_groups
    ON rejected(source_id, reason, type, detail, received_at, last_seen_at, seen, run)
    """,
    "DROP VIEW events",
    """
    CREATE VIEW events AS
    SELECT e.seq, e.id, t.name AS type, k.id AS source_id, s.id AS session_id, p.id AS profile_id,
        e.properties, coalesce(e.context, r.context) AS context, e.options, e.tags, e.extra,
        r.request, r.request_id, e.occurred_at, r.received_at, r.ip, r.bot, r.run
    FROM event_rows e
    JOIN request_rows r ON r.key = e.request AND e.seq BETWEEN r.key AND r.key + r.events - 1
    JOIN event_types t ON t.key = e.type
    JOIN source_keys k ON k.key = e.source
    JOIN session_rows s ON s.key = r.session
    JOIN profile_rows p ON p.key = s.profile
    """,
    EVENTS_REMOVED,
    "INSERT INTO sqlite_stat1 (tbl, idx, stat)"
    " VALUES ('request_rows', 'requests_of_run', '5000000 50')",
    "ANALYZE sqlite_schema",
)


@dataclass(frozen=True)
class Run:
    """What is stored of a run. `first_at` and `last_at`: when the first and the last came in."""

    run: str
    events: int
    rejected: int
    first_at: str
    last_at: str

    def as_dict(self) -> dict[str, Any]:
        """The run as JSON-ready data."""
        return asdict(self)


def list_runs(connection: sqlite3.Connection, limit: int = MAX_RUNS) -> list[Run]:
    """The runs that have anything stored, the newest first."""
    rows = connection.execute(
        """
        SELECT run, sum(events), sum(rejected), min(first), max(last) AS last FROM (
            SELECT run, sum(events) AS events, 0 AS rejected, min(received_at) AS first,
                max(received_at) AS last
            FROM request_rows WHERE run IS NOT NULL GROUP BY run
            UNION ALL
            SELECT run, 0, count(*), min(received_at), max(last_seen_at)
            FROM rejected WHERE run IS NOT NULL GROUP BY run
        ) GROUP BY run ORDER BY last DESC, run LIMIT ?
        """,
        [limit],
    )
    return [Run(*row) for row in rows]


def events_of_run(
    connection: sqlite3.Connection, run: str, *, after: int = 0, limit: int, **filters: Any
) -> list[StoredEvent]:
    """Events of a run, oldest first, with numbers above `after`. `filters`: as of `iter_events`."""
    return [*iter_events(connection, run=run, after=after, limit=limit, **filters)]


def rejected_of_run(
    connection: sqlite3.Connection, run: str, *, after: int = 0, limit: int
) -> list[RejectedEvent]:
    """Rejected events of a run, oldest first, with numbers above `after`."""
    return [*iter_rejected(connection, run=run, after=after, limit=limit)]


def latest_of_run(connection: sqlite3.Connection, run: str, limit: int) -> list[StoredEvent]:
    """The latest events of a run, oldest first."""
    return [*iter_events(connection, run=run, limit=limit)][::-1]


def types_of_run(connection: sqlite3.Connection, run: str) -> dict[str, int]:
    """How many events of each type a run has, the most first."""
    rows = connection.execute(
        "SELECT type, count(*) FROM events WHERE run = ? GROUP BY type ORDER BY 2 DESC, 1", [run]
    )
    return {row[0]: row[1] for row in rows}


def run_of_session(connection: sqlite3.Connection, source_id: str, session_id: str) -> str | None:
    """The run that the latest request of a session's with a run belongs to."""
    row = connection.execute(
        """
        SELECT r.run FROM source_keys k JOIN session_rows s ON s.source = k.key AND s.id = ?
        JOIN request_rows r ON r.session = s.key WHERE k.id = ? AND r.run IS NOT NULL
        ORDER BY r.key DESC LIMIT 1
        """,
        [session_id, source_id],
    ).fetchone()
    return str(row[0]) if row else None


def only_of_runs(connection: sqlite3.Connection) -> tuple[int, int]:
    """How many sessions and profiles have events of runs, and no others."""
    has_others = "SELECT 1 FROM request_rows o WHERE o.session = {}.key AND o.run IS NULL"
    sessions, profiles = connection.execute(
        f"""
        WITH tested AS (
            SELECT DISTINCT session FROM request_rows WHERE run IS NOT NULL AND session > 0
        ), found AS (SELECT s.key, s.profile FROM tested JOIN session_rows s ON s.key = session)
        SELECT
            (SELECT count(*) FROM found WHERE NOT EXISTS ({has_others.format("found")})),
            (SELECT count(*) FROM (SELECT DISTINCT profile FROM found) f WHERE NOT EXISTS (
                SELECT 1 FROM session_rows s WHERE s.profile = f.profile
                    AND (s.key NOT IN (SELECT key FROM found) OR EXISTS ({has_others.format("s")}))
            ))
        """
    ).fetchone()
    return int(sessions), int(profiles)


def has_runs(connection: sqlite3.Connection) -> bool:
    """Whether there are events of runs, so that others are to be told from them."""
    find = "SELECT EXISTS (SELECT 1 FROM request_rows WHERE run IS NOT NULL)"
    return bool(connection.execute(find).fetchone()[0])


def remove_run(path: Path, run: str) -> dict[str, int]:
    """Removes what is stored of a run, with the sessions and profiles that have nothing else. Returns
    how many `events` and `rejected` were removed. Opens its own connection, and removes a few rows at a
    time."""
    removed = {"events": 0, "rejected": 0}
    with closing(connect(path)) as connection:
        while found := _requests(connection, "run = ?", [run]):
            removed["events"] += sum(events for _, events, _ in found)
            _remove_requests(connection, found, in_future())
        while gone := _remove_rejected(connection, "run = ?", [run], in_future()):
            removed["rejected"] += gone
    return removed


def expire_runs(connection: sqlite3.Connection, today: datetime) -> int:
    """Removes some of what came more than KEPT ago, in a transaction. Returns how many requests or
    rejected events."""
    oldest = iso(today - KEPT)
    where = "run IS NOT NULL AND received_at < ?"
    if found := _requests(connection, where, [oldest]):
        _remove_requests(connection, found, oldest)
        return len(found)
    return _remove_rejected(connection, where, [oldest], oldest)


def _requests(
    connection: sqlite3.Connection, where: str, values: Sequence[str]
) -> list[tuple[int, int, int]]:
    """Some requests: key, events, session."""
    find = f"SELECT key, events, session FROM request_rows WHERE {where} LIMIT {CHUNK}"
    return [tuple(row) for row in connection.execute(find, values)]


def _remove_requests(
    connection: sqlite3.Connection, requests: Sequence[tuple[int, int, int]], oldest: str
) -> None:
    with transaction(connection):
        connection.executemany(
            "DELETE FROM event_rows WHERE seq BETWEEN ?1 AND ?1 + ?2 - 1 AND request = ?1",
            [(key, events) for key, events, _ in requests],
        )
        connection.executemany(
            "DELETE FROM request_rows WHERE key = ?", [(key,) for key, _, _ in requests]
        )
        remove_empty(connection, {session for _, _, session in requests}, oldest)


def _remove_rejected(
    connection: sqlite3.Connection, where: str, values: Sequence[str], oldest: str
) -> int:
    """Removes some rejected events. Returns how many."""
    find = f"""
        SELECT r.seq, coalesce(s.key, 0) FROM (
            SELECT seq, source_id, session_id FROM rejected WHERE {where} LIMIT {CHUNK}
        ) r
        JOIN source_keys k ON k.id = r.source_id
        LEFT JOIN session_rows s ON s.id = r.session_id AND s.source = k.key
    """
    found = connection.execute(find, values).fetchall()
    if not found:
        return 0
    with transaction(connection):
        connection.executemany("DELETE FROM rejected WHERE seq = ?", [(seq,) for seq, _ in found])
        remove_empty(connection, {session for _, session in found}, oldest)
    return len(found)
