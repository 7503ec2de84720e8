"""Answers as pages and files show them: tables, and what charts are drawn from."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any

from ..store.analyses import AnyAnalysis, Explore, Funnel, Retention
from ..store.cohorts import Cohort, retention
from ..store.explore import COUNT, SUM, VISITORS, Row, exploration
from ..store.funnels import FunnelRow, funnel
from ..store.moments import length_text
from .rendering import NONE, number, percent

MAX_ROWS = 500  # of a table; the file has all
MAX_COLUMNS = 20  # groups beside each other
MAX_LINES = 5  # of a chart
MAX_POINTS = 2000  # of a line
SHADES = 8  # of retention

BEGIN: dict[type[Any], Callable[..., Any]] = {
    Explore: exploration,
    Funnel: funnel,
    Retention: retention,
}
"""What answers each kind of question."""

ADDITIVE = (COUNT, SUM)  # a visitor may be in several groups and periods
NAMES = {
    COUNT: "Events",
    VISITORS: "Visitors",
    SUM: "Sum",
    "avg": "Average",
    "median": "Median",
    "p95": "95th percentile",
}


@dataclass(frozen=True)
class Cell:
    """A cell of a table. `part`: of 1, for a bar behind it; `shade`: from 0 to SHADES."""

    text: str
    part: float | None = None
    shade: int | None = None


@dataclass
class Table:
    """A table, and what its chart is drawn from. `texts`: how many columns are no numbers. `left`:
    how many rows it has not. `total`: of the columns of numbers, where a sum says something. `columns` and
    `raw`: what a file has."""

    headings: list[str]
    rows: list[list[Cell]]
    texts: int = 1
    left: int = 0
    title: str = ""
    total: list[str] = field(default_factory=list)
    chart: dict[str, Any] | None = None
    raw: list[list[Any]] = field(default_factory=list)
    columns: list[str] = field(default_factory=list)


def table_of(analysis: AnyAnalysis, rows: Sequence[Any]) -> Table:
    """What has been found so far, as a table."""
    if isinstance(analysis, Explore):
        return _explored(analysis, rows)
    return _funnel(rows) if isinstance(analysis, Funnel) else _retention(analysis, rows)


def _explored(analysis: Explore, rows: Sequence[Row]) -> Table:
    value = NAMES[analysis.measure] + (f" of {analysis.of}" if analysis.of else "")
    raw = [
        [row.period] * bool(analysis.interval) + [row.group] * bool(analysis.by) + [row.value]
        for row in rows
    ]
    columns = ["period"] * bool(analysis.interval) + ["group"] * bool(analysis.by)
    columns.append(analysis.measure)
    if analysis.interval and analysis.by and analysis.limit <= MAX_COLUMNS:
        table = _crossed(analysis, rows)
    else:
        table = _listed(analysis, rows, value)
    table.chart = _chart(analysis, rows, value)
    table.title, table.raw, table.columns = value, raw, columns
    return table


def _crossed(analysis: Explore, rows: Sequence[Row]) -> Table:
    """A row for each period, and a column for each group."""
    sums: dict[str, float] = {}
    for row in rows:
        name = _column(row)
        sums[name] = sums.get(name, 0.0) + (0.0 if row.is_other else abs(row.value) + 1e-9)
    places = {name: place for place, name in enumerate(sorted(sums, key=lambda one: -sums[one]))}
    periods: dict[str, list[Cell]] = {}
    totals = [0.0] * len(places)
    for row in rows:
        totals[places[_column(row)]] += row.value
        cells = periods.setdefault(str(row.period), [Cell(NONE)] * len(places))
        cells[places[_column(row)]] = Cell(number(row.value))
    table = [[Cell(period), *cells] for period, cells in periods.items()]
    return Table(
        [analysis.interval.capitalize(), *(name[1:] for name in places)],
        table[:MAX_ROWS],
        left=max(0, len(table) - MAX_ROWS),
        total=[number(total) for total in totals] if analysis.measure in ADDITIVE else [],
    )


def _column(row: Row) -> str:
    """What tells a group from another that looks like it."""
    kind = "o" if row.is_other else "n" if row.group is None else "v"
    return kind + group_text(row)


def _listed(analysis: Explore, rows: Sequence[Row], value: str) -> Table:
    """A row for each number."""
    headings = [analysis.interval.capitalize()] * bool(analysis.interval)
    headings += [analysis.by] * bool(analysis.by)
    top = max((row.value for row in rows if not row.is_other), default=0)
    cells = [
        [Cell(row.period or "")] * bool(analysis.interval)
        + [Cell(group_text(row))] * bool(analysis.by)
        + [Cell(number(row.value), _bar(row, top))]
        for row in rows[:MAX_ROWS]
    ]
    is_summed = headings and rows and analysis.measure in ADDITIVE
    return Table(
        [*headings, value],
        cells,
        len(headings),
        max(0, len(rows) - MAX_ROWS),
        total=[number(sum(row.value for row in rows))] if is_summed else [],
    )


def _bar(row: Row, top: float) -> float | None:
    """How long a row's bar is. All other groups together have none: it would dwarf the others."""
    return None if row.is_other or top <= 0 else max(0.0, row.value / top)


