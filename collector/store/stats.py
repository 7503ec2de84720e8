"""Numbers about the database, and whether it is sound."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from .connection import create_private, snapshot
from .rollup_check import check_rollups
from .runs import only_of_runs

BACKUP_PAGES = 2000  # copied at a time; in between, others read and write


def stats(connection: sqlite3.Connection) -> dict[str, Any]:
    """Totals, and for each source how many events are stored and rejected, and when the last one
    came. Events of runs of tests are left out, and the visitors that only they have."""
    names = ("id", "name", "enabled", "events", "rejected", "last_event_at")
    rows = connection.execute("""
        SELECT s.id, s.name, s.enabled,
            (SELECT count(*) FROM event_rows WHERE source = k.key) - coalesce(
                (SELECT count(*) FROM request_rows r INDEXED BY requests_of_run
                CROSS JOIN event_rows e ON e.seq BETWEEN r.key AND r.key + r.events - 1
                    AND e.request = r.key
                WHERE r.run IS NOT NULL AND r.source = k.key), 0),
            (SELECT count(*) FROM rejected WHERE source_id = s.id AND run IS NULL),
            (SELECT max(received_at) FROM request_rows WHERE source = k.key AND run IS NULL)
        FROM sources s LEFT JOIN source_keys k ON k.id = s.id ORDER BY s.created_at, s.id
    """)
    sources = [dict(zip(names, row, strict=True)) for row in rows]
    for source in sources:
        source["enabled"] = bool(source["enabled"])
    totals = {
        name: connection.execute(f"SELECT count(*) FROM {table} WHERE key > 0").fetchone()[0] - less
        for (name, table), less in zip(
            (("sessions", "session_rows"), ("profiles", "profile_rows")),
            only_of_runs(connection),
            strict=True,
        )
    }
    return {
        "events": sum(source["events"] for source in sources),
        "rejected": sum(source["rejected"] for source in sources),
        **totals,
        "sources": sources,
    }


def database_state(connection: sqlite3.Connection) -> tuple[str, int]:
    """The journal mode, and the number of enabled sources."""
    (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
    (sources,) = connection.execute("SELECT count(*) FROM sources WHERE enabled").fetchone()
    return str(mode), int(sources)


def backup(source: sqlite3.Connection, target: Path, progress: Callable[[int, int], None]) -> None:
    """Copies a database into a new file, for its user alone, while others read and write it.

    The copy is the database as it is when the copy begins. `progress` is called with the pages
    copied, and all of them. Raises sqlite3.Error.
    """
    create_private(target)
    with closing(sqlite3.connect(target)) as copy:
        # One snapshot: without it, SQLite would begin again each time the collector writes.
        with snapshot(source):
            source.backup(
                copy,
                pages=BACKUP_PAGES,
                progress=lambda _, left, total: progress(total - left, total),
            )
        copy.execute("PRAGMA journal_mode=DELETE")


def check_database(
    connection: sqlite3.Connection, progress: Callable[[int, int], None] = lambda _, __: None
) -> list[str]:
    """What is wrong with a database, in words; nothing if it is sound.

    `progress` is called with how many numbers of events have been counted again, and of how many.
    """
    with snapshot(connection):
        return [*_findings(connection), *check_rollups(connection, progress)]


def _findings(connection: sqlite3.Connection) -> list[str]:
    findings = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    for table, count in connection.execute(
        'SELECT "table", count(*) FROM pragma_foreign_key_check GROUP BY 1'
    ):
        findings.append(f"{count} rows of {table} refer to rows that are not there")
    (lost,) = connection.execute(
        "SELECT count(*) FROM event_rows e LEFT JOIN request_rows r"
        " ON r.key = e.request AND e.seq BETWEEN r.key AND r.key + r.events - 1 WHERE r.key IS NULL"
    ).fetchone()
    (ownerless,) = connection.execute(
        "SELECT count(*) FROM event_rows WHERE source NOT IN"
        " (SELECT k.key FROM source_keys k JOIN sources s ON s.id = k.id)"
    ).fetchone()
    if ownerless:
        findings.append(f"{ownerless} events belong to sources that do not exist")
    if lost:
        findings.append(f"{lost} events are outside of their requests")
    return findings
