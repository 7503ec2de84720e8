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
    cluster,
    console_sessions,
    countries,
    edge,
    former_ids,
    former_layouts,
    layout,
    rejected,
    rejected_groups,
    rollup_tables,
    runs,
    saved_reports,
    sightings,
    tokens,
)
from .connection import connect, connect_readonly, path_of, transaction
from .move import move_rows
from .sources import add_columns, missing_columns

migrations = Migrations("thamesthrive")


@migrations()
def m001_foundation(db: Database) -> None:
    for statement in former_layouts.SCHEMA_1:
        db.execute(statement)


@migrations()
def m002_edge(db: Database) -> None:
    for statement in former_layouts.SCHEMA_2:
        db.execute(statement)


@migrations()
def m003_names(db: Database) -> None:
    for statement in former_layouts.SCHEMA_3:
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
@migrations()
def m008_profile_scopes(db: Database) -> None:
    for statement in former_layouts.SCOPED_PROFILES:
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


@migrations()
def m013_visits(db: Database) -> None:
    """Rollups that know time zones, page-views of visits and visitors of any range. The collector
    counts all events again in its quiet moments."""
    rollup_tables.recount(db.conn)


@migrations()
def m014_saved_reports(db: Database) -> None:
    for statement in saved_reports.TABLES:
        db.execute(statement)


@migrations()
def m015_runs(db: Database) -> None:
    for statement in runs.TABLES:
        db.execute(statement)


@migrations()
def m016_countries(db: Database) -> None:
    for statement in countries.TABLES:
        db.execute(statement)
    countries.add_to_rollups(db.conn)


@migrations()
def m017_cluster(db: Database) -> None:
    for statement in cluster.TABLES:
        db.execute(statement)


@migrations()
def m018_edge(db: Database) -> None:
    for statement in edge.TABLES:
        db.execute(statement)
    edge.name_edge(db.conn)


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
