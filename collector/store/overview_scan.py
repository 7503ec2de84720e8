"""An overview with filters, or of hours and minutes: it is counted from visits, and from events where
visits do not tell. A piece at a time, so that whoever waits sees how far it is and can give up."""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, NamedTuple

from ..event.timestamps import FUTURE, iso
from ..event.visit import path_of
from .events import last_seq
from .overview_parts import Part, VisitRow
from .ranges import MINUTE, TEXTS, Range
from .reports import UNCOUNTED
from .rollup_tables import LIVE, MONTH
from .rollup_visits import BOUNCE, PAGE_VIEW, Visit

Progress = Iterator[tuple[int, int]]
"""How much is done, and of how much."""

PIECE = 20_000  # events, or sessions, that one statement looks at
_PIECE_OF_MONTH = timedelta(days=3)
_CHANGED = f"SELECT session FROM {UNCOUNTED}_visits"
VISIT_FILTERS = Visit._fields[2:-1]
EVENT_FILTERS = ("type", "page")


@dataclass(frozen=True)
class Asked:
    """What is asked for. `sources`: keys. `filters`: a value for some of VISIT_FILTERS and
    EVENT_FILTERS. `with_values`: also what visits have in common."""

    sources: Sequence[int]
    range: Range
    filters: dict[str, str]
    with_values: bool = True

    @property
    def of_visits(self) -> dict[str, str]:
        """The filters of visits."""
        return {name: self.filters[name] for name in VISIT_FILTERS if name in self.filters}

    @property
    def of_events(self) -> dict[str, str]:
        """The filters of events."""
        return {name: self.filters[name] for name in EVENT_FILTERS if name in self.filters}

    @property
    def values(self) -> dict[str, Any]:
        """The named values of a statement."""
        start, end = self.range.times
        sources = json.dumps([*self.sources])
        return {"sources": sources, "start": start, "end": end, **self.filters}

    def terms(self, visit: str) -> str:
        """Terms for the filters of visits, each after AND."""
        return "".join(f" AND {visit}.{name} = :{name}" for name in self.of_visits)


# --- By visits ---


def scan_visits(
    connection: sqlite3.Connection, asked: Asked, part: Part, sessions: set[int]
) -> Progress:
    """Adds visits that were active in each period, by hours, and their keys to `sessions`."""
    parts = [*asked.range.parts()]
    for number, (start, end) in enumerate(parts, 1):
        period = start.isoformat()[: TEXTS[asked.range.grain]]
        step = _PIECE_OF_MONTH if asked.range.grain == MONTH else end - start
        while start < end:
            upto = min(start + step, end)
            hours = (start.isoformat()[:13], (upto - timedelta(hours=1)).isoformat()[:13])
            rows = _visits_in(connection, asked, *hours)
            part.add_visits(period, [row[1:] for row in rows])
            sessions.update(row[0] for row in rows)
            start = upto  # noqa: PLW2901
            yield number - 1, len(parts)
        part.end_periods()
        yield number, len(parts)


def _visits_in(
    connection: sqlite3.Connection, asked: Asked, first: str, last: str
) -> list[VisitRow]:
    """Session and VisitRow of each visit in each hour of some."""
    select = f"""SELECT h.session, h.source << 48 | h.profile, h.events, h.page_views,
        substr(v.began, 1, 13) = h.hour, v.page_views <= {BOUNCE}"""
    select += f", {_columns('v')}" if asked.with_values else ""
    hours = "h ON h.source = s.value AND h.hour BETWEEN :first AND :last"
    sources = "json_each(:sources) s CROSS JOIN"
    # Visits that are not counted yet are as they are now, in the few hours that they have.
    return connection.execute(
        f"""{select} FROM {sources} {LIVE.hours} {hours}
        CROSS JOIN {LIVE.visits} v ON v.session = h.session
        WHERE h.session NOT IN ({_CHANGED}){asked.terms("v")}
        UNION ALL {select} FROM (
            SELECT source, hour, session, profile, sum(events) AS events,
                sum(page_views) AS page_views
            FROM (
                SELECT h.* FROM (SELECT 1 WHERE EXISTS ({_CHANGED}))
                CROSS JOIN {sources} {LIVE.hours} {hours} WHERE h.session IN ({_CHANGED})
                UNION ALL SELECT h.* FROM {sources} {UNCOUNTED}_hours {hours}
            ) GROUP BY 1, 2, 3
        ) h CROSS JOIN {UNCOUNTED}_visits v ON v.session = h.session WHERE 1{asked.terms("v")}""",
        {**asked.values, "first": first, "last": last},
    ).fetchall()


def _columns(visit: str) -> str:
    return ", ".join(f"{visit}.{name}" for name in VISIT_FILTERS)


def _visits_of(connection: sqlite3.Connection, sessions: Sequence[int]) -> Iterator[Any]:
    """Session, beginning, page-views and VISIT_FILTERS of visits."""
    for start in range(0, len(sessions), PIECE):
        keys = json.dumps(sessions[start : start + PIECE])
        select = f"SELECT v.session, v.began, v.page_views, {_columns('v')} FROM json_each(?1) j"
        yield from connection.execute(
            f"""{select} CROSS JOIN {LIVE.visits} v ON v.session = j.value
            WHERE v.session NOT IN ({_CHANGED})
            UNION ALL {select} CROSS JOIN {UNCOUNTED}_visits v ON v.session = j.value""",
            [keys],
        )


# --- By events ---


class _Event(NamedTuple):
    """An event that was read. `page`: None if it is no page-view of a visit."""

    period: str
    type: str
    bot: bool
    session: int
    visitor: int
    page: str | None