def group_text(row: Row) -> str:
    """The name of a group; what has none is said."""
    return "(none)" if row.group is None else row.group or "(empty)"


def _chart(analysis: Explore, rows: Sequence[Row], name: str) -> dict[str, Any] | None:
    """Lines over time: of the first groups, where there are any."""
    if not analysis.interval or not rows:
        return None
    first, last = min(str(row.period) for row in rows), max(str(row.period) for row in rows)
    periods = [*_periods(first, last, analysis.interval)]
    if not 2 <= len(periods) <= MAX_POINTS:
        return None
    # A count of nothing is none; an average of nothing is not.
    missing = 0 if analysis.measure in (COUNT, VISITORS, SUM) else None
    lines: dict[str, dict[str, float]] = {}
    totals: dict[str, float] = {}
    for row in rows:
        group = group_text(row) if analysis.by else name
        lines.setdefault(group, {})[str(row.period)] = row.value
        totals[group] = totals.get(group, 0) + (0 if row.is_other else abs(row.value))
    shown = sorted(lines, key=lambda group: -totals[group])[:MAX_LINES]
    return {
        "times": [_seconds(period) for period in periods],
        "series": [
            {"name": group, "values": [lines[group].get(period, missing) for period in periods]}
            for group in shown
        ],
        "is_part": len(shown) < len(lines),
        "label": f"{name} by {analysis.interval}, from {first} to {last}",
    }


def _periods(first: str, last: str, interval: str) -> Iterator[str]:
    """All periods from the first to the last."""
    if interval == "month":
        year, month = int(first[:4]), int(first[5:7])
        while (text := f"{year:04}-{month:02}") <= last:
            yield text
            year, month = (year, month + 1) if month < 12 else (year + 1, 1)
        return
    length = timedelta(hours=interval == "hour", days={"day": 1, "week": 7}.get(interval, 0))
    at = datetime.fromisoformat(f"{first}:00" if interval == "hour" else first)
    while (text := at.isoformat()[: len(first)]) <= last:
        yield text
        at += length


def _seconds(period: str) -> int:
    text = f"{period}:00" if len(period) == 13 else f"{period}-01"[:10]
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


def _funnel(rows: Sequence[FunnelRow]) -> Table:
    return Table(
        ["Step", "Visitors", "Of the first", "Of the step before", "Median time from it"],
        [
            [
                Cell(row.step),
                Cell(number(row.visitors), row.of_first or 0.0),
                Cell(percent(row.of_first)),
                Cell(percent(row.of_previous)),
                Cell("" if row.seconds is None else length_text(row.seconds)),
            ]
            for row in rows
        ],
        raw=[[*row] for row in rows],
        columns=[*FunnelRow._fields],
        title="Visitors by the step they came to",
    )


def _retention(analysis: Retention, rows: Sequence[Cohort]) -> Table:
    most = max((len(row.returned) for row in rows), default=0)
    numbers = [str(later) for later in range(1, most + 1)]
    return Table(
        [f"Began in the {analysis.interval}", "Visitors", *numbers],
        [
            [
                Cell(row.period),
                Cell(number(row.visitors)),
                *(_returned(count, row.visitors) for count in row.returned),
            ]
            for row in rows
        ],
        raw=[[row.period, row.visitors, *row.returned] for row in rows],
        columns=[analysis.interval, "visitors", *numbers],
        title=f"Visitors who came back, by {analysis.interval}s since they began",
    )


def _returned(count: int, visitors: int) -> Cell:
    part = count / visitors
    return Cell(percent(part), None, min(SHADES, round(part * SHADES + 0.49)) if count else 0)


def today() -> str:
    """The day, in UTC, for names of files."""
    return date.isoformat(datetime.now(UTC).date())
