"""An overview without filters, of whole days: it is read from the rollups, in milliseconds."""

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta

from .overview_parts import Part
from .ranges import TEXTS, Range
from .reports import UNCOUNTED, count_visitors
from .rollup_tables import DAY, HOUR, KINDS, LIVE, MONTH, MONTHLY_RETURNS, OTHER

Span = tuple[str, str, str]  # grain, first and last period

_DAY = timedelta(days=1)


def count_events(
    connection: sqlite3.Connection, sources: Sequence[int], asked: Range, part: Part
) -> None:
    """Adds events by period, and those of bots. `asked`: whole hours or days."""
    for span in _spans(asked):
        for period, events, bots in _read(connection, sources, "events", span):
            part.events[period[: TEXTS[asked.grain]]] += events - bots
            part.bots += bots


def count_visits(
    connection: sqlite3.Connection, sources: Sequence[int], asked: Range, part: Part
) -> None:
    """Adds visitors, sessions and page-views by period, and bounces. `asked`: whole days, in days or
    months."""
    for span in _spans(asked):
        part.bounces += sum(count for _, count, _ in _read(connection, sources, "bounces", span))
        for kind, counter in (("sessions", part.sessions), ("page_views", part.page_views)):
            for period, count, _ in _read(connection, sources, kind, span):
                counter[period[: TEXTS[asked.grain]]] += count
    part.all_sessions = part.sessions.total()
    part.visitors = _visitors_by_period(connection, sources, asked)
    part.all_visitors = _visitors_of(connection, sources, asked.start, asked.end)


def count_tops(
    connection: sqlite3.Connection, sources: Sequence[int], asked: Range, part: Part
) -> None:
    """Adds what visits have in common, and pages and types. `asked`: whole days."""
    for kind in KINDS:
        part.tops[kind] = count_values(connection, sources, kind, asked)


def count_values(
    connection: sqlite3.Connection, sources: Sequence[int], kind: str, asked: Range
) -> Counter[str]:
    """How often each value of a kind came in a range of whole hours or days, bots left out."""
    found = Counter[str]()
    if asked.grain != HOUR or asked.is_days:
        found = _add_up(connection, sources, kind, _signed_spans(asked))
        if OTHER not in found:
            return found
        # Which values are by name differs between a month and its days.
        asked = Range(
            asked.name, asked.start, asked.end, DAY if asked.grain == HOUR else asked.grain
        )
    return _add_up(connection, sources, kind, ((1, span) for span in _spans(asked)))


def _add_up(
    connection: sqlite3.Connection,
    sources: Sequence[int],
    kind: str,
    spans: Iterable[tuple[int, Span]],
) -> Counter[str]:
    """Sums over spans, each of which is added or taken off."""
    found: dict[str, int] = defaultdict(int)
    counted = "kind = ?2 AND grain = ?3 AND period BETWEEN ?4 AND ?5"
    for sign, span in spans:
        # Each by itself: grouped together, they take four times as long.
        for value, count in connection.execute(
            f"""SELECT c.value, sum(count - bots) FROM json_each(?1) s
            CROSS JOIN {LIVE.counts} c ON c.source = s.value AND {counted} GROUP BY 1
            UNION ALL SELECT value, sum(count - bots) FROM {UNCOUNTED}
            WHERE source IN (SELECT value FROM json_each(?1)) AND {counted} GROUP BY 1""",
            (json.dumps([*sources]), kind, *span),
        ):
            found[value] += sign * count
    return Counter({value: count for value, count in found.items() if count or value == OTHER})


def _visitors_by_period(
    connection: sqlite3.Connection, sources: Sequence[int], asked: Range
) -> Counter[str]:
    found: Counter[str] = Counter()
    if asked.grain == DAY:
        span = _span(DAY, asked.start, asked.end)
        for period, count, _ in _read(connection, sources, "visitors", span):
            found[period] += count
        return found
    for start, end in asked.parts():
        month = start.isoformat()[: TEXTS[MONTH]]
        found[month] = _visitors_of(connection, sources, start, end)
    return found


