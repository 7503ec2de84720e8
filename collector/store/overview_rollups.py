"""An overview without filters, of whole days: it is read from the rollups, in milliseconds."""

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from .overview_parts import Part
from .ranges import MINUTE, TEXTS, Range
from .reports import UNCOUNTED, count_visitors
from .rollup_tables import DAY, HOUR, LIVE, MONTH, MONTHLY_RETURNS, SESSION_KINDS

_DAY = timedelta(days=1)


def count_events(
    connection: sqlite3.Connection, sources: Sequence[int], asked: Range, part: Part
) -> None:
    """Adds events by period and type, and those of bots. `asked`: whole hours or days."""
    whole = HOUR if asked.grain in (MINUTE, HOUR) else DAY
    for grain, first, last in _spans(asked, whole):
        for period, kind, events, bots in _read(connection, sources, "types", grain, first, last):
            part.events[period[: TEXTS[asked.grain]]] += events - bots
            part.tops["types"][kind] += events - bots
            part.bots += bots


def count_visits(
    connection: sqlite3.Connection, sources: Sequence[int], asked: Range, part: Part
) -> None:
    """Adds visitors, sessions and page-views by period, bounces, and what visits have in common.
    `asked`: whole days, in days or months."""
    for grain, first, last in _spans(asked, DAY):
        for _, _, count, _ in _read(connection, sources, "bounces", grain, first, last):
            part.bounces += count
        for kind, counter in (("sessions", part.sessions), ("page_views", part.page_views)):
            for period, _, count, _ in _read(connection, sources, kind, grain, first, last):
                counter[period[: TEXTS[asked.grain]]] += count
    part.all_sessions = part.sessions.total()
    part.visitors = _visitors_by_period(connection, sources, asked)
    part.all_visitors = count_visitors(connection, sources, asked.first, asked.last)
    for kind in ("pages", *SESSION_KINDS):
        part.tops[kind] += count_values(connection, sources, kind, asked)


def count_values(
    connection: sqlite3.Connection, sources: Sequence[int], kind: str, asked: Range
) -> Counter[str]:
    """How often each value of a kind came in a range of whole days."""
    found: Counter[str] = Counter()
    for grain, first, last in _spans(asked, DAY):
        where = "kind = ?2 AND grain = ?3 AND period BETWEEN ?4 AND ?5"
        for value, count in connection.execute(
            f"""SELECT value, sum(count) FROM (
                SELECT c.value, c.count FROM json_each(?1) s
                CROSS JOIN {LIVE.counts} c ON c.source = s.value AND {where}
                UNION ALL SELECT value, count FROM {UNCOUNTED}
                WHERE source IN (SELECT value FROM json_each(?1)) AND {where})
            GROUP BY 1""",
            (json.dumps([*sources]), kind, grain, first, last),
        ):
            found[value] += count
    return +found


def _visitors_by_period(
    connection: sqlite3.Connection, sources: Sequence[int], asked: Range
) -> Counter[str]:
    found: Counter[str] = Counter()
    if asked.grain == DAY:
        days = asked.first.isoformat(), asked.last.isoformat()
        for period, _, count, _ in _read(connection, sources, "visitors", DAY, *days):
            found[period] += count
        return found
    for start, end in asked.parts():
        month = start.isoformat()[:7]
        if start.day == 1 and end.day == 1:
            for *_, count, _ in _read(connection, sources, MONTHLY_RETURNS, MONTH, month, month):
                found[month] += count
        else:
            last_day = (end - _DAY).date()
            found[month] = count_visitors(connection, sources, start.date(), last_day)
    return found


def _read(
    connection: sqlite3.Connection,
    sources: Sequence[int],
    kind: str,
    grain: str,
    first: str,
    last: str,
) -> Iterator[tuple[str, str, int, int]]:
    """Period, value, count and bots of counts, on both sides of the mark, which are to be added."""
    where = "kind = ?2 AND grain = ?3 AND period BETWEEN ?4 AND ?5"
    return connection.execute(
        f"""SELECT c.period, c.value, c.count, c.bots FROM json_each(?1) s
        CROSS JOIN {LIVE.counts} c ON c.source = s.value AND {where}
        UNION ALL SELECT period, value, count, bots FROM {UNCOUNTED}
        WHERE source IN (SELECT value FROM json_each(?1)) AND {where}""",
        (json.dumps([*sources]), kind, grain, first, last),
    )


def _spans(asked: Range, whole: str) -> Iterator[tuple[str, str, str]]:
    """A range as grain, first and last period of the rollups: whole months where it shows months, as
    far as they are whole."""
    if asked.grain != MONTH:
        yield _span(whole, asked.start, asked.end)
        return
    for start, end in asked.parts():
        yield _span(MONTH if start.day == 1 and end.day == 1 else DAY, start, end)


def _span(grain: str, start: datetime, end: datetime) -> tuple[str, str, str]:
    length = TEXTS[grain]
    last = end - timedelta(microseconds=1)
    return grain, start.isoformat()[:length], last.isoformat()[:length]
