"""What comes in to one source, to some or to all, in a range of time: visitors, sessions, events, where
they come from and what they look at. It equals a count over the rows at that moment.

Without filters, days and months are read from the rollups. Hours and filters are counted from the
visits there; minutes, and filters by type or page, from the events. Bots are counted apart. A visitor
of several sources counts in each of them.

What the numbers are:

- visitors: profiles with an event in the range;
- sessions: sessions that began in the range; with a filter by type or page, those with such an event;
- events and page-views: those of the range by their own time; `events` without a session are among
  them unless visits are filtered;
- a bounce: a session with at most one page-view.
"""

import json
import sqlite3
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from ..errors import StoreError
from ..event.timestamps import iso
from .keys import source_key
from .overview_parts import Part
from .overview_rollups import count_events, count_tops, count_values, count_visits
from .overview_scan import (
    EVENT_FILTERS,
    VISIT_FILTERS,
    Asked,
    scan_details,
    scan_events,
    scan_pages,
    scan_visits,
)
from .ranges import MINUTE, Range
from .rollup_tables import HOUR, KINDS, OTHER

FILTERS = (*EVENT_FILTERS, *VISIT_FILTERS)
"""What an overview can be filtered by: the singular of each of KINDS."""
KIND_OF = dict(zip(FILTERS, KINDS, strict=True))
LIVE_NOW = timedelta(minutes=5)


@dataclass(frozen=True)
class Question:
    """What an overview is asked for. `sources`: ids, or None for all. `filters`: a value for some of
    FILTERS; the empty one stands for what is not known."""

    range: Range
    sources: Sequence[str] | None = None
    filters: Mapping[str, str] = field(default_factory=dict)

    @property
    def slow_kinds(self) -> tuple[str, ...]:
        """Kinds that take longer than all the rest, as events must be read for them alone."""
        if self.filters:
            is_slow = self.range.grain != MINUTE and not set(self.filters) & {*EVENT_FILTERS}
            return ("types", "pages") if is_slow else ()
        return ("pages",) if self.range.grain == HOUR and not self.range.is_days else ()


@dataclass(frozen=True)
class Point:
    """A period of a chart."""

    period: str
    visitors: int
    sessions: int
    events: int
    page_views: int


@dataclass(frozen=True)
class Top:
    """The most frequent values of a kind. `rest`: how many are not among them. `is_complete`: whether
    each value was counted by its name; otherwise `rest` may have some of those that are shown."""

    rows: list[tuple[str, int]]
    rest: int
    is_complete: bool = True


@dataclass(frozen=True)
class Overview:
    """The answer. `bots`: their events, which are in nothing else. `tops`: by kind."""

    range: Range
    visitors: int
    sessions: int
    events: int
    page_views: int
    bounces: int
    bots: int
    points: list[Point]
    tops: dict[str, Top]

    @property
    def views_a_visit(self) -> float:
        """Page-views for each session."""
        return self.page_views / self.sessions if self.sessions else 0.0

    @property
    def bounce_rate(self) -> float:
        """The part of the sessions that are bounces, from 0 to 1."""
        return self.bounces / self.sessions if self.sessions else 0.0


Answer = Generator[tuple[int, int], None, Overview]
"""Yields how much is done, and of how much, and returns an overview."""


