"""What charts show: counts by hour, day and month, the most frequent values, visitors.

All of it comes from the rollups and the few events that they have not counted yet, in one snapshot,
so it equals a count over the rows at that moment. Days are UTC, and both ends of a range are in it.
"""

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from ..errors import StoreError
from ..event.visit import DECIMALS
from .connection import snapshot
from .events import last_seq, list_events
from .keys import source_key
from .rollup_changes import Changes, change_facts, changes_between, numbers_wanted
from .rollup_tables import DAY, HOUR, LENGTHS, LIVE, MONTH, OTHER, RETURNS
from .rollup_visits import Visit, known_visits
from .rollups import mark_of
from .rows import insert_rows

GRAINS = tuple(LENGTHS)
MAX_DAYS = 3660  # of a report
# More would take a reader longer than a chart may.
MAX_UNCOUNTED = 100_000
OVERVIEW = ("types", "pages", "referrers", "campaigns")  # whose most frequent values it has
UNCOUNTED = "temp.uncounted"  # what is after the mark, in `up_to_date`


class NotCounted(StoreError):
    """The rollups are far behind the events: they are being made."""


@contextmanager
def up_to_date(connection: sqlite3.Connection) -> Iterator[None]:
    """Reports read inside see the database as it is now. Raises NotCounted."""
    with snapshot(connection):
        mark, last = mark_of(connection) or 0, last_seq(connection)
        if last - mark > MAX_UNCOUNTED:
            raise NotCounted(
                f"The charts are being prepared: {mark:,} of {last:,} events are counted."
                " A running collector counts the rest in its quiet moments;"
                " `thamesthrive db rollups rebuild` counts them at once."
            )
        changes = changes_between(connection, mark, last)
        change_facts(connection, changes)
        _keep(connection, changes)
        yield


def last_periods(grain: str, days: int) -> tuple[str, str]:
    """The first and the last period of the last days: 24 hours for each of them, or the days with
    today, or their months."""
    now = datetime.now(UTC)
    back = timedelta(hours=24 * days - 1) if grain == HOUR else timedelta(days=days - 1)
    length = LENGTHS[grain]
    return (now - back).isoformat()[:length], now.isoformat()[:length]


def last_days(days: int) -> tuple[date, date]:
    """The first and the last of the last days, today among them."""
    today = datetime.now(UTC).date()
    return today - timedelta(days=days - 1), today


def _keep(connection: sqlite3.Connection, changes: Changes) -> None:
    """Puts what is not in the rollups into tables of this connection."""
    for table, columns in (
        (UNCOUNTED, "source, kind, grain, period, value, count, bots"),
        (f"{UNCOUNTED}_visits", f"session INTEGER PRIMARY KEY, {', '.join(Visit._fields)}"),
        (f"{UNCOUNTED}_hours", "source, hour, session, profile, events, page_views"),
        (f"{UNCOUNTED}_numbers", "number, day, value, count, sum"),
    ):
        connection.execute(f"DROP TABLE IF EXISTS {table}")
        connection.execute(f"CREATE TABLE {table} ({columns})")
    insert_rows(
        connection,
        f"INSERT INTO {UNCOUNTED}",
        [(*key, *counts) for key, counts in changes.counts().items()],
    )
    # All visits of uncounted events, also those that these leave as they were counted.
    same = {session for _, _, session in changes.hours if session not in changes.visits}
    visits = {**known_visits(connection, LIVE, same), **changes.visits}
    insert_rows(
        connection,
        f"INSERT INTO {UNCOUNTED}_visits",
        [(session, *visit) for session, visit in visits.items() if visit],
    )
    insert_rows(
        connection,
        f"INSERT INTO {UNCOUNTED}_hours",
        [(*key, *values) for key, values in changes.hours.items()],
    )
    insert_rows(
        connection,
        f"INSERT INTO {UNCOUNTED}_numbers",
        [(number, day, value, count, 0) for (number, day, value), count in changes.values.items()]
        + [(number, day, None, 0, str(total)) for (number, day), total in changes.sums.items()],
    )


def counts_of(where: str) -> str:
    """A subquery of all counts that match, on both sides of the mark. `where`: a test of columns of
    the rollups' counts."""
    return f"(SELECT * FROM {LIVE.counts} WHERE {where} UNION ALL SELECT * FROM {UNCOUNTED} WHERE {where})"


_RANGE = "source = ?1 AND kind = ?2 AND grain = ?3 AND period BETWEEN ?4 AND ?5"


