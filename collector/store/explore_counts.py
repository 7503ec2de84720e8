"""What the rollups know of a selection: how many events, by type, by source and over time.

For use within `reports.up_to_date`.
"""

import json
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from .json_values import SOURCE, TYPE
from .reports import UNCOUNTED, counts_of
from .rollup_tables import DAY, HOUR, LENGTHS, LIVE, MONTH, OTHER
from .rows import Term
from .selection import Selection, has_scopes

PROFILES = 20_000  # of which the days are read at a time
COUNTED = (None, TYPE, SOURCE)
"""By what the rollups know counts."""

# How a period of the rollups is written as one of an interval, and the grains that may be read.
_INTERVALS = {
    None: ("''", (MONTH, DAY, HOUR)),
    "month": ("substr(period, 1, 7)", (MONTH, DAY, HOUR)),
    "week": ("date(substr(period, 1, 10), 'weekday 0', '-6 days')", (DAY, HOUR)),
    "day": ("substr(period, 1, 10)", (DAY, HOUR)),
    "hour": ("period", (HOUR,)),
}
_NAMES = {
    None: "''",
    TYPE: "'=' || value",
    SOURCE: "'=' || (SELECT id FROM source_keys k WHERE k.key = source)",
}


def has_hours(selection: Selection) -> bool:
    """Whether the rollups count this: whole hours, and no conditions."""
    times = (selection.since, selection.until)
    return not selection.where and all(time is None or time[13:] == ":00:00.000Z" for time in times)


def knows_visitors(connection: sqlite3.Connection, selection: Selection) -> bool:
    """Whether the rollups know these visitors: whole days, of all types, and no id twice."""
    times = (selection.since, selection.until)
    return (
        not selection.types
        and not selection.where
        and all(time is None or time[10:] == "T00:00:00.000Z" for time in times)
        and not has_scopes(connection)
    )


def slices(connection: sqlite3.Connection) -> Iterator[tuple[int, int]]:
    """Ranges of visitors, by their keys, that together have all; the second end is excluded."""
    (last,) = connection.execute("SELECT max(key) FROM profile_rows").fetchone()
    for low in range(1, last + 1, PROFILES):
        yield low, min(last + 1, low + PROFILES)


def visitors_of(selection: Selection, low: int, high: int) -> Term:
    """A statement for `profile` and `day` of the visitors of a slice, one row or several for each,
    from the rollups and what they have not counted yet."""
    sources, values = "SELECT key FROM source_keys", list[Any]()
    if selection.sources is not None:
        sources += f" WHERE id IN ({', '.join('?' * len(selection.sources))})"
        values += selection.sources
    where = f"source IN ({sources}) AND profile >= ? AND profile < ?"
    values += [low, high]
    for test, time in (("{0} >= ?", selection.since), ("{0} < ?", selection.until)):
        if time is not None:
            where += f" AND {test}"
            values.append(time[:10])
    day = "substr(hour, 1, 10)"
    return (
        f"SELECT profile, day FROM {LIVE.visitors} WHERE {where.format('day')}"
        f" UNION ALL SELECT profile, {day} FROM {UNCOUNTED}_hours"
        f" WHERE {where.format(day)} AND events > 0",
        [*values, *values],
    )


def counted_visitors(selection: Selection, interval: str | None, low: int, high: int) -> Term:
    """A statement for what an Exploration keeps of a slice: period, no name, 0, how many visitors,
    0, 0."""
    text, values = visitors_of(selection, low, high)
    period = _INTERVALS[interval][0].replace("period", "day")
    return (
        f"SELECT {period} AS of, '', 0, count(DISTINCT profile), 0, 0 FROM ({text}) WHERE 1"
        " GROUP BY 1",
        values,
    )


def knows_types(connection: sqlite3.Connection, selection: Selection, interval: str | None) -> bool:
    """Whether the rollups count each type by its name here. Of a period with more than a thousand
    of them, some are counted together."""
    text, values = _found(selection, interval)
    (is_unknown,) = connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM {text} WHERE value = '{OTHER}')", values
    ).fetchone()
    return not is_unknown


def counted(
    connection: sqlite3.Connection, selection: Selection, interval: str | None, group: str | None
) -> Term:
    """A statement for what an Exploration keeps: period, name, 0, how many, 0, 0."""
    text, values = _found(selection, interval)
    types = json.dumps(selection.types)
    return (
        f"SELECT {_INTERVALS[interval][0]} AS of, {_NAMES[group]} AS name, 0, sum(count), 0, 0"
        f" FROM {text} WHERE (? = '[]' OR value IN (SELECT value FROM json_each(?)))"
        " GROUP BY 1, 2 HAVING sum(count) > 0",
        [*values, types, types],
    )


def _found(selection: Selection, interval: str | None) -> Term:
    """The counts of some sources within a time, of all types, to select from."""
    sources = "SELECT key FROM source_keys"
    values: list[str] = []
    if selection.sources is not None:
        sources += " WHERE id IN (SELECT value FROM json_each(?))"
        values.append(json.dumps(selection.sources))
    ends = (_time(selection.since), _time(selection.until))
    tables = [
        counts_of(f"source IN ({sources}) AND kind = 'types' AND grain = '{grain}' AND {test}")
        for grain, test in _parts(*ends, _INTERVALS[interval][1])
    ] or [counts_of("0")]
    marks = "".join(tables).count("?")
    return f"({' UNION ALL '.join(f'SELECT * FROM {one}' for one in tables)})", values * marks


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text).astimezone(UTC)


def _parts(
    since: datetime | None, until: datetime | None, grains: tuple[str, ...]
) -> Iterator[tuple[str, str]]:
    """A time as periods of the first grain that lie in it wholly, and what is left as those of the
    others: the grain, and a test of `period`."""
    if since is not None and until is not None and since >= until:
        return
    grain, *finer = grains
    first = None if since is None else _up(since, grain)
    last = None if until is None else _down(until, grain)
    if first is not None and last is not None and first >= last and finer:
        yield from _parts(since, until, tuple(finer))
        return
    length = LENGTHS[grain]
    tests = ["1"]
    if first is not None:
        tests.append(f"period >= '{first.isoformat()[:length]}'")
    if last is not None:
        tests.append(f"period < '{last.isoformat()[:length]}'")
    yield grain, " AND ".join(tests)
    if finer:
        if since is not None:
            yield from _parts(since, first, tuple(finer))
        if until is not None:
            yield from _parts(last, until, tuple(finer))


def _down(at: datetime, grain: str) -> datetime:
    at = at.replace(minute=0, second=0, microsecond=0)
    if grain == HOUR:
        return at
    return at.replace(hour=0) if grain == DAY else at.replace(hour=0, day=1)


def _up(at: datetime, grain: str) -> datetime:
    low = _down(at, grain)
    if low == at:
        return at
    length = timedelta(days=31 if grain == MONTH else 1, hours=grain == HOUR)
    return _down(low + length, grain)
