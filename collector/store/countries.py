"""The column with the country of a session, and its counts in databases of before."""

import sqlite3

from .rollup_tables import LIVE, NEXT

# The view is made again: what migrations of before made of it is not edited.
TABLES = (
    "ALTER TABLE session_rows ADD COLUMN country TEXT",
    "DROP VIEW sessions",
    """
    CREATE VIEW sessions AS
    SELECT s.id, p.id AS profile_id, nullif(k.id, '') AS source_id, s.device_id, s.context,
        s.dropped,
        s.first_seen_at,
        coalesce((SELECT max(received_at) FROM request_rows WHERE session = s.key), s.first_seen_at)
            AS last_seen_at,
        (SELECT count(*) FROM request_rows r JOIN event_rows e
            ON e.request = r.key AND e.seq BETWEEN r.key AND r.key + r.events - 1
            WHERE r.session = s.key) AS events,
        s.first_utm, s.last_utm, s.country
    FROM session_rows s
    JOIN source_keys k ON k.key = s.source
    JOIN profile_rows p ON p.key = s.profile
    WHERE s.key > 0
    """,
)


def add_to_rollups(connection: sqlite3.Connection) -> None:
    """Counts the visits of before as those whose country is not known, in the caller's transaction:
    as many as there are sessions."""
    for names in (LIVE, NEXT):
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({names.visits})")]
        if not columns or "country" in columns:
            continue  # no such tables, or they have countries already
        connection.execute(
            f"ALTER TABLE {names.visits} ADD COLUMN country TEXT NOT NULL DEFAULT ''"
        )
        connection.execute(
            f"INSERT INTO {names.counts} (source, kind, grain, period, value, count, bots)"
            " SELECT source, 'countries', grain, period, value, count, bots"
            f" FROM {names.counts} WHERE kind = 'sessions'"
        )
