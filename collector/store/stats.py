"""Numbers about the database, and whether it is sound."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from .connection import snapshot

BACKUP_PAGES = 2000  # copied at a time; in between, others read and write


def stats(connection: sqlite3.Connection) -> dict[str, Any]:
    """Totals, and for each source how many events are stored and rejected, and when the last one
    came."""
    sources = [
        dict(
            zip(
                ("id", "name", "enabled", "events", "rejected", "last_event_at"),
                (*row[:2], bool(row[2]), *row[3:]),
                strict=True,
            )
        )
        for row in connection.execute("""
            SELECT id, name, enabled,
                (SELECT count(*) FROM events WHERE source_id = sources.id),
                (SELECT count(*) FROM rejected WHERE source_id = sources.id),
                (SELECT max(received_at) FROM events WHERE source_id = sources.id)
            FROM sources ORDER BY created_at, id
        """)
    ]
    totals = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        for table in ("sessions", "profiles")
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
    """Copies a database into a new file while others read and write it.

    The copy is the database as it is when the copy begins. `progress` is called with the pages
    copied, and all of them. Raises sqlite3.Error.
    """
    with closing(sqlite3.connect(target)) as copy:
        # One snapshot: without it, SQLite would begin again each time the collector writes.
        with snapshot(source):
            source.backup(
                copy,
                pages=BACKUP_PAGES,
                progress=lambda _, left, total: progress(total - left, total),
            )
        copy.execute("PRAGMA journal_mode=DELETE")


def check_database(connection: sqlite3.Connection) -> list[str]:
    """What is wrong with a database, in words; nothing if it is sound."""
    findings = [row[0] for row in connection.execute("PRAGMA integrity_check") if row[0] != "ok"]
    for table, count in connection.execute(
        'SELECT "table", count(*) FROM pragma_foreign_key_check GROUP BY 1'
    ):
        findings.append(f"{count} rows of {table} refer to rows that are not there")
    for table, column in (("sessions", "session_id"), ("profiles", "profile_id")):
        (wrong,) = connection.execute(
            f"SELECT count(*) FROM {table} WHERE events < (SELECT count(*) FROM events WHERE {column} = {table}.id)"
        ).fetchone()
        if wrong:
            findings.append(f"{wrong} {table} count fewer events than they have")
    return findings
