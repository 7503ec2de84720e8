"""Moves what the tables of before have into the lean layout, a batch at a time.

Each batch is a transaction in which rows leave the one table and enter the other, so it may be
interrupted at any moment, and goes on where it ended.
"""

import logging
import sqlite3
import time
from collections.abc import Callable, Iterator
from itertools import groupby
from typing import Any

from ..ids import uuid7
from .connection import transaction
from .keys import Keys
from .rows import insert_rows
from .sessions import NO_SESSION

log = logging.getLogger("collector.store")

BATCH = 5000  # rows
REPORT = 10.0  # seconds between lines in the log
PAGES = 1000  # given back to the file system after each batch

Row = sqlite3.Row


def move_rows(connection: sqlite3.Connection) -> None:
    """Moves all rows that are left. Returns when none is, and the tables of before are gone."""
    steps = (("profiles", _move_profiles), ("sessions", _move_sessions), ("events", _move_events))
    if not any(_exists(connection, table) for table, _ in steps):
        return
    log.info("the database gets a new layout; this may be interrupted, and goes on where it ended")
    keys = Keys()
    for table, move in steps:
        for moved, left in _batches(connection, table, keys, move):
            log.info("%s: %d moved, %d to go", table, moved, left)
    connection.execute("PRAGMA foreign_keys=OFF")
    with transaction(connection):
        # Events refer to sessions, which refer to profiles: both are looked at until all are moved.
        for table, _ in steps:
            connection.execute(f"DROP TABLE IF EXISTS {table}_before")


def _exists(connection: sqlite3.Connection, table: str) -> bool:
    find = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?"
    return bool(connection.execute(find, [f"{table}_before"]).fetchone())


def _batches(
    connection: sqlite3.Connection,
    table: str,
    keys: Keys,
    move: Callable[[sqlite3.Connection, Keys, list[Row]], None],
) -> Iterator[tuple[int, int]]:
    """Moves a table, and yields now and then how many rows were moved and are left."""
    moved, reported = 0, time.monotonic()
    while True:
        try:
            with transaction(connection):
                if not _exists(connection, table):
                    return  # another process was quicker
                rows = _take(connection, table)
                move(connection, keys, rows)
                count = f"SELECT count(*) FROM {table}_before"
                due = time.monotonic() - reported > REPORT
                left = connection.execute(count).fetchone()[0] if due else 0
        except BaseException:
            keys.rollback()
            raise
        keys.commit()
        if not rows:
            return
        connection.executescript(f"PRAGMA incremental_vacuum({PAGES})")
        moved += len(rows)
        if due:
            reported = time.monotonic()
            yield moved, int(left)


def _take(connection: sqlite3.Connection, table: str) -> list[Row]:
    """Removes the next rows from a table of before, and returns them."""
    cursor = connection.cursor()
    cursor.row_factory = sqlite3.Row
    rows = cursor.execute(
        f"SELECT rowid AS number, * FROM {table}_before ORDER BY rowid LIMIT {BATCH}"
    ).fetchall()
    if rows:
        last = rows[-1]["number"]
        connection.execute(f"DELETE FROM {table}_before WHERE rowid <= ?", [last])
    return rows


def _move_profiles(connection: sqlite3.Connection, _: Keys, rows: list[Row]) -> None:
    columns = ("id", "first_seen_at", "first_utm", "last_utm")
    values = [tuple(row[name] for name in columns) for row in rows]
    insert_rows(connection, f"INSERT INTO profile_rows ({', '.join(columns)})", values)


def _move_sessions(connection: sqlite3.Connection, keys: Keys, rows: list[Row]) -> None:
    for row in rows:
        source_id = row["source_id"]
        if source_id is None:
            # Its source was removed, but another one may have had events in it, too.
            find = "SELECT source_id FROM events_before WHERE session_id = ? LIMIT 1"
            other = connection.execute(find, [row["id"]]).fetchone()
            source_id = other[0] if other else ""
        _add_session(connection, keys.source(connection, source_id), row)


