"""Funnels: how many visitors take some steps one after the other, and how long it takes them.

An attempt begins with any event of the first step. Each other step is the visitor's earliest event
of that step after the one of the step before, in the order in which they happened (then: were
stored), if it happened no later than a given time after the attempt began. So one event is never
two steps of an attempt. A visitor is counted by the attempt that comes furthest; of several, by the
earliest. Visitors are profiles; events of bots and without a session count for nobody. Events
outside of the time that is looked at are no step.
"""

import sqlite3
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from .connection import snapshot
from .json_values import inlined
from .rows import Term
from .selection import VISITOR, Rows, joined
from .steps import (
    IS_VISITOR,
    TIME,
    Step,
    columns_of,
    selection_of,
    type_of_view,
)

MAX_STEPS = 10
STRIDE = 20_000  # events of visitors between two looks at progress
_FOUND = "temp.funnel"


@dataclass(frozen=True)
class FunnelQuery:
    """What is asked. `within`: milliseconds from the first step to the last. The other fields: see
    `Selection`."""

    steps: tuple[Step, ...]
    within: int
    sources: tuple[str, ...] | None = None
    since: str | None = None
    until: str | None = None


class FunnelRow(NamedTuple):
    """A step. `visitors`: how many came so far. `of_previous` and `of_first`: these as a part of
    those of the step before, and of the first; None where that has none. `seconds`: the median time
    since the step before; None for the first step, and where nobody came so far."""

    step: str
    visitors: int
    of_previous: float | None
    of_first: float | None
    seconds: float | None


class Funnel:
    """A funnel as it is computed. Made by `funnel`."""

    def __init__(self, connection: sqlite3.Connection, query: FunnelQuery) -> None:
        self._connection = connection
        self._query = query
        self._visitors = [0] * len(query.steps)
        self._times = [array("q") for _ in query.steps]
        connection.execute(f"DROP TABLE IF EXISTS {_FOUND}")
        connection.execute(f"CREATE TABLE {_FOUND} (visitor INTEGER, at INTEGER, seq, steps)")

    def steps(self) -> Iterator[tuple[int, int]]:
        """Computes a step of the work at a time, and yields how much is done, and of how much. The
        first half is finding the events, the second is following the visitors."""
        query = self._query
        selection = selection_of(query.steps, query.sources, query.since, query.until)
        rows = Rows(self._connection, selection, columns_of(query.steps))
        windows = [*rows.windows()]
        for low, high in windows:
            text, values = self._read(rows, low, high)
            self._connection.execute(f"INSERT INTO {_FOUND} {text}", values)
            yield (high - windows[0][0] + 1) // 2, windows[-1][1] - windows[0][0] + 1
        total = windows[-1][1] - windows[0][0] + 1 if windows else 0
        for part in self._follow():
            yield int(total * (1 + part) / 2), total

    def _read(self, rows: Rows, low: int, high: int) -> Term:
        """A statement for the events of a window that may be steps, with a bit for each step."""
        terms = [step.term(rows.type_is) for step in self._query.steps]
        bits = joined([(f"({text} << {n})", v) for n, (text, v) in enumerate(terms)], " | ")
        source = rows.read(low, high)
        # To test them, SQLite would compute the steps twice.
        test = "1" if self._are_steps() else "steps"
        return (
            f"SELECT visitor, at, seq, steps FROM (SELECT e.{VISITOR} AS visitor, {TIME} AS at,"
            f" e.seq AS seq, {bits[0]} AS steps FROM {source[0]}"
            f" WHERE NOT e.bot AND e.{VISITOR} > 0) WHERE {test}",
            [*bits[1], *source[1]],
        )

    def _are_steps(self) -> bool:
        """Whether all events of the types that are read are steps."""
        certain = {step.type for step in self._query.steps if not step.where}
        return None in certain or {step.type for step in self._query.steps} <= certain

    def _follow(self) -> Iterator[float]:
        """Counts each visitor. Yields the part of events that was looked at."""
        (total,) = self._connection.execute(f"SELECT count(*) FROM {_FOUND}").fetchone()
        found = self._connection.execute(
            f"SELECT visitor, at, steps FROM {_FOUND} ORDER BY visitor, at, seq"
        )
        done = shown = 0
        for _, group in groupby(found, key=itemgetter(0)):
            events = [(at, bits) for _, at, bits in group]
            self._count(events)
            done += len(events)
            if done - shown >= STRIDE:
                shown = done
                yield done / total

    def _count(self, events: Sequence[tuple[int, int]]) -> None:
        times = best_attempt(events, len(self._query.steps), self._query.within)
        for number, at in enumerate(times):
            self._visitors[number] += 1
            if number:
                self._times[number].append(at - times[number - 1])

    def rows(self) -> list[FunnelRow]:
        """The steps, as far as they were computed."""
        found = []
        counts = self._visitors
        for number, step in enumerate(self._query.steps):
            count, first = counts[number], counts[0]
            before = counts[number - 1] if number else count
            found.append(
                FunnelRow(
                    step.text,
                    count,
                    count / before if before else None,
                    count / first if first else None,
                    _median(self._times[number]),
                )
            )
        return found


