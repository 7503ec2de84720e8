"""How large the database is, and when its disk will be full."""

import shutil
import sqlite3
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ..errors import StoreError
from .connection import path_of
from .reports import event_totals, up_to_date
from .rollup_tables import DAY, MONTH

SPANS = (7, 30)  # days that forecasts are made from
MIN_EVENTS = 1000  # with fewer, what an event takes is not known


@dataclass(frozen=True)
class Sizes:
    """Bytes on disk. `reusable`: of the database's file, taken by no row. `free`: on its disk."""

    database: int
    reusable: int
    log: int
    free: int
    disk: int


@dataclass(frozen=True)
class Rows:
    """How many rows a table has; if it is not `exact`, there are no more than that."""

    table: str
    rows: int
    exact: bool


@dataclass(frozen=True)
class Forecast:
    """What comes of the last days, without today. `added` and `leaving`: events a day, those that
    expire in the same number of days among the second. `bytes_a_day`: by which the database grows, 0
    if it does not. `days_left`: until the disk is full; None if it is not within a century."""

    days: int
    added: float
    leaving: float
    bytes_a_day: int
    days_left: int | None


@dataclass(frozen=True)
class DatabaseSize:
    """The whole of it. `events`: stored ones; None while they are being counted. `bytes_per_event`:
    with all that belongs to it; None, and no forecasts, for less than MIN_EVENTS."""

    sizes: Sizes
    rows: list[Rows]
    events: int | None
    bytes_per_event: float | None
    forecasts: list[Forecast]

    def as_dict(self) -> dict[str, Any]:
        """The size as JSON-ready data."""
        return asdict(self)


def database_size(connection: sqlite3.Connection) -> DatabaseSize:
    """The size of a connection's database, its tables, and forecasts. It reads counts and the ends
    of tables, so it takes milliseconds however many rows there are."""
    sizes = _sizes(connection)
    try:
        with up_to_date(connection):
            months = _events(connection, MONTH, "0000-00", "9999-99")
            events = sum(months.values())
            per_event = (sizes.database - sizes.reusable) / events if events >= MIN_EVENTS else None
            first = _first_day(connection, min(months)) if per_event else date.max
            forecasts = [_forecast(connection, sizes, per_event or 0, first, d) for d in SPANS]
    except StoreError:  # not counted yet
        return DatabaseSize(sizes, _rows(connection, None), None, None, [])
    if per_event is None:
        forecasts = []
    return DatabaseSize(sizes, _rows(connection, events), events, per_event, forecasts)


def _sizes(connection: sqlite3.Connection) -> Sizes:
    path = path_of(connection)
    (page,) = connection.execute("PRAGMA page_size").fetchone()
    (unused,) = connection.execute("PRAGMA freelist_count").fetchone()
    disk = shutil.disk_usage(path.resolve().parent)
    log = path.with_name(f"{path.name}-wal")
    return Sizes(_bytes(path), page * unused, _bytes(log), disk.free, disk.total)


def _bytes(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _rows(connection: sqlite3.Connection, events: int | None) -> list[Rows]:
    """Counting millions of rows takes seconds; their highest number takes none."""
    found = [] if events is None else [Rows("events", events, True)]
    for table, rows, number in (
        *((("events", "event_rows", "seq"),) if events is None else ()),
        ("sessions", "session_rows", "key"),
        ("profiles", "profile_rows", "key"),
    ):
        (most,) = connection.execute(f"SELECT coalesce(max({number}), 0) FROM {rows}").fetchone()
        found.append(Rows(table, most, False))
    for table in ("rejected", "audit"):
        (count,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()
        found.append(Rows(table, count, True))
    return found


def _events(
    connection: sqlite3.Connection, grain: str, first: str, last: str, source_id: str | None = None
) -> dict[str, int]:
    """Events of a source, or of all, by day or month."""
    ids: Iterable[str] = [source_id] if source_id is not None else _source_ids(connection)
    found: dict[str, int] = {}
    for one in ids:
        for period, events in event_totals(connection, one, grain, first, last).items():
            found[period] = found.get(period, 0) + events
    return found


def _source_ids(connection: sqlite3.Connection) -> list[str]:
    return [row[0] for row in connection.execute("SELECT id FROM sources")]


def _first_day(connection: sqlite3.Connection, month: str) -> date:
    """The first day of a month that has events."""
    return date.fromisoformat(min(_events(connection, DAY, f"{month}-01", f"{month}-31")))


def _forecast(
    connection: sqlite3.Connection, sizes: Sizes, per_event: float, first_day: date, days: int
) -> Forecast:
    today = datetime.now(UTC).date()
    first = today - timedelta(days=days)
    added = _events(connection, DAY, first.isoformat(), (today - timedelta(days=1)).isoformat())
    # A database that is younger than that has grown on fewer days.
    span = min(days, max(1, (today - first_day).days))
    a_day = sum(added.values()) / span
    leaving = _leaving(connection, today, span) / span
    growth = max(0, round((a_day - leaving) * per_event))
    left = (sizes.free + sizes.reusable) // growth if growth else None
    return Forecast(
        days, a_day, leaving, growth, left if left is not None and left < 36_500 else None
    )


def _leaving(connection: sqlite3.Connection, today: date, days: int) -> int:
    """How many events expire within the next days."""
    found = 0
    for source_id, kept in connection.execute(
        "SELECT id, retention_days FROM sources WHERE retention_days IS NOT NULL"
    ).fetchall():
        if kept >= today.toordinal() - 1:
            continue
        oldest = today - timedelta(days=kept)
        newest = min(oldest + timedelta(days=days - 1), today)
        found += sum(
            _events(connection, DAY, oldest.isoformat(), newest.isoformat(), source_id).values()
        )
    return found
