"""Numbers for those who look after the collector."""

import sqlite3
from typing import Any


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