def read_overview(
    connection: sqlite3.Connection, question: Question, *, limit: int = 10, details: bool = True
) -> Answer:
    """Answers a question, inside `reports.up_to_date`. Whoever has enough of it closes the generator.

    `limit`: how many values of each kind; with 0, they are not looked for. Without `details`, its
    slow kinds are left out. Raises StoreError for filters that there are not.
    """
    asked = replace(_asked(connection, question), with_values=limit > 0)
    part = Part()
    kinds = [kind for kind in KINDS if details or kind not in question.slow_kinds]
    if asked.filters:
        yield from _count_filtered(connection, asked, part, details=details)
    elif asked.range.grain == MINUTE:
        yield from scan_events(connection, asked, part)
    elif asked.range.grain == HOUR:
        yield from scan_visits(connection, asked, part, set())
        part.events.clear()  # those without a session are among them
        count_events(connection, asked.sources, asked.range, part)
        if limit:
            part.tops["types"] = count_values(connection, asked.sources, "types", asked.range)
        if limit and asked.range.is_days:
            part.tops["pages"] = count_values(connection, asked.sources, "pages", asked.range)
        elif details:
            yield from scan_pages(connection, asked, part)
    else:
        count_events(connection, asked.sources, asked.range, part)
        count_visits(connection, asked.sources, asked.range, part)
        if limit:
            count_tops(connection, asked.sources, asked.range, part)
    return _overview(asked.range, part, kinds, limit)


def finish(answer: Answer, progress: Callable[[int, int], object] = lambda _, __: None) -> Overview:
    """The overview, when it is ready. `progress` is called with how much is done, and of how much."""
    while True:
        try:
            progress(*next(answer))
        except StopIteration as stop:
            found: Overview = stop.value
            return found


def _count_filtered(
    connection: sqlite3.Connection, asked: Asked, part: Part, *, details: bool
) -> Iterator[tuple[int, int]]:
    if asked.of_events or asked.range.grain == MINUTE:
        yield from scan_events(connection, asked, part)
        return
    sessions: set[int] = set()
    yield from scan_visits(connection, asked, part, sessions)
    if details:
        yield from scan_details(connection, asked, part, sorted(sessions))


def _asked(connection: sqlite3.Connection, question: Question) -> Asked:
    unknown = set(question.filters) - {*FILTERS}
    if unknown:
        raise StoreError(
            f"There is no filter {', '.join(sorted(unknown))}. Choose from {', '.join(FILTERS)}."
        )
    return Asked(source_keys(connection, question.sources), question.range, {**question.filters})


def source_keys(connection: sqlite3.Connection, sources: Sequence[str] | None) -> list[int]:
    """The keys of these sources, or of all; those that nothing was ever stored of have none."""
    if sources is not None:
        return [key for source in sources if (key := source_key(connection, source))]
    find = "SELECT k.key FROM sources s JOIN source_keys k ON k.id = s.id ORDER BY 1"
    return [int(key) for (key,) in connection.execute(find)]


def _overview(asked: Range, part: Part, kinds: Sequence[str], limit: int) -> Overview:
    points = [
        Point(
            period,
            part.visitors[period],
            part.sessions[period],
            part.events[period],
            part.page_views[period],
        )
        for period in asked.periods()
    ]
    return Overview(
        asked,
        part.all_visitors,
        part.all_sessions,
        part.events.total(),
        part.page_views.total(),
        part.bounces,
        part.bots,
        points,
        {kind: _top(part.tops[kind], limit) for kind in kinds},
    )


def _top(counted: Mapping[str, int], limit: int) -> Top:
    others = counted.get(OTHER, 0)
    named = ((value, count) for value, count in counted.items() if value != OTHER and count > 0)
    ordered = sorted(named, key=lambda row: (-row[1], row[0]))
    rest = others + sum(count for _, count in ordered[limit:])
    return Top(ordered[:limit], rest, is_complete=not others)


def live_now(
    connection: sqlite3.Connection,
    sources: Sequence[str] | None = None,
    now: datetime | None = None,
) -> int:
    """How many visitors sent something within the last five minutes."""
    since = iso((now or datetime.now(UTC)) - LIVE_NOW)
    (found,) = connection.execute(
        """SELECT count(DISTINCT r.source << 48 | s.profile) FROM json_each(?) j
        CROSS JOIN request_rows r ON r.source = j.value AND r.received_at >= ?
        CROSS JOIN session_rows s ON s.key = r.session WHERE r.bot = 0 AND r.run IS NULL
            AND r.session > 0""",
        (json.dumps(source_keys(connection, sources)), since),
    ).fetchone()
    return int(found)
