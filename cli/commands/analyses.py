"""`thamesthrive stats explore|funnel|retention`: questions of one's own, answered from the rows."""

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from collector import store
from collector.printable import csv_lines
from collector.store import analyses, cohorts, funnels, saved_reports
from collector.store import explore as exploring
from collector.store.json_values import NAMES
from collector.store.moments import length_text

from ..errors import Usage
from ..output import data, delayed_progress, note, show, table
from .options import (
    DbOption,
    JsonOption,
    complete_sources,
    open_database,
    open_readonly,
    require_source,
)
from .report import cell_text

STOPPED = 130  # as a shell says of a command that was interrupted

_SOURCE = Annotated[
    str, typer.Option(help="Only the source with this id.", autocompletion=complete_sources)
]
_SINCE = Annotated[
    str,
    typer.Option(
        metavar="WHEN",
        help="Only events that happened since then: a date, a time (UTC if it names no zone), or how"
        " long ago, as in 3d, 2h or 15min.",
    ),
]
_UNTIL = Annotated[str, typer.Option(metavar="WHEN", help="Only events that happened before then.")]
_WHERE = Annotated[
    list[str],
    typer.Option(
        metavar="CONDITION",
        help="Only events that meet a condition, as in 'price>10' or 'context.page.path=/'."
        f" Operators: {' '.join(store.OPERATORS)}. Can be repeated.",
    ),
]
_CSV = Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")]
_SQL = Annotated[
    bool,
    typer.Option("--sql", help="Print the SQL statement that finds the same, and do nothing else."),
]
_SAVE = Annotated[
    str, typer.Option(metavar="NAME", help="Save the question under this name as well.")
]


def _days(kind: type[analyses.Analysis]) -> Any:
    shown = f"{kind.DAYS}, unless --since or --until is given"
    return typer.Option(min=1, help="How many days, today among them.", show_default=shown)


def explore(
    types: Annotated[
        list[str], typer.Option("--type", help="Only events of this type. Can be repeated.")
    ] = [],  # noqa: B006 - Typer's way
    measure: Annotated[
        str,
        typer.Option(
            help=f"What is counted or computed: {', '.join(exploring.MEASURES)}. visitors are unique"
            " ones, without bots."
        ),
    ] = exploring.COUNT,
    of: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help=f"The numeric property that {', '.join(exploring.OF_NUMBERS)} are computed of, as in"
            " price or cart.items.",
        ),
    ] = "",
    by: Annotated[
        str,
        typer.Option(
            metavar="PATH",
            help="Group by a property, as in item, by a path in the context, as in context.page.path,"
            f" or by {', '.join(NAMES)}.",
        ),
    ] = "",
    where: _WHERE = [],  # noqa: B006
    interval: Annotated[
        str, typer.Option(help=f"Over time: by {', '.join(exploring.INTERVALS)}.")
    ] = "",
    limit: Annotated[
        int,
        typer.Option(
            "--limit", "-n", min=1, max=exploring.MAX_GROUPS,
            help="How many groups; all others are one row, (other).",
        ),
    ] = 10,
    source: _SOURCE = "",
    days: Annotated[int | None, _days(analyses.Explore)] = None,
    since: _SINCE = "",
    until: _UNTIL = "",
    save: _SAVE = "",
    sql: _SQL = False,
    csv: _CSV = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:  # fmt: skip
    """Counts events, visitors, or the sum, average, median or 95th percentile of a property, by
    group and over time. Numbers are exact. Times are those at which events happened, in UTC.

    Counts by type or source take milliseconds; what looks into events takes a few seconds for each
    million of them. Ctrl-C stops it.

    Examples:

    - `thamesthrive stats explore --type purchase-order --by campaign --days 2`
    - `thamesthrive stats explore --type purchase-order --measure sum --of price --interval day`
    - `thamesthrive stats explore --measure visitors --by context.page.path --where 'plan=pro' --csv`
    """
    found = analyses.Explore(
        types=tuple(types), measure=measure, of=of, by=by, where=tuple(where), interval=interval,
        limit=limit, source=source, days=days or 0, since=since, until=until,
    )  # fmt: skip
    run_analysis(found, db, save=save, sql=sql, csv=csv, as_json=as_json)


