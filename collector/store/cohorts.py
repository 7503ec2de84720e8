"""Retention: of the visitors who began in a day, week or month, how many returned in each later one.

A visitor begins with the first event of all that are stored and count as a beginning, and returns in
a period with any event in it that counts as a return. Periods are of the times at which events
happened, in UTC; weeks begin on Monday. Visitors are profiles; events of bots and without a session
count for nobody.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import NamedTuple

from . import reports
from .connection import snapshot
from .explore_counts import slices, visitors_of
from .json_values import inlined
from .rows import Term
from .selection import VISITOR, Rows, Selection, has_scopes
from .steps import IS_VISITOR, Step, columns_of, selection_of, type_of_view

# The number of a period, by the text of a day or a time; and its name, by its number.
_DAYS = "CAST(julianday(substr({0}, 1, 10)) - 2440587.5 AS INTEGER)"
_NUMBERS = {
    "day": _DAYS,
    "week": f"({_DAYS} + 3) / 7",
    "month": "substr({0}, 1, 4) * 12 + substr({0}, 6, 2) - 1",
}
_NAMES = {
    "day": "date({0} * 86400, 'unixepoch')",
    "week": "date(({0} * 7 - 3) * 86400, 'unixepoch')",
    "month": "printf('%04d-%02d', {0} / 12, {0} % 12 + 1)",
}
INTERVALS = tuple(_NUMBERS)
_FIRST, _BACK = "temp.cohorts", "temp.returns"


@dataclass(frozen=True)
class CohortQuery:
    """What is asked. `first` and `back`: what counts as a beginning and as a return. `interval`: one
    of INTERVALS. `since` and `until`: the stored form of times; visitors who began before the period
    of the first are not reported, and what happened from the second on is not looked at."""

    first: Step
    back: Step
    interval: str
    since: str
    until: str
    sources: tuple[str, ...] | None = None


class Cohort(NamedTuple):
    """Those who began in a period. `returned`: how many of them came back in the next period, the
    one after, and so on to the last that has begun; it may not have ended."""

    period: str
    visitors: int
    returned: list[int]


class Retention:
    """Cohorts as they are computed. Made by `retention`."""

    def __init__(
        self, connection: sqlite3.Connection, query: CohortQuery, *, is_counted: bool = False
    ) -> None:
        self._connection = connection
        self._query = query
        self.is_counted = is_counted  # from the rollups: they know the days of each visitor
        self._number = _NUMBERS[query.interval]
        self._since = number_of(query.since, query.interval)
        end = datetime.fromisoformat(query.until).astimezone(UTC) - timedelta(milliseconds=1)
        self._last = number_of(end.isoformat(), query.interval)
        for table, key in ((_FIRST, "visitor"), (_BACK, "visitor, period")):
            connection.execute(f"DROP TABLE IF EXISTS {table}")
            connection.execute(
                f"CREATE TABLE {table} (visitor INTEGER, period INTEGER, PRIMARY KEY ({key}))"
                " WITHOUT ROWID"
            )

    def steps(self) -> Iterator[tuple[int, int]]:
        """Computes a step at a time, and yields how much is done, and of how much."""
        if self.is_counted:
            parts = [*slices(self._connection)]
            for low, high in parts:
                days = self._days(low, high)
                self._add(days, days)
                yield high - 1, parts[-1][1] - 1
            return
        query = self._query
        steps = (query.first, query.back)
        # From the very first event on: a visitor may have begun with it.
        selection = selection_of(steps, query.sources, None, query.until)
        rows = Rows(self._connection, selection, columns_of(steps))
        windows = [*rows.windows()]
        for low, high in windows:
            self._add(*(self._read(rows, step, low, high) for step in steps))
            yield high - windows[0][0] + 1, windows[-1][1] - windows[0][0] + 1

    def _add(self, first: Term, back: Term) -> None:
        self._connection.execute(
            f"INSERT INTO {_FIRST} SELECT visitor, min(period) FROM ({first[0]}) GROUP BY 1"
            " ON CONFLICT DO UPDATE SET period = min(period, excluded.period)",
            first[1],
        )
        self._connection.execute(
            f"INSERT OR IGNORE INTO {_BACK} SELECT DISTINCT visitor, period FROM ({back[0]})"
            " WHERE period > ?",
            [*back[1], self._since],
        )

    def _read(self, rows: Rows, step: Step, low: int, high: int) -> Term:
        """A statement for visitor and period of the events of a window that are a step."""
        source, test = rows.read(low, high), step.term(rows.type_is)
        return (
            f"SELECT e.{VISITOR} AS visitor, {self._number.format('e.occurred_at')} AS period"
            f" FROM {source[0]} WHERE NOT e.bot AND e.{VISITOR} > 0 AND {test[0]}",
            [*source[1], *test[1]],
        )

    def _days(self, low: int, high: int) -> Term:
        """A statement for visitor and period of all visitors of a slice, from the rollups."""
        query = self._query
        text, values = visitors_of(Selection(query.sources, until=query.until), low, high)
        period = self._number.format("day")
        return f"SELECT profile AS visitor, {period} AS period FROM ({text})", values

    def rows(self) -> list[Cohort]:
        """The cohorts, as far as they were computed. Those without visitors are left out."""
        name = _NAMES[self._query.interval]
        found = {
            number: Cohort(period, visitors, [0] * max(0, self._last - number))
            for number, period, visitors in self._connection.execute(
                f"SELECT period, {name.format('period')}, count(*) FROM {_FIRST}"
                " WHERE period >= ? GROUP BY 1 ORDER BY 1",
                [self._since],
            )
        }
        for number, later, visitors in self._connection.execute(
            f"SELECT f.period, b.period - f.period, count(*) FROM {_FIRST} f JOIN {_BACK} b"
            " ON b.visitor = f.visitor AND b.period > f.period WHERE f.period >= ? GROUP BY 1, 2",
            [self._since],
        ):
            found[number].returned[later - 1] = visitors
        return [*found.values()]


def number_of(time: str, interval: str) -> int:
    """The number of a period."""
    day = date.fromisoformat(time[:10])
    if interval == "month":
        return day.year * 12 + day.month - 1
    days = (day - date(1970, 1, 1)).days
    return days if interval == "day" else (days + 3) // 7


@contextmanager
def retention(connection: sqlite3.Connection, query: CohortQuery) -> Iterator[Retention]:
    """The cohorts of this moment. Leave it to give it up; another thread may call the connection's
    `interrupt`. No other snapshot of the connection may be open."""
    with ExitStack() as stack:
        is_counted = False
        steps = (query.first, query.back)
        is_any = all(step.type is None and not step.where for step in steps)
        if is_any and query.until[10:] == "T00:00:00.000Z":
            try:
                stack.enter_context(reports.up_to_date(connection))
                is_counted = not has_scopes(connection)
            except reports.NotCounted:
                stack.enter_context(snapshot(connection))
        else:
            stack.enter_context(snapshot(connection))
        yield Retention(connection, query, is_counted=is_counted)


def retention_sql(query: CohortQuery) -> str:
    """The cohorts as one statement over the view `events`: columns `cohort`, `later`, `visitors`;
    those who began are 0 periods later."""
    steps = (query.first, query.back)
    selection = selection_of(steps, query.sources, None, query.until)
    first, back = (inlined(step.term(type_of_view)) for step in steps)
    name = _NAMES[query.interval].format("cohort")
    since = number_of(query.since, query.interval)
    return f"""WITH found AS (
  SELECT e.{VISITOR} AS visitor, {_NUMBERS[query.interval].format("e.occurred_at")} AS period,
    {first} AS begins,
    {back} AS returns
  FROM events e WHERE {IS_VISITOR} AND {inlined(selection.of_view())}
),
began AS (SELECT visitor, min(period) AS cohort FROM found WHERE begins GROUP BY 1),
returned AS (SELECT DISTINCT visitor, period FROM found WHERE returns)
SELECT {name} AS cohort, 0 AS later, count(*) AS visitors FROM began
WHERE cohort >= {since} GROUP BY 1
UNION ALL
SELECT {name}, period - cohort, count(*) FROM began JOIN returned USING (visitor)
WHERE cohort >= {since} AND period > cohort GROUP BY 1, 2
ORDER BY 1, 2"""
