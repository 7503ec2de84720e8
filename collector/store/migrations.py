"""The schema, as numbered migrations. Each runs in a transaction together with the record that it
ran.

Times are ISO 8601 UTC text, JSON columns are JSON text: readable with any SQLite client.
"""

import sqlite3
from contextlib import closing
from functools import cache
from pathlib import Path

from sqlite_utils import Database, Migrations

from ..errors import NewerDatabase
from . import (
    audit,
    clock,
    console_sessions,
    former_ids,
    layout,
    rejected,
    rejected_groups,
    rollup_tables,
    sightings,
    tokens,
)
from .connection import connect, connect_readonly, path_of, transaction
from .move import move_rows
from .sources import add_columns, missing_columns

migrations = Migrations("thamesthrive")

_SCHEMA_1 = (
    """
    CREATE TABLE sources (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        enabled INTEGER NOT NULL DEFAULT 1 CHECK (enabled IN (0, 1)),
        origins TEXT NOT NULL DEFAULT '[]',
        bridges TEXT NOT NULL DEFAULT '["rest"]',
        static_profiles INTEGER NOT NULL DEFAULT 0 CHECK (static_profiles IN (0, 1)),
        created_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE profiles (
        id TEXT PRIMARY KEY NOT NULL,
        first_seen_at TEXT NOT NULL
    )
    """,
    """
    CREATE TABLE sessions (
        id TEXT PRIMARY KEY NOT NULL,
        profile_id TEXT NOT NULL REFERENCES profiles(id),
        source_id TEXT REFERENCES sources(id) ON DELETE SET NULL,
        device_id TEXT,
        context TEXT NOT NULL DEFAULT '{}',
        dropped INTEGER NOT NULL DEFAULT 0,
        first_seen_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX sessions_profile ON sessions(profile_id)",
    # seq is the order of storing; the id is the sender's, and its uniqueness is the deduplication.
    """
    CREATE TABLE events (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        type TEXT NOT NULL,
        source_id TEXT NOT NULL REFERENCES sources(id),
        session_id TEXT REFERENCES sessions(id),
        profile_id TEXT REFERENCES profiles(id),
        properties TEXT NOT NULL DEFAULT '{}',
        context TEXT NOT NULL DEFAULT '{}',
        options TEXT,
        tags TEXT,
        extra TEXT,
        request TEXT,
        request_id TEXT NOT NULL,
        occurred_at TEXT NOT NULL,
        received_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX events_source ON events(source_id, received_at)",
    "CREATE INDEX events_type ON events(type, occurred_at)",
    "CREATE INDEX events_session ON events(session_id)",
    "CREATE INDEX events_profile ON events(profile_id)",
    """
    CREATE TABLE rejected (
        seq INTEGER PRIMARY KEY,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        event_id TEXT,
        type TEXT,
        source_id TEXT REFERENCES sources(id) ON DELETE CASCADE,
        payload TEXT NOT NULL,
        request_id TEXT NOT NULL,
        received_at TEXT NOT NULL
    )
    """,
    "CREATE INDEX rejected_source ON rejected(source_id, received_at)",
    # Counts changes of sources, whoever makes them, so that a collector sees one without reading
    # them all.
    "CREATE TABLE registry (version INTEGER NOT NULL)",
    "INSERT INTO registry VALUES (0)",
    "CREATE TRIGGER sources_added AFTER INSERT ON sources BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER sources_changed AFTER UPDATE ON sources BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER sources_removed AFTER DELETE ON sources BEGIN UPDATE registry SET version = version + 1; END",
)


@migrations()
def m001_foundation(db: Database) -> None:
    for statement in _SCHEMA_1:
        db.execute(statement)


_SCHEMA_2 = (
    "ALTER TABLE sources ADD COLUMN transitional INTEGER NOT NULL DEFAULT 0 CHECK (transitional IN (0, 1))",
    "ALTER TABLE sources ADD COLUMN rate_limit INTEGER CHECK (rate_limit > 0)",
    "ALTER TABLE sources ADD COLUMN ip_policy TEXT NOT NULL DEFAULT 'truncate' CHECK (ip_policy IN ('truncate', 'full', 'none'))",
    "ALTER TABLE sources ADD COLUMN keep_days INTEGER CHECK (keep_days > 0)",
    """
    CREATE TABLE schemas (
        source_id TEXT NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
        type TEXT NOT NULL,
        schema TEXT NOT NULL,
        updated_at TEXT NOT NULL,
        PRIMARY KEY (source_id, type)
    ) WITHOUT ROWID
    """,
    "CREATE TRIGGER schemas_added AFTER INSERT ON schemas BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER schemas_changed AFTER UPDATE ON schemas BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER schemas_removed AFTER DELETE ON schemas BEGIN UPDATE registry SET version = version + 1; END",
    """
    CREATE TABLE redirects (
        id TEXT PRIMARY KEY NOT NULL,
        source_id TEXT NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
        target TEXT NOT NULL,
        event_type TEXT NOT NULL,
        created_at TEXT NOT NULL
    )
    """,
    "CREATE TRIGGER redirects_added AFTER INSERT ON redirects BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER redirects_removed AFTER DELETE ON redirects BEGIN UPDATE registry SET version = version + 1; END",
    """
    CREATE TABLE tokens (
        id TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        hash TEXT NOT NULL UNIQUE,
        created_at TEXT NOT NULL
    )
    """,
    "CREATE TRIGGER tokens_added AFTER INSERT ON tokens BEGIN UPDATE registry SET version = version + 1; END",
    "CREATE TRIGGER tokens_removed AFTER DELETE ON tokens BEGIN UPDATE registry SET version = version + 1; END",
    # Ids of events that were forgotten, as hashes: a late repeat must not bring them back.
    "CREATE TABLE tombstones (hash BLOB PRIMARY KEY NOT NULL, forgotten_at TEXT NOT NULL) WITHOUT ROWID",
    "ALTER TABLE events ADD COLUMN ip TEXT",
    "ALTER TABLE events ADD COLUMN bot INTEGER NOT NULL DEFAULT 0",
    """
    CREATE TABLE profiles_new (
        id TEXT PRIMARY KEY NOT NULL,
        first_seen_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        events INTEGER NOT NULL DEFAULT 0,
        first_utm TEXT,
        last_utm TEXT
    )
    """,
    """
    INSERT INTO profiles_new SELECT id, first_seen_at,
        coalesce((SELECT max(last_seen_at) FROM sessions WHERE profile_id = profiles.id), first_seen_at),
        (SELECT count(*) FROM events WHERE profile_id = profiles.id), NULL, NULL
    FROM profiles
    """,
    "DROP TABLE profiles",
    "ALTER TABLE profiles_new RENAME TO profiles",
    """
    CREATE TABLE sessions_new (
        id TEXT PRIMARY KEY NOT NULL,
        profile_id TEXT NOT NULL REFERENCES profiles(id),
        source_id TEXT REFERENCES sources(id) ON DELETE SET NULL,
        device_id TEXT,
        context TEXT NOT NULL DEFAULT '{}',
        dropped INTEGER NOT NULL DEFAULT 0,
        first_seen_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        events INTEGER NOT NULL DEFAULT 0,
        first_utm TEXT,
        last_utm TEXT
    )
    """,
    """
    INSERT INTO sessions_new SELECT id, profile_id, source_id, device_id, context, dropped, first_seen_at, last_seen_at,
        (SELECT count(*) FROM events WHERE session_id = sessions.id), NULL, NULL
    FROM sessions
    """,
    "DROP TABLE sessions",
    "ALTER TABLE sessions_new RENAME TO sessions",
    "CREATE INDEX sessions_profile ON sessions(profile_id)",
    "ALTER TABLE rejected RENAME TO rejected_before",
    """
    CREATE TABLE rejected (
        seq INTEGER PRIMARY KEY,
        reason TEXT NOT NULL,
        detail TEXT NOT NULL,
        event_id TEXT NOT NULL,
        type TEXT,
        source_id TEXT NOT NULL REFERENCES sources(id) ON DELETE CASCADE,
        session_id TEXT,
        profile_id TEXT,
        origin TEXT,
        payload TEXT NOT NULL,
        request_id TEXT NOT NULL,
        received_at TEXT NOT NULL,
        last_seen_at TEXT NOT NULL,
        seen INTEGER NOT NULL DEFAULT 1,
        UNIQUE (source_id, event_id)
    )
    """,
    """
    INSERT OR IGNORE INTO rejected (seq, reason, detail, event_id, type, source_id, payload, request_id, received_at, last_seen_at)
    SELECT seq, reason, detail, coalesce(event_id, request_id || '-' || seq), type, source_id, payload, request_id, received_at,
        received_at FROM rejected_before WHERE source_id IS NOT NULL
    """,
    "DROP TABLE rejected_before",
    "CREATE INDEX rejected_source ON rejected(source_id, received_at)",
    "CREATE INDEX rejected_profile ON rejected(profile_id) WHERE profile_id IS NOT NULL",
)


@migrations()
def m002_edge(db: Database) -> None:
    for statement in _SCHEMA_2:
        db.execute(statement)


_SCHEMA_3 = (
    "ALTER TABLE sources RENAME COLUMN transitional TO validate_only",
    "ALTER TABLE sources RENAME COLUMN keep_days TO retention_days",
    # What an event of the table `events` has, so that a replayed event has it as well.
    "ALTER TABLE rejected ADD COLUMN ip TEXT",
    "ALTER TABLE rejected ADD COLUMN bot INTEGER NOT NULL DEFAULT 0",
    "ALTER TABLE rejected ADD COLUMN request TEXT",
)


@migrations()
def m003_names(db: Database) -> None:
    for statement in _SCHEMA_3:
        db.execute(statement)


_BEFORE = ("events", "sessions", "profiles")


@migrations()
def m004_lean(db: Database) -> None:
    """Prepares the lean layout. What the tables of before have is moved by `move_rows`."""
    for table in _BEFORE:
        db.execute(f"ALTER TABLE {table} RENAME TO {table}_before")
    for statement in (*layout.TABLES, *layout.ROWS, *layout.VIEWS, *layout.STATISTICS):
        db.execute(statement)
    for table in _BEFORE:
        if not db[f"{table}_before"].exists():
            continue
        (used,) = db.execute(f"SELECT EXISTS (SELECT 1 FROM {table}_before)").fetchone()
        if used:
            return
    for table in _BEFORE:
        db.execute(f"DROP TABLE {table}_before")


@migrations()
def m005_rollups(db: Database) -> None:
    for statement in (*rollup_tables.TABLES, *rejected.HOURS):
        db.execute(statement)


@migrations()
def m006_tokens_audit(db: Database) -> None:
    """Tokens of before become those of administrators, without an end."""
    for statement in (*tokens.COLUMNS, *audit.TABLES):
        db.execute(statement)


# Profiles of different scopes may have the same id. SQLite cannot change what is unique.
_SCOPED_PROFILES = (
    """
    CREATE TABLE scoped_profiles (
        key INTEGER PRIMARY KEY AUTOINCREMENT,
        id TEXT,
        scope TEXT NOT NULL DEFAULT '',
        first_seen_at TEXT NOT NULL,
        first_utm TEXT,
        last_utm TEXT,
        UNIQUE (id, scope)
    )
    """,
    "INSERT INTO scoped_profiles (key, id, first_seen_at, first_utm, last_utm)"
    " SELECT key, id, first_seen_at, first_utm, last_utm FROM profile_rows",
    # Numbers of profiles that are gone are not used again.
    "UPDATE sqlite_sequence SET seq = max(seq, (SELECT seq FROM sqlite_sequence"
    " WHERE name = 'profile_rows')) WHERE name = 'scoped_profiles'",
    "DROP TABLE profile_rows",
    # Views name the table that is gone until it has its name.
    "PRAGMA legacy_alter_table=ON",
    "ALTER TABLE scoped_profiles RENAME TO profile_rows",
    "PRAGMA legacy_alter_table=OFF",
    "INSERT INTO sqlite_stat1 (tbl, idx, stat)"
    " VALUES ('profile_rows', 'sqlite_autoindex_profile_rows_1', '1000000 1 1')",
    "ANALYZE sqlite_schema",
    "DROP VIEW profiles",
    """
    CREATE VIEW profiles AS
    SELECT p.id, p.first_seen_at,
        coalesce((SELECT max(r.received_at) FROM session_rows s JOIN request_rows r
            ON r.session = s.key WHERE s.profile = p.key), p.first_seen_at) AS last_seen_at,
        (SELECT count(*) FROM session_rows s JOIN request_rows r ON r.session = s.key
            JOIN event_rows e ON e.request = r.key AND e.seq BETWEEN r.key AND r.key + r.events - 1
            WHERE s.profile = p.key) AS events,
        p.first_utm, p.last_utm, p.scope
    FROM profile_rows p
    WHERE p.key > 0
    """,
)


@migrations()
def m008_profile_scopes(db: Database) -> None:
    for statement in _SCOPED_PROFILES:
        db.execute(statement)


@migrations()
def m009_clock(db: Database) -> None:
    for statement in clock.TABLES:
        db.execute(statement)


@migrations()
def m010_console(db: Database) -> None:
    for statement in console_sessions.TABLES:
        db.execute(statement)


@migrations()
def m011_sightings(db: Database) -> None:
    for statement in sightings.TABLES:
        db.execute(statement)


@migrations()
def m012_rotation(db: Database) -> None:
    for statement in (*former_ids.TABLES, rejected_groups.INDEX):
        db.execute(statement)


def migrate(path: Path) -> None:
    """Creates the database or brings it up to date. Safe to call from several processes at once.

    If it is interrupted, the next call goes on where it ended. Raises NewerDatabase for one
    of a newer version, sqlite3.Error if the file cannot be written or is no database.
    """
    if path.exists():
        # Not even a page of it is to change.
        with closing(connect_readonly(path)) as reading:
            refuse_newer(reading)
    connection = connect(path)
    try:
        # So that a table may be replaced by another of its name.
        connection.execute("PRAGMA foreign_keys=OFF")
        database = Database(connection)
        if migrations.pending(database) or missing_columns(database):
            # Another process may be at it: the second one finds nothing to do.
            with transaction(connection):
                migrations.apply(database)
                add_columns(database, missing_columns(database))
        move_rows(connection)
    finally:
        connection.close()


@cache
def _known() -> frozenset[str]:
    return frozenset(migration.name for migration in migrations.pending(Database(memory=True)))


def refuse_newer(connection: sqlite3.Connection) -> None:
    """Raises NewerDatabase for a database of a newer version: what this one would write to it may be
    wrong there."""
    names = "SELECT name FROM _sqlite_migrations WHERE migration_set = 'thamesthrive'"
    if not connection.execute(
        "SELECT 1 FROM sqlite_schema WHERE name = '_sqlite_migrations'"
    ).fetchone():
        return
    newer = {row[0] for row in connection.execute(names)} - _known()
    if newer:
        raise NewerDatabase(
            f"The database {path_of(connection)} was written by a newer version of ThamesThrive"
            f" ({', '.join(sorted(newer))}). Install that version, or restore an older backup."
        )