def _visitors_of(
    connection: sqlite3.Connection, sources: Sequence[int], start: datetime, end: datetime
) -> int:
    """Visitors of whole days."""
    if start.day > 1 or end.day > 1:
        last = (end - _DAY).date()
        return count_visitors(connection, sources, start.date(), last)
    _, first, last_month = _span(MONTH, start, end)
    where = f"kind = '{MONTHLY_RETURNS}' AND grain = '{MONTH}' AND period BETWEEN ?2 AND ?3"
    (found,) = connection.execute(
        f"""SELECT coalesce(sum(count), 0) FROM (
            SELECT c.count FROM json_each(?1) s CROSS JOIN {LIVE.counts} c
            ON c.source = s.value AND {where} AND c.value < ?2
            UNION ALL SELECT count FROM {UNCOUNTED}
            WHERE source IN (SELECT value FROM json_each(?1)) AND {where} AND value < ?2)""",
        (json.dumps([*sources]), first, last_month),
    ).fetchone()
    return int(found)


def _read(
    connection: sqlite3.Connection, sources: Sequence[int], kind: str, span: Span
) -> Iterator[tuple[str, int, int]]:
    """Period, count and bots of what has no values, on both sides of the mark: to be added."""
    where = "kind = ?2 AND grain = ?3 AND period BETWEEN ?4 AND ?5"
    return connection.execute(
        f"""SELECT c.period, c.count, c.bots FROM json_each(?1) s
        CROSS JOIN {LIVE.counts} c ON c.source = s.value AND {where}
        UNION ALL SELECT period, count, bots FROM {UNCOUNTED}
        WHERE source IN (SELECT value FROM json_each(?1)) AND {where}""",
        (json.dumps([*sources]), kind, *span),
    )


def _spans(asked: Range) -> Iterator[Span]:
    """A range as periods of the rollups: whole months where it shows months, as far as they are
    whole."""
    if asked.grain != MONTH:
        yield _span(asked.grain, asked.start, asked.end)
        return
    spans = (
        _span(MONTH if start.day == 1 and end.day == 1 else DAY, start, end)
        for start, end in asked.parts()
    )
    yield from (span for _, span in _joined((1, span) for span in spans))


def _signed_spans(asked: Range) -> Iterator[tuple[int, Span]]:
    """The same with as few periods as possible: of most of a month, all of it, and then the other
    days are taken off. Days that are yet to come cost nothing."""
    yield from _joined(_signed_months(asked, datetime.now(UTC)))


def _joined(spans: Iterable[tuple[int, Span]]) -> Iterator[tuple[int, Span]]:
    """Spans of whole months one after the other as one, which is read four times as fast."""
    months: list[Span] = []
    for sign, span in spans:
        if span[0] == MONTH:
            months.append(span)
        else:
            yield sign, span
    if months:
        yield 1, (MONTH, months[0][1], months[-1][2])


def _signed_months(asked: Range, today: datetime) -> Iterator[tuple[int, Span]]:
    for start, end in Range(asked.name, asked.start, asked.end, MONTH).parts():
        first = start.replace(day=1)
        next_first = (first + 31 * _DAY).replace(day=1)
        others = [(first, start), (end, next_first)]
        rest = sum((min(b, today) - a for a, b in others if a < min(b, today)), timedelta())
        if rest >= end - start:
            yield 1, _span(DAY, start, end)
            continue
        yield 1, _span(MONTH, start, end)
        for a, b in others:
            if a < b:
                yield -1, _span(DAY, a, b)


def _span(grain: str, start: datetime, end: datetime) -> Span:
    length = TEXTS[grain]
    last = end - timedelta(microseconds=1)
    return grain, start.isoformat()[:length], last.isoformat()[:length]