def scan_events(connection: sqlite3.Connection, asked: Asked, part: Part) -> Progress:
    """Adds events that meet all filters, and visits: those with such an event, or those that began in
    the range if events are not filtered."""
    active: dict[int, set[str]] = defaultdict(set)  # session → periods
    for event, done, total in _events_of(connection, asked):
        if event is None:
            yield done, total
        elif event.bot:
            part.bots += 1
        else:
            part.events[event.period] += 1
            part.tops["types"][event.type] += 1
            if event.session:
                part.add_visitors(event.period, (event.visitor,))
                active[event.session].add(event.period)
            if event.page is not None:
                part.page_views[event.period] += 1
                part.tops["pages"][event.page] += 1
    first, end = (text[: TEXTS[MINUTE]] for text in asked.range.times)
    for session, began, views, *values in _visits_of(connection, [*active]):
        row = (0, 0, 0, 1, views <= BOUNCE, *values)
        if asked.of_events:
            part.begin_visits(active[session], [row])
        elif first <= began < end:
            part.begin_visits([began[: TEXTS[asked.range.grain]]], [row])
    part.end_periods()


def scan_pages(connection: sqlite3.Connection, asked: Asked, part: Part) -> Progress:
    """Adds the pages of all visits. `asked`: without filters."""
    views = Asked(asked.sources, asked.range, {"type": PAGE_VIEW})
    for event, done, total in _events_of(connection, views):
        if event is None:
            yield done, total
        elif event.page is not None:
            part.tops["pages"][event.page] += 1


def scan_details(
    connection: sqlite3.Connection, asked: Asked, part: Part, sessions: Sequence[int]
) -> Progress:
    """Adds types and pages of what these sessions sent in the range."""
    tables = (
        "json_each(:keys) j CROSS JOIN request_rows r ON r.session = j.value CROSS JOIN event_rows e"
        " ON e.seq BETWEEN r.key AND r.key + r.events - 1 AND e.request = r.key"
    )
    for start in range(0, len(sessions), PIECE):
        keys = json.dumps(sessions[start : start + PIECE])
        for event in _read(connection, asked, tables, "r.bot = 0", {"keys": keys}):
            part.tops["types"][event.type] += 1
            if event.page is not None:
                part.tops["pages"][event.page] += 1
        yield min(start + PIECE, len(sessions)), len(sessions)


def _events_of(
    connection: sqlite3.Connection, asked: Asked
) -> Iterator[tuple[_Event | None, int, int]]:
    """Events of the range that meet the filters, in the order of their numbers, and how many numbers
    are done, and of how many; None as the event after each piece."""
    kind, page = asked.filters.get("type"), asked.filters.get("page")
    if page is not None and kind not in (None, PAGE_VIEW):
        return
    kind = PAGE_VIEW if page is not None else kind
    where = "e.seq BETWEEN :after + 1 AND :upto"
    if kind is not None:
        where += " AND e.type = (SELECT key FROM event_types WHERE name = :kind)"
    if asked.of_visits:
        matching = f"v WHERE v.session = r.session{asked.terms('v')}"
        where += f""" AND r.bot = 0 AND (
            EXISTS (SELECT 1 FROM {UNCOUNTED}_visits {matching})
            OR EXISTS (SELECT 1 FROM {LIVE.visits} {matching} AND v.session NOT IN ({_CHANGED})))"""
    first, last = _first_seq(connection, asked) - 1, last_seq(connection)
    # Of a rare type there are few among many numbers.
    step = PIECE if kind in (None, PAGE_VIEW) else PIECE * 10
    tables = "event_rows e CROSS JOIN request_rows r ON r.key = e.request"
    for after in range(first, last, step):
        upto = min(after + step, last)
        values = {"after": after, "upto": upto, "kind": kind}
        for event in _read(connection, asked, tables, where, values):
            if page is None or (event.page == page and not event.bot):
                yield event, upto - first, last - first
        yield None, upto - first, last - first


def _first_seq(connection: sqlite3.Connection, asked: Asked) -> int:
    """The number of the first event that may be in the range. None happens later than it comes, by
    more than FUTURE."""
    (first,) = connection.execute(
        """SELECT min(r.key) FROM json_each(:sources) s
        CROSS JOIN request_rows r ON r.source = s.value AND r.received_at >= :since""",
        {**asked.values, "since": iso(asked.range.start - FUTURE)},
    ).fetchone()
    return last_seq(connection) + 1 if first is None else int(first)


def _read(
    connection: sqlite3.Connection,
    asked: Asked,
    tables: str,
    where: str,
    values: dict[str, Any],
) -> Iterator[_Event]:
    """Events of the range. `tables`: with `e` for an event and `r` for its request."""
    length = TEXTS[asked.range.grain]
    for period, kind, bot, session, source, profile, context in connection.execute(
        f"""SELECT substr(e.occurred_at, 1, {length}), t.name, r.bot, r.session, e.source, s.profile,
            CASE WHEN t.name = '{PAGE_VIEW}' AND r.session AND NOT r.bot
                THEN coalesce(e.context, r.context) END
        FROM {tables}
        CROSS JOIN session_rows s ON s.key = r.session
        CROSS JOIN event_types t ON t.key = e.type
        WHERE {where} AND r.run IS NULL AND e.occurred_at >= :start AND e.occurred_at < :end
            AND e.source IN (SELECT value FROM json_each(:sources))""",
        {**asked.values, **values},
    ):
        page = path_of(context) if context else None
        yield _Event(period, kind, bool(bot), session, source << 48 | profile, page)
