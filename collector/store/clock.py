"""Whether the machine's clock can be believed before rows are removed for their age, and what is
known of when rows came.

A clock that is wrong by years must neither remove everything nor keep anything for ever. So the
writer marks every hour how far the numbers of rows have come. A time that is far beyond the last
mark is not believed until the clock is put right, or an administrator says that it is. And a row is
old if a mark says so: what it says of itself may come from a clock that was wrong.
"""

import sqlite3
from datetime import datetime, timedelta
from typing import NamedTuple

from ..event.timestamps import iso, stored
from .audit import add_entry
from .connection import transaction
from .events import last_seq

MAX_AHEAD = timedelta(days=7)  # of the last mark: a collector may be off for so long
MAX_BEHIND = timedelta(days=1)
INTERVAL = timedelta(hours=1)  # between marks

TABLES = (
    """
    CREATE TABLE clock_marks (
        at TEXT PRIMARY KEY NOT NULL,
        event INTEGER NOT NULL,
        rejected INTEGER NOT NULL
    ) WITHOUT ROWID
    """,
)


class Reach(NamedTuple):
    """Up to which number rows may be removed for their age: events (and their requests), and
    rejected events. `is_marked`: all of these are known to be that old."""

    event: int
    rejected: int
    is_marked: bool


def last_known(connection: sqlite3.Connection) -> str | None:
    """The last time that is known to have been: that of the last mark, or of the newest row where
    there are no marks yet. None in an empty database."""
    (at,) = connection.execute("SELECT max(at) FROM clock_marks").fetchone()
    if at is None:
        (at,) = connection.execute(
            """SELECT max(at) FROM (
                SELECT (SELECT received_at FROM request_rows ORDER BY key DESC LIMIT 1) AS at
                UNION ALL SELECT (SELECT received_at FROM rejected ORDER BY seq DESC LIMIT 1))"""
        ).fetchone()
    return None if at is None else str(at)


def is_ahead(connection: sqlite3.Connection, now: datetime) -> bool:
    """Whether a time is so far beyond the last that is known that it is not believed."""
    known = last_known(connection)
    return known is not None and now - stored(known).at > MAX_AHEAD


def describe_clock(connection: sqlite3.Connection, now: datetime) -> str | None:
    """What seems wrong with a time, in words; None if nothing does."""
    known = last_known(connection)
    if known is None:
        return None
    last = stored(known).at
    said = f"The clock says {now:%Y-%m-%d %H:%M} UTC"
    right = "If it is right, run: thamesthrive db clock --accept"
    if now - last > MAX_AHEAD:
        return (
            f"{said}, {(now - last).days:,} days after the collector last ran"
            f" ({last:%Y-%m-%d %H:%M}). Nothing is removed for its age until that is settled. {right}"
        )
    if last - now > MAX_BEHIND:
        return (
            f"{said}, {(last - now).days:,} days before a time at which the collector has run"
            f" ({last:%Y-%m-%d %H:%M}). What comes now is kept longer than it should. {right}"
        )
    return None


def add_mark(
    connection: sqlite3.Connection, now: datetime, oldest: str, interval: timedelta = INTERVAL
) -> None:
    """Marks the time, if the last mark is old enough. `oldest`: the end of the longest retention;
    marks before it are not needed, but for one."""
    (last,) = connection.execute("SELECT max(at) FROM clock_marks").fetchone()
    if last is not None and now - stored(last).at < interval:
        return
    with transaction(connection):
        connection.execute(
            "DELETE FROM clock_marks WHERE at < (SELECT max(at) FROM clock_marks WHERE at <= ?)",
            [oldest],
        )
        _insert(connection, now)


def accept_clock(connection: sqlite3.Connection, now: datetime) -> None:
    """Believes a time, however far it is from the last that is known."""
    with transaction(connection):
        add_entry(connection, "clock.accept", iso(now))
        connection.execute("DELETE FROM clock_marks WHERE at > ?", [iso(now)])
        _insert(connection, now)


def _insert(connection: sqlite3.Connection, now: datetime) -> None:
    (rejected,) = connection.execute("SELECT coalesce(max(seq), 0) FROM rejected").fetchone()
    connection.execute(
        "INSERT OR REPLACE INTO clock_marks VALUES (?, ?, ?)",
        [iso(now), last_seq(connection), rejected],
    )


def reach_of(connection: sqlite3.Connection, oldest: str) -> Reach:
    """Which rows may have come before a time.

    Where no mark is that old, those that came before the marks began, as far as they say so
    themselves.
    """
    find = "SELECT event, rejected FROM clock_marks"
    row = connection.execute(f"{find} WHERE at <= ? ORDER BY at DESC LIMIT 1", [oldest]).fetchone()
    if row:
        return Reach(row[0], row[1], is_marked=True)
    row = connection.execute(f"{find} ORDER BY at LIMIT 1").fetchone()
    return Reach(row[0], row[1], is_marked=False) if row else Reach(0, 0, is_marked=False)