def funnel(
    steps: Annotated[
        list[str],
        typer.Argument(
            metavar="STEPS",
            help="Two or more event types in their order, * for any; with conditions if wanted, as in"
            " 'page-view where context.page.path=/cart and plan=pro'.",
        ),
    ],
    within: Annotated[
        str,
        typer.Option(metavar="LENGTH", help="From the first step to the last, as in 30min or 7d."),
    ] = "7d",
    source: _SOURCE = "",
    days: Annotated[int | None, _days(analyses.Funnel)] = None,
    since: _SINCE = "",
    until: _UNTIL = "",
    save: _SAVE = "",
    sql: _SQL = False,
    csv: _CSV = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows how many visitors took some steps one after the other, and the median time in between.

    An attempt begins with any event of the first step; each further step is the earliest event of it
    after the step before. A visitor counts by the attempt that came furthest.

    Examples:

    - `thamesthrive stats funnel page-view purchase-order`
    - `thamesthrive stats funnel 'page-view where context.page.path=/sale' purchase-order --within 1h`
    """
    found = analyses.Funnel(
        steps=tuple(steps), within=within, source=source, days=days or 0, since=since, until=until
    )
    run_analysis(found, db, save=save, sql=sql, csv=csv, as_json=as_json)


def retention(
    first: Annotated[
        str,
        typer.Option(
            metavar="STEP", help="What begins: an event type, with conditions as in a funnel."
        ),
    ] = "*",
    back: Annotated[
        str, typer.Option("--return", metavar="STEP", help="What counts as a return.")
    ] = "*",
    interval: Annotated[
        str, typer.Option(help=f"By {', '.join(cohorts.INTERVALS)}; weeks begin on Monday.")
    ] = "week",
    source: _SOURCE = "",
    days: Annotated[int | None, _days(analyses.Retention)] = None,
    since: _SINCE = "",
    until: _UNTIL = "",
    save: _SAVE = "",
    sql: _SQL = False,
    csv: _CSV = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows how many visitors returned, by the week in which they began.

    A visitor begins with the first event of all that are stored, or the first of a type, and returns
    in each later period with any event, or with one of a type.

    Examples:

    - `thamesthrive stats retention`
    - `thamesthrive stats retention --return purchase-order --interval month --days 365`
    """
    found = analyses.Retention(
        first=first, back=back, interval=interval, source=source, days=days or 0, since=since,
        until=until,
    )  # fmt: skip
    run_analysis(found, db, save=save, sql=sql, csv=csv, as_json=as_json)


def run_analysis(
    analysis: analyses.AnyAnalysis,
    db: Path | None,
    *,
    save: str = "",
    sql: bool = False,
    csv: bool = False,
    as_json: bool = False,
) -> None:
    """Prints what an analysis finds, and saves it under a name if one is given."""
    if csv and as_json:
        raise Usage("--csv and --json: choose one.")
    analysis.check()
    if sql:
        data(analysis.sql())
        return
    if save:
        with open_database(db) as database:
            saved_reports.add_saved_report(database, save, analysis)
        note(f"Saved. Run it again: thamesthrive stats saved run {save!r}")
    with open_readonly(db) as connection, stoppable(connection):
        require_source(connection, analysis.source or None)
        query = analysis.query()
        found = _KINDS[type(analysis)](connection, query)
    if csv:
        for line in csv_lines(found.columns, found.rows):
            data(line.rstrip("\r\n"))
        return
    shown = {**analysis.as_dict(), "command": analysis.command(), "sql": analysis.sql()}
    show(shown | {"rows": found.objects}, lambda: _print(found), as_json=as_json)


class _Table(NamedTuple):
    """What was found: as a table, and as objects for JSON."""

    columns: list[str]
    rows: list[list[Any]]
    objects: list[dict[str, Any]]


def _explore(connection: sqlite3.Connection, query: exploring.Query) -> _Table:
    with exploring.exploration(connection, query) as found:
        _work(found.steps(), "Exploring")
        rows = found.rows()
    has_period, has_group = bool(query.interval), bool(query.group)
    return _Table(
        ["period"] * has_period + ["group"] * has_group + [query.measure],
        [[row.period] * has_period + [row.group] * has_group + [row.value] for row in rows],
        [row._asdict() for row in rows],
    )


def _funnel(connection: sqlite3.Connection, query: funnels.FunnelQuery) -> _Table:
    with funnels.funnel(connection, query) as found:
        _work(found.steps(), "Following visitors")
        rows = found.rows()
    return _Table(
        [*funnels.FunnelRow._fields], [[*row] for row in rows], [row._asdict() for row in rows]
    )


def _retention(connection: sqlite3.Connection, query: cohorts.CohortQuery) -> _Table:
    with cohorts.retention(connection, query) as found:
        _work(found.steps(), "Following visitors")
        rows = found.rows()
    most = max((len(row.returned) for row in rows), default=0)
    return _Table(
        [query.interval, "visitors", *(str(number) for number in range(1, most + 1))],
        [
            [row.period, row.visitors, *row.returned, *[None] * (most - len(row.returned))]
            for row in rows
        ],
        [row._asdict() for row in rows],
    )


_KINDS: dict[type[Any], Callable[[sqlite3.Connection, Any], _Table]] = {
    analyses.Explore: _explore,
    analyses.Funnel: _funnel,
    analyses.Retention: _retention,
}


def _work(steps: Iterator[tuple[int, int]], what: str) -> None:
    with delayed_progress(what) as step:
        for done, total in steps:
            step(done, total)


def _print(found: _Table) -> None:
    if not found.rows:
        note("No events match. --days or --since goes back further.")
        return
    headings = {column: _HEADINGS.get(column, column.capitalize()) for column in found.columns}
    texts = ("period", "group", "step", *cohorts.INTERVALS)
    table(
        [*headings.values()],
        [
            [_cell(column, value) for column, value in zip(found.columns, row, strict=True)]
            for row in found.rows
        ],
        numbers=[heading for column, heading in headings.items() if column not in texts],
    )


_HEADINGS = {
    "count": "Events",
    "avg": "Average",
    "p95": "95th percentile",
    "of_previous": "Of previous",
    "of_first": "Of first",
    "seconds": "Median time",
}


def _cell(column: str, value: Any) -> str:
    if column == "group":
        return "(none)" if value is None else str(value) or '""'
    if value is None:
        return ""
    if column in ("of_previous", "of_first"):
        return f"{value:.1%}"
    if column == "seconds":
        return length_text(value)
    return cell_text(value)


@contextmanager
def stoppable(connection: sqlite3.Connection) -> Iterator[None]:
    """Ctrl-C ends what is read inside, even within a statement, and then the command: cleanly, with
    STOPPED as its exit code."""
    is_stopped = False

    def stop(*_: object) -> None:
        nonlocal is_stopped
        is_stopped = True

    before = signal.signal(signal.SIGINT, stop)
    # Python calls `stop` only when SQLite lets it, which is here: every so many of its steps.
    connection.set_progress_handler(lambda: int(is_stopped), 100_000)
    try:
        yield
    except sqlite3.OperationalError:
        if not is_stopped:
            raise
    finally:
        connection.set_progress_handler(None, 0)
        signal.signal(signal.SIGINT, before)
    if is_stopped:
        note("Stopped.")
        raise typer.Exit(STOPPED)
