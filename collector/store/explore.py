"""Explore: a number about events, by the values of a property and over time.

Times are those at which events happened, in UTC, as in the reports. What the rollups know is taken
from them. Everything else is computed over the rows, a window of numbers at a time, within one
snapshot: so the numbers are exact, can be shown while they grow, and are given up at any time.

What is found is kept in a table of the connection, which SQLite moves to a file where it is large.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..errors import StoreError
from . import reports
from .connection import snapshot
from .explore_counts import (
    COUNTED,
    counted,
    counted_visitors,
    has_hours,
    knows_types,
    knows_visitors,
    slices,
)
from .json_values import TYPE, UNITS, JsonPath
from .rows import Term
from .selection import VISITOR, Rows, Selection, joined, label_of_rows

COUNT, VISITORS, SUM, AVERAGE, MEDIAN, P95 = "count", "visitors", "sum", "avg", "median", "p95"
MEASURES = (COUNT, VISITORS, SUM, AVERAGE, MEDIAN, P95)
OF_NUMBERS = (SUM, AVERAGE, MEDIAN, P95)
PERIODS = {
    "hour": "substr(e.occurred_at, 1, 13)",
    "day": "substr(e.occurred_at, 1, 10)",
    # The Monday.
    "week": "date(substr(e.occurred_at, 1, 10), 'weekday 0', '-6 days')",
    "month": "substr(e.occurred_at, 1, 7)",
}
INTERVALS = tuple(PERIODS)
MAX_GROUPS = 1000  # by name
MAX_ROWS = 100_000  # of an answer
OTHER = "(other)"
MEMORY = 65_536  # KiB of what is found that is kept in memory; what is more is in a file
_FOUND = "temp.explored"


@dataclass(frozen=True)
class Query:
    """What is asked.

    `measure`: one of MEASURES. `number`: the path of the numbers that the last four of them are
    about. `group`: one of NAMES, a path, or None. `interval`: one of INTERVALS, or None for all
    time together. `limit`: how many groups have a row of their own; all others have one together.
    """

    selection: Selection = field(default_factory=Selection)
    measure: str = COUNT
    number: JsonPath | None = None
    group: JsonPath | str | None = None
    interval: str | None = None
    limit: int = 10


class Row(NamedTuple):
    """A number. `period`: as in `2026-11-27T09`, `2026-11-27` (of a week its Monday) or `2026-11`,
    None without an interval. `group`: a text, or None for events without the value, and without
    groups. `is_other`: of all groups beyond the limit together; `group` is OTHER then. `value`: a
    whole number of a count, else rounded to six decimals before it is added up."""

    period: str | None
    group: str | None
    is_other: bool
    value: float


class Exploration:
    """The answer to a query, as it grows. Made by `exploration`.

    Groups are ranked by their value over all periods, and by how many numbers they have where the
    measure is none that can be compared like that (avg, median, p95); then by name.
    """

    def __init__(
        self, connection: sqlite3.Connection, query: Query, *, is_counted: bool = False
    ) -> None:
        self._connection = connection
        self._query = query
        self.is_counted = is_counted  # from the rollups, at once
        connection.execute(f"PRAGMA temp.cache_size=-{MEMORY}")
        connection.execute(f"DROP TABLE IF EXISTS {_FOUND}")
        # `name`: '=' and the group's name, or nothing where there is none. `item`: a visitor, or a
        # number in millionths; 0 where only `n`, how many events, and `whole` and `part`, their sum
        # in ones and millionths, are needed.
        connection.execute(
            f"""CREATE TABLE {_FOUND} (
                period TEXT, name TEXT, item INTEGER, n INTEGER, whole INTEGER, part INTEGER,
                PRIMARY KEY (period, name, item)) WITHOUT ROWID"""
        )

    def steps(self) -> Iterator[tuple[int, int]]:
        """Computes the answer a step at a time, and yields how many numbers of events were looked
        at, and of how many."""
        query = self._query
        if self.is_counted and query.measure == VISITORS:
            parts = [*slices(self._connection)]
            for low, high in parts:
                self._add(counted_visitors(query.selection, query.interval, low, high))
                yield high - 1, parts[-1][1] - 1
            return
        if self.is_counted:
            self._add(counted(self._connection, query.selection, *self._counted_by()))
            return
        rows = Rows(self._connection, self._query.selection, self._columns())
        windows = [*rows.windows()]
        for low, high in windows:
            self._add(self._read(rows, low, high))
            yield high - windows[0][0] + 1, windows[-1][1] - windows[0][0] + 1

    def _counted_by(self) -> tuple[str | None, str | None]:
        group = self._query.group
        return self._query.interval, group if isinstance(group, str) else None

    def _add(self, term: Term) -> None:
        text, values = term
        self._connection.execute(
            f"INSERT INTO {_FOUND} {text} ON CONFLICT DO UPDATE SET n = n + excluded.n,"
            " whole = whole + excluded.whole, part = part + excluded.part",
            values,
        )

    def _columns(self) -> set[str]:
        """The columns of rows that are needed."""
        query = self._query
        paths = [path for path in (query.number, query.group) if isinstance(path, JsonPath)]
        columns = {path.column for path in paths}
        if isinstance(query.group, str):
            columns |= {label_of_rows(query.group)[1]} - {""}
        return columns | ({"bot", VISITOR} if query.measure == VISITORS else set())

    def _read(self, rows: Rows, low: int, high: int) -> Term:
        """The statement that finds what a window adds."""
        query = self._query
        period = PERIODS[query.interval] if query.interval else "''"
        item: Term = ("0", ())
        where = [rows.where()]
        if query.measure == VISITORS:
            item = (f"e.{VISITOR}", ())
            where.append((f"NOT e.bot AND e.{VISITOR} > 0", ()))
        elif query.number:
            item = query.number.number(is_fast=True)
            where.append(("item IS NOT NULL", ()))
        name, source, test = self._name(), rows.read(low, high), joined(where)
        # A sum needs no single numbers.
        is_sum = query.measure in (SUM, AVERAGE)
        sums = f"sum(item / {UNITS}), sum(item % {UNITS})" if is_sum else "0, 0"
        return (
            f"SELECT period, name, {'0' if is_sum else 'item'}, count(*), {sums} FROM"
            f" (SELECT {period} AS period, {name[0]} AS name, {item[0]} AS item"
            f" FROM {source[0]} WHERE {test[0]}) GROUP BY {'' if is_sum else 'item, '}name, period",
            [*name[1], *item[1], *source[1], *test[1]],
        )

    def _name(self) -> Term:
        group = self._query.group
        if group is None:
            return "''", ()
        if isinstance(group, JsonPath):
            text, values = group.label(is_fast=True)
        else:
            text, values = label_of_rows(group)[0], ()
        return f"coalesce('=' || {text}, '')", values

    def rows(self) -> list[Row]:
        """The answer as far as it was computed: by period, then by rank. Raises StoreError if it has
        more than MAX_ROWS rows."""
        self._rank()
        query = self._query
        if query.measure in (MEDIAN, P95):
            found: Sequence[Any] = self._quantiles(query.measure)
        else:
            found = self._connection.execute(
                f"SELECT f.period, t.place, t.name, {_VALUES[COUNT if self.is_counted else query.measure]}"
                f" FROM {_RANKED} GROUP BY 1, 2 ORDER BY 1, t.place IS NULL, 2 LIMIT {MAX_ROWS + 1}"
            ).fetchall()
        if len(found) > MAX_ROWS:
            raise StoreError(
                f"The answer has more than {MAX_ROWS:,} rows. Choose a longer interval or fewer groups."
            )
        return [self._row(*row) for row in found]

    def _rank(self) -> None:
        """Keeps the names that have rows of their own, with their places."""
        query = self._query
        order = _RANKS.get(query.measure, "sum(n)")
        self._connection.execute("DROP TABLE IF EXISTS temp.explored_top")
        self._connection.execute(
            "CREATE TABLE temp.explored_top (name TEXT PRIMARY KEY, place INTEGER) WITHOUT ROWID"
        )
        self._connection.execute(
            "INSERT INTO temp.explored_top SELECT name, row_number() OVER (ORDER BY rank DESC, name)"
            f" FROM (SELECT name, {order} AS rank FROM {_FOUND} GROUP BY name)"
            " ORDER BY rank DESC, name LIMIT ?",
            [query.limit],
        )

    def _quantiles(self, measure: str) -> list[tuple[Any, ...]]:
        """The median or the 95th percentile of each period and group. Numbers are read in their
        order and not kept."""
        totals = {
            (row[0], row[1]): row[2]
            for row in self._connection.execute(
                f"SELECT f.period, t.place, sum(f.n) FROM {_RANKED} GROUP BY 1, 2 LIMIT {MAX_ROWS + 1}"
            )
        }
        if len(totals) > MAX_ROWS:
            return [()] * len(totals)
        found: list[tuple[Any, ...]] = []
        before: Any = None
        seen = 0
        wanted: list[int] = []
        for period, place, name, item, n in self._connection.execute(
            f"SELECT f.period, t.place, t.name, f.item, sum(f.n) FROM {_RANKED}"
            " GROUP BY 1, 2, f.item ORDER BY 1, t.place IS NULL, 2, f.item"
        ):
            if (period, place) != before:
                before, seen = (period, place), 0
                wanted = _positions(measure, totals[before])
                found.append((period, place, name, 0.0))
            seen += n
            while wanted and wanted[0] <= seen:
                wanted.pop(0)
                found[-1] = (period, place, name, found[-1][3] + item)
        share = UNITS * (2 if measure == MEDIAN else 1)
        return [(*row[:3], float(row[3]) / share) for row in found]

    def _row(self, period: str, place: int | None, name: str | None, value: float) -> Row:
        group = name[1:] if name else None
        return Row(period or None, OTHER if place is None else group, place is None, value)


_RANKED = f"{_FOUND} f LEFT JOIN temp.explored_top t ON t.name = f.name"
_VALUES = {
    COUNT: "sum(f.n)",
    VISITORS: "count(DISTINCT f.item)",
    SUM: f"CAST(sum(f.whole) * {UNITS} + sum(f.part) AS REAL) / {UNITS}",
    AVERAGE: f"CAST(sum(f.whole) * {UNITS} + sum(f.part) AS REAL) / (sum(f.n) * {UNITS})",
}
_RANKS = {VISITORS: "count(DISTINCT item)", SUM: f"sum(whole) * {UNITS} + sum(part)"}


def _positions(measure: str, count: int) -> list[int]:
    """Which of so many numbers in order, from 1, are added up: twice the middle one, or the two in
    the middle; or the smallest that 95 of 100 do not exceed."""
    if measure == MEDIAN:
        return [(count + 1) // 2, (count + 2) // 2]
    return [(95 * count + 99) // 100]


@contextmanager
def exploration(connection: sqlite3.Connection, query: Query) -> Iterator[Exploration]:
    """The answer to a query, at this moment. Leave it to give it up; another thread may call the
    connection's `interrupt`. No other snapshot of the connection may be open."""
    with ExitStack() as stack:
        is_ready = False
        if _may_be_known(query):
            try:
                stack.enter_context(reports.up_to_date(connection))
                is_ready = _is_known(connection, query)
            except reports.NotCounted:
                stack.enter_context(snapshot(connection))
        else:
            stack.enter_context(snapshot(connection))
        yield Exploration(connection, query, is_counted=is_ready)


def _may_be_known(query: Query) -> bool:
    """Whether it is worth a look at the rollups, which takes a moment."""
    if query.measure == VISITORS:
        return query.group is None and query.interval != "hour"
    return query.measure == COUNT and query.group in COUNTED and has_hours(query.selection)


def _is_known(connection: sqlite3.Connection, query: Query) -> bool:
    """Whether the rollups know the answer."""
    if query.measure == VISITORS:
        return knows_visitors(connection, query.selection)
    is_by_type = bool(query.selection.types) or query.group == TYPE
    return not is_by_type or knows_types(connection, query.selection, query.interval)