def best_attempt(events: Sequence[tuple[int, int]], steps: int, within: int) -> list[int]:
    """The times of the steps of a visitor's best attempt; none if there is no first step.

    `events`: time and steps, a bit for each, in order.
    """
    places = [
        [n for n, (_, bits) in enumerate(events) if bits >> step & 1] for step in range(steps)
    ]
    best: list[int] = []
    for start in places[0]:
        attempt = [start]
        for of_step in places[1:]:
            index = bisect_right(of_step, attempt[-1])
            if index == len(of_step) or events[of_step[index]][0] > events[start][0] + within:
                break
            attempt.append(of_step[index])
        if len(attempt) > len(best):
            best = attempt
        if len(best) == steps:
            break
    return [events[place][0] for place in best]


def _median(times: "array[int]") -> float | None:
    """The median of milliseconds, in seconds."""
    if not times:
        return None
    ordered = sorted(times)
    count = len(ordered)
    return (ordered[(count - 1) // 2] + ordered[count // 2]) / 2000


@contextmanager
def funnel(connection: sqlite3.Connection, query: FunnelQuery) -> Iterator[Funnel]:
    """A funnel of this moment. Leave it to give it up; another thread may call the connection's
    `interrupt`. No other snapshot of the connection may be open."""
    with snapshot(connection):
        yield Funnel(connection, query)


def funnel_sql(query: FunnelQuery) -> str:
    """The funnel as one statement over the view `events`: columns `step`, `visitors`, `seconds`. It
    takes long where visitors have very many events."""
    steps = query.steps
    selection = selection_of(steps, query.sources, query.since, query.until)
    marks = ",\n    ".join(
        f"{inlined(step.term(type_of_view))} AS is{n}" for n, step in enumerate(steps, 1)
    )
    tables = {
        "found": f"SELECT e.{VISITOR} AS visitor, {TIME} AS at, e.seq AS seq,\n    {marks}\n"
        f"  FROM events e WHERE {IS_VISITOR} AND {inlined(selection.of_view())}",
        "tries1": "SELECT visitor, at AS at1, seq AS seq1 FROM found WHERE is1",
    }
    for n in range(2, len(steps) + 1):
        tables[f"tries{n}"] = (
            f"SELECT t.*, f.at AS at{n}, f.seq AS seq{n} FROM tries{n - 1} t LEFT JOIN found f"
            f" ON f.seq = (\n    SELECT n.seq FROM found n WHERE n.visitor = t.visitor AND n.is{n}"
            f" AND (n.at, n.seq) > (t.at{n - 1}, t.seq{n - 1})\n"
            f"      AND n.at <= t.at1 + {query.within} ORDER BY n.at, n.seq LIMIT 1)"
        )
    level = " + ".join(f"(at{n} IS NOT NULL)" for n in range(1, len(steps) + 1))
    tables["ranked"] = (
        f"SELECT *, row_number() OVER (PARTITION BY visitor ORDER BY {level} DESC, at1, seq1)"
        f" AS place\n  FROM tries{len(steps)}"
    )
    tables["best"] = "SELECT * FROM ranked WHERE place = 1"
    selects = ["SELECT 1 AS step, count(*) AS visitors, NULL AS seconds FROM best"]
    for n in range(2, len(steps) + 1):
        time = f"at{n} - at{n - 1}"
        selects.append(
            f"SELECT {n}, count(at{n}), (SELECT avg(time) / 1000 FROM (SELECT {time} AS time,"
            f" row_number() OVER (ORDER BY {time}) AS number, count(*) OVER () AS numbers\n"
            f"  FROM best WHERE at{n} IS NOT NULL)"
            " WHERE number IN ((numbers + 1) / 2, (numbers + 2) / 2)) FROM best"
        )
    parts = ",\n".join(f"{name} AS (\n  {text}\n)" for name, text in tables.items())
    return f"WITH {parts}\n" + "\nUNION ALL ".join(selects)