def events_over_time(
    connection: sqlite3.Connection, source_id: str, grain: str, first: str, last: str
) -> Iterator[dict[str, Any]]:
    """Events by type in each hour, day or month: `period`, `type`, `events`, `bots`.

    `first` and `last`: periods, as in `2026-11-27T09`, `2026-11-27` or `2026-11`.
    """
    rows = connection.execute(
        f"SELECT period, value, sum(count), sum(bots) FROM {counts_of(_RANGE)}"
        " GROUP BY 1, 2 HAVING sum(count) > 0 ORDER BY 1, 3 DESC, 2",
        (source_key(connection, source_id), "types", grain, first, last),
    )
    names = ("period", "type", "events", "bots")
    for row in rows:
        yield dict(zip(names, row, strict=True))


def event_totals(
    connection: sqlite3.Connection, source_id: str, grain: str, first: str, last: str
) -> dict[str, int]:
    """Events of all types in each hour, day or month that has any. See `events_over_time`."""
    rows = connection.execute(
        f"SELECT period, sum(count) FROM {counts_of(_RANGE)} GROUP BY 1 HAVING sum(count) > 0",
        (source_key(connection, source_id), "types", grain, first, last),
    )
    return dict(rows)


def visits_over_time(
    connection: sqlite3.Connection, source_id: str, first: date, last: date
) -> list[dict[str, Any]]:
    """Visitors, sessions and page-views of each day that has any: `day`, `visitors`, `sessions`,
    `page_views`."""
    days: dict[str, dict[str, Any]] = {}
    for kind in ("visitors", "sessions", "pages"):
        for day, count in connection.execute(
            f"SELECT period, sum(count) FROM {counts_of(_RANGE)} GROUP BY 1",
            (source_key(connection, source_id), kind, DAY, first.isoformat(), last.isoformat()),
        ):
            found = days.setdefault(day, {"day": day, "visitors": 0, "sessions": 0, "pages": 0})
            found[kind] = count
    return [
        {
            "day": day["day"],
            "visitors": day["visitors"],
            "sessions": day["sessions"],
            "page_views": day["pages"],
        }
        for _, day in sorted(days.items())
        if any(day[kind] for kind in ("visitors", "sessions", "pages"))
    ]


def visitors_between(
    connection: sqlite3.Connection, source_id: str, first: date, last: date
) -> dict[str, Any]:
    """How many visitors came within some days, each counted once: `visitors`, `exact`, which is
    true, and `error`, which is 0."""
    found = count_visitors(connection, [source_key(connection, source_id)], first, last)
    return {"visitors": found, "exact": True, "error": 0.0}


def count_visitors(
    connection: sqlite3.Connection, sources: Sequence[int], first: date, last: date
) -> int:
    """How many visitors of these sources (keys) came within some days. Each counts once in each of
    the sources."""
    # A look at each day: of its visitors, most had come within the range, and are not read.
    (found,) = connection.execute(
        f"""WITH RECURSIVE days (day) AS
            (SELECT ?2 UNION ALL SELECT date(day, '+1 day') FROM days WHERE day < ?3)
        SELECT (SELECT coalesce(sum(c.count), 0) FROM json_each(?1) s CROSS JOIN days d
                CROSS JOIN {LIVE.counts} c ON c.source = s.value AND c.kind = '{RETURNS}'
                    AND c.grain = '{DAY}' AND c.period = d.day AND c.value < ?2)
            + (SELECT coalesce(sum(count), 0) FROM {UNCOUNTED} WHERE kind = '{RETURNS}'
                AND source IN (SELECT value FROM json_each(?1)) AND period BETWEEN ?2 AND ?3
                AND value < ?2)""",
        (json.dumps([*sources]), first.isoformat(), last.isoformat()),
    ).fetchone()
    return int(found)


def most_frequent(
    connection: sqlite3.Connection,
    source_id: str,
    kind: str,
    first: date,
    last: date,
    limit: int = 10,
) -> list[dict[str, Any]]:
    """The most frequent values of a kind (see KINDS) within some days: `value`, `count`.

    The empty value stands for what is not known: no referrer, no campaign. OTHER stands for values
    beyond the 5,000 that are counted by name in each day or month; it is the last.
    """
    source = source_key(connection, source_id)
    parts, values = [], []
    for grain, start, end in _split(first, last):
        parts.append(
            counts_of(f"source = {source} AND kind = ? AND grain = ? AND period BETWEEN ? AND ?")
        )
        values += [kind, grain, start, end] * 2
    union = " UNION ALL ".join(f"SELECT value, count FROM {part}" for part in parts)
    rows = connection.execute(
        f"SELECT value, sum(count) FROM ({union}) GROUP BY 1 HAVING sum(count) > 0"
        " ORDER BY value = ?, 2 DESC, 1 LIMIT ?",
        (*values, OTHER, limit),
    )
    return [{"value": value, "count": count} for value, count in rows]


