"""`thamesthrive report …`: what was stored and rejected, counted."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collector import store
from collector.errors import NotFound
from collector.store import reports

from ..errors import Usage
from ..output import note, show, show_list, table
from .options import DbOption, JsonOption, complete_sources, open_readonly

if TYPE_CHECKING:
    import sqlite3

app = typer.Typer(
    no_args_is_help=True,
    help="What was stored and rejected, counted. Days and hours are in UTC.\n\nExamples:\n\n"
    "- `thamesthrive report visits`",
)

_UNKNOWN = {"referrers": "(direct)", "campaigns": "(none)"}  # the value that is not known

NO_SOURCE = "There is no event source yet. `thamesthrive source add NAME` creates one."

Rows = list[dict[str, Any]]
Report = Callable[
    ..., Iterable[dict[str, Any]]
]  # connection, source id, grain, first and last period

SourceOption = Annotated[
    str | None,
    typer.Option(
        "--source",
        autocompletion=complete_sources,
        help="The source's id. It may be left out where there is one source only.",
    ),
]
DaysOption = Annotated[
    int, typer.Option(min=1, max=reports.MAX_DAYS, help="How many days, today among them.")
]
ByOption = Annotated[str, typer.Option("--by", help="The length of a period: hour, day or month.")]


@contextmanager
def _reading(db: Path | None, source: str | None) -> "Iterator[tuple[sqlite3.Connection, str]]":
    """A database at one moment, and the source that is reported. Raises Usage, NotFound."""
    with open_readonly(db) as connection, reports.up_to_date(connection):
        known = [source_id for source_id, _ in chosen_sources(connection, source)]
        if len(known) != 1:
            raise Usage(
                "Name a source with --source. `thamesthrive source list` lists them."
                if known
                else NO_SOURCE
            )
        yield connection, known[0]


def chosen_sources(connection: "sqlite3.Connection", source: str | None) -> list[tuple[str, str]]:
    """Id and name of the source that was named, or else of all. Raises NotFound."""
    known = store.source_names(connection)
    found = [(id_, name) for id_, name in known if source in (None, id_)]
    if source is not None and not found:
        raise NotFound(
            f"There is no event source {source!r}. `thamesthrive source list` lists them."
        )
    return found


def _columns(**headings: str) -> dict[str, Any]:
    """Columns of a table of dicts: headings, and the keys that they stand for."""
    return {heading: lambda row, key=key: cell_text(row[key]) for key, heading in headings.items()}


def cell_text(value: Any) -> str:
    """A value in a table: numbers with separators."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.6f}".rstrip("0").rstrip(".")
    return f"{value:,}" if isinstance(value, int) else str(value)


def visitors_text(total: dict[str, Any]) -> str:
    """The visitors of several days; `about` before a number that was not counted one by one."""
    return ("" if total["exact"] else "about ") + cell_text(total["visitors"])


def heading_of(kind: str) -> str:
    """The heading of a column of values of a kind."""
    return kind.removesuffix("s").replace("_", " ").capitalize()


def value_text(kind: str, value: str) -> str:
    """A value of a kind; what is not known has a name."""
    return value or _UNKNOWN.get(kind, "(unknown)")


def _by_period(read: Report, db: Path | None, source: str | None, by: str, days: int) -> Rows:
    """A report of the last days by periods of a length. Raises Usage, NotFound."""
    if by not in reports.GRAINS:
        raise Usage(f"--by must be one of {', '.join(reports.GRAINS)}.")
    with _reading(db, source) as (connection, source_id):
        return [*read(connection, source_id, by, *reports.last_periods(by, days))]


@app.command()
def events(
    source: SourceOption = None,
    by: ByOption = "day",
    days: DaysOption = 7,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows how many events of each type were stored in each hour, day or month.

    Events count in the period in which they happened. Bots are among them, and have a column.

    Examples:

    - `thamesthrive report events --by hour --days 1`
    - `thamesthrive report events --by month --days 365 --json`
    """
    show_list(
        _by_period(reports.events_over_time, db, source, by, days),
        _columns(period=by.capitalize(), type="Type", events="Events", bots="Bots"),
        empty=f"No events in the last {days} days.",
        numbers=("Events", "Bots"),
        as_json=as_json,
    )


@app.command()
def visits(
    source: SourceOption = None,
    days: DaysOption = 7,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows visitors, sessions and page-views of each day, and the visitors of all days together.

    Bots are left out. A session belongs to the day of its first event.

    Examples:

    - `thamesthrive report visits --days 30`
    """
    with _reading(db, source) as (connection, source_id):
        range_ = reports.last_days(days)
        found = reports.visits_over_time(connection, source_id, *range_)
        total = reports.visitors_between(connection, source_id, *range_)

    def for_people() -> None:
        if not found:
            note(f"No visits in the last {days} days.")
            return
        headings = ("Day", "Visitors", "Sessions", "Page-views")
        keys = ("day", "visitors", "sessions", "page_views")
        table(
            headings, [[cell_text(row[key]) for key in keys] for row in found], numbers=headings[1:]
        )
        number = visitors_text(total)
        if not total["exact"]:
            number += f" (± {total['error']:.1%})"
        note(f"Together: {number} visitor{'' if number == '1' else 's'}.")

    show({"days": found, "total": total}, for_people, as_json=as_json)


@app.command()
def top(
    kind: Annotated[str, typer.Argument(help=f"One of {', '.join(store.KINDS)}.")],
    source: SourceOption = None,
    days: DaysOption = 7,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many.")] = 10,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows the most frequent pages, referrers, campaigns and so on.

    Types and pages are counted by events, everything else by sessions, bots left out.

    Examples:

    - `thamesthrive report top pages`
    - `thamesthrive report top referrers --days 365 -n 20`
    """
    if kind not in store.KINDS:
        raise Usage(f"{kind!r} cannot be counted. Choose from {', '.join(store.KINDS)}.")
    with _reading(db, source) as (connection, source_id):
        found = reports.most_frequent(
            connection, source_id, kind, *reports.last_days(days), limit=limit
        )
    show_list(
        found,
        {
            heading_of(kind): lambda row: value_text(kind, row["value"]),
            "Count": lambda row: cell_text(row["count"]),
        },
        empty=f"Nothing in the last {days} days.",
        numbers=("Count",),
        as_json=as_json,
    )


@app.command()
def rejected(
    source: SourceOption = None,
    by: ByOption = "day",
    days: DaysOption = 7,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows how many events were rejected, by reason and type.

    Examples:

    - `thamesthrive report rejected --by hour --days 1`
    """
    show_list(
        _by_period(reports.rejections, db, source, by, days),
        _columns(period=by.capitalize(), reason="Reason", type="Type", events="Events"),
        empty=f"No event was rejected in the last {days} days.",
        numbers=("Events",),
        as_json=as_json,
    )


@app.command()
def numbers(
    source: SourceOption = None,
    days: DaysOption = 7,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows count, sum, least and largest of the numeric properties that the source names.

    `thamesthrive source set ID --number purchase-order:price` names one. It is counted from then
    on; `thamesthrive db rollups rebuild` counts what came before.

    Examples:

    - `thamesthrive report numbers --days 30`
    """
    with _reading(db, source) as (connection, source_id):
        found = reports.numbers(connection, source_id, *reports.last_days(days))
    show_list(
        found,
        _columns(
            type="Type", property="Property", count="Count", sum="Sum", min="Least", max="Largest"
        ),
        empty="This source names no numbers. `thamesthrive source set ID --number TYPE:PROPERTY`"
        " names one.",
        numbers=("Count", "Sum", "Least", "Largest"),
        as_json=as_json,
    )