def _add_session(connection: sqlite3.Connection, source: int, row: Any) -> int:
    cursor = connection.execute(
        """INSERT INTO session_rows (source, id, profile, device_id, context, dropped,
            first_seen_at, first_utm, last_utm)
        SELECT ?, ?, key, ?, ?, ?, ?, ?, ? FROM profile_rows WHERE id = ?""",
        (
            source, row["id"], row["device_id"], row["context"], row["dropped"],
            row["first_seen_at"], row["first_utm"], row["last_utm"], row["profile_id"],
        ),
    )  # fmt: skip
    return int(cursor.lastrowid or 0) if cursor.rowcount else NO_SESSION


def _move_events(connection: sqlite3.Connection, keys: Keys, rows: list[Row]) -> None:
    sessions: dict[tuple[int, str], int] = {}
    requests: list[tuple[Any, ...]] = []
    events: list[tuple[Any, ...]] = []
    shared = (
        "request_id", "source_id", "session_id", "profile_id", "received_at", "ip", "bot", "request"
    )  # fmt: skip
    for _, group in groupby(rows, key=lambda row: tuple(row[name] for name in shared)):
        of_request = list(group)
        first, last = of_request[0], of_request[-1]
        source = keys.source(connection, first["source_id"])
        session = _session_of(connection, sessions, source, first)
        key, context = first["seq"], first["context"]
        requests.append(
            (
                key, last["seq"] - key + 1, source, session, first["request_id"],
                first["received_at"], first["ip"], first["bot"], first["request"], context,
            )
        )  # fmt: skip
        events += [
            (
                row["seq"], key, source, keys.type(connection, row["type"]), row["id"],
                row["occurred_at"], row["properties"],
                None if row["context"] == context else row["context"],
                row["options"], row["tags"], row["extra"],
            )
            for row in of_request
        ]  # fmt: skip
    insert_rows(
        connection,
        "INSERT INTO request_rows (key, events, source, session, request_id, received_at, ip, bot,"
        " request, context)",
        requests,
    )
    insert_rows(
        connection,
        "INSERT INTO event_rows (seq, request, source, type, id, occurred_at, properties, context,"
        " options, tags, extra)",
        events,
    )


def _session_of(
    connection: sqlite3.Connection, sessions: dict[tuple[int, str], int], source: int, row: Row
) -> int:
    """The key of an event's session. One that sent to several sources is one for each now."""
    session_id = row["session_id"]
    if session_id is None:
        if row["profile_id"] is None:
            return NO_SESSION
        return _session_for(connection, source, row)
    key = sessions.get((source, session_id))
    if key is None:
        find = "SELECT key FROM session_rows WHERE id = ? AND source = ?"
        found = connection.execute(find, [session_id, source]).fetchone()
        key = found[0] if found else _copy_session(connection, source, session_id)
        if key == NO_SESSION and row["profile_id"] is not None:
            key = _session_for(connection, source, row)
        sessions[source, session_id] = key
    return key


def _session_for(connection: sqlite3.Connection, source: int, row: Row) -> int:
    """A session for an event that has a profile but none: a replayed one whose session was gone."""
    cursor = connection.execute(
        "INSERT INTO session_rows (source, id, profile, first_seen_at)"
        " SELECT ?, ?, key, ? FROM profile_rows WHERE id = ?",
        [source, uuid7(), row["received_at"], row["profile_id"]],
    )
    return int(cursor.lastrowid or 0) if cursor.rowcount else NO_SESSION


def _copy_session(connection: sqlite3.Connection, source: int, session_id: str) -> int:
    cursor = connection.execute(
        """INSERT INTO session_rows (source, id, profile, device_id, context, dropped,
            first_seen_at, first_utm, last_utm)
        SELECT ?, id, profile, device_id, context, 0, first_seen_at, first_utm, last_utm
        FROM session_rows WHERE id = ? LIMIT 1""",
        [source, session_id],
    )
    return int(cursor.lastrowid or 0) if cursor.rowcount else NO_SESSION