def _split(first: date, last: date) -> list[tuple[str, str, str]]:
    """A range as whole months, and the days before and after them: grain, first and last period."""
    start = first if first.day == 1 else _next_month(first)
    end = last if (last + timedelta(days=1)).day == 1 else last.replace(day=1) - timedelta(days=1)
    if start > end:
        return [(DAY, first.isoformat(), last.isoformat())]
    parts = [(MONTH, start.isoformat()[:7], end.isoformat()[:7])]
    if first < start:
        parts.append((DAY, first.isoformat(), (start - timedelta(days=1)).isoformat()))
    if end < last:
        parts.append((DAY, (end + timedelta(days=1)).isoformat(), last.isoformat()))
    return parts


def _next_month(day: date) -> date:
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def overview(
    connection: sqlite3.Connection, source_id: str, first: date, last: date, limit: int
) -> dict[str, Any]:
    """What came in within some days, at a glance.

    `last_event_at`: when the latest event of all was received, None if there is none. `days`: each
    with `day`, `events`, `bots` (events that bots sent), `visitors`, `sessions`, `page_views`.
    `total`: the same of all days together, each visitor counted once; `exact` and `error` as in
    `visitors_between`. `top`: for each of OVERVIEW the most frequent values, at most `limit`.
    """
    dates = [(first + timedelta(days=n)).isoformat() for n in range((last - first).days + 1)]
    numbers = ("events", "bots", "visitors", "sessions", "page_views")
    days: dict[str, dict[str, Any]] = {day: dict.fromkeys(numbers, 0) for day in dates}
    for row in events_over_time(connection, source_id, DAY, dates[0], dates[-1]):
        days[row["period"]]["events"] += row["events"]
        days[row["period"]]["bots"] += row["bots"]
    for row in visits_over_time(connection, source_id, first, last):
        days[row["day"]] |= row
    total = {name: sum(day[name] for day in days.values()) for name in numbers}
    latest = list_events(connection, source_id=source_id, limit=1)
    return {
        "last_event_at": latest[0].received_at if latest else None,
        "days": [{"day": day, **counts} for day, counts in days.items()],
        "total": {**total, **visitors_between(connection, source_id, first, last)},
        "top": {
            kind: most_frequent(connection, source_id, kind, first, last, limit)
            for kind in OVERVIEW
        },
    }


def rejections(
    connection: sqlite3.Connection, source_id: str, grain: str, first: str, last: str
) -> Iterator[dict[str, Any]]:
    """Rejected events by reason and type in each period: `period`, `reason`, `type`, `events`.

    They are counted when they come, by the hour of their arrival, and stay counted when the rows of
    `rejected` are removed for their number or age; forgotten and replayed ones do not.
    """
    length = LENGTHS[grain]
    rows = connection.execute(
        f"""SELECT substr(hour, 1, {length}), reason, type, sum(events) FROM rejected_hours
        WHERE source = ? AND hour BETWEEN ? AND ? || 'U' GROUP BY 1, 2, 3
        ORDER BY 1, 4 DESC, 2, 3""",
        (source_key(connection, source_id), first, last),
    )
    names = ("period", "reason", "type", "events")
    for row in rows:
        yield dict(zip(names, row, strict=True))


def numbers(
    connection: sqlite3.Connection, source_id: str, first: date, last: date
) -> list[dict[str, Any]]:
    """The numbers that a source's owner has counted: `type`, `property`, `count`, `sum`, `min`,
    `max`, `since`: the number of the event after which it is counted."""
    found = []
    source = source_key(connection, source_id)
    days = (first.isoformat(), last.isoformat())
    mark = mark_of(connection) or 0
    for key, of_source, kind, name, since in numbers_wanted(connection, LIVE, mark):
        if of_source != source:
            continue
        count, total = 0, Decimal(0)
        for number, millionths in connection.execute(
            f"""SELECT count, sum FROM {LIVE.number_days} WHERE number = ?1
                AND day BETWEEN ?2 AND ?3
            UNION ALL SELECT count, sum FROM {UNCOUNTED}_numbers WHERE number = ?1
                AND day BETWEEN ?2 AND ?3""",
            (key, *days),
        ):
            count += number
            total += Decimal(millionths).scaleb(-DECIMALS)
        least, largest = connection.execute(
            f"""SELECT min(low), max(high) FROM (
                SELECT (SELECT min(value) FROM {LIVE.number_values} v
                        WHERE v.number = d.number AND v.day = d.day) AS low,
                    (SELECT max(value) FROM {LIVE.number_values} v
                        WHERE v.number = d.number AND v.day = d.day) AS high
                FROM {LIVE.number_days} d WHERE d.number = ?1 AND d.day BETWEEN ?2 AND ?3
                UNION ALL SELECT value, value FROM {UNCOUNTED}_numbers
                WHERE number = ?1 AND day BETWEEN ?2 AND ?3 AND value IS NOT NULL)""",
            (key, *days),
        ).fetchone()
        found.append(
            {
                "type": kind,
                "property": name,
                "count": count,
                "sum": float(total),
                "min": least,
                "max": largest,
                "since": since,
            }
        )
    return found
