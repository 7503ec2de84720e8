"""`thamesthrive stats`: what comes in, at a glance. Its commands look closer."""

from typing import Annotated, Any

import typer

from collector.store import reports

from ..output import Table, data, note, show, tables
from .analyses import explore, funnel, retention
from .options import DbOption, JsonOption, complete_sources, open_readonly
from .overview import overview
from .report import (
    NO_SOURCE,
    DaysOption,
    cell_text,
    chosen_sources,
    heading_of,
    value_text,
    visitors_text,
)
from .saved_reports import app as saved

app = typer.Typer(invoke_without_command=True)
app.command()(overview)
app.command()(explore)
app.command()(funnel)
app.command()(retention)
app.add_typer(saved, name="saved")

_COUNTED = {"types": "Events", "pages": "Page-views"}  # everything else is counted by sessions
_NUMBERS = {
    "events": "Events",
    "visitors": "Visitors",
    "sessions": "Sessions",
    "page_views": "Page-views",
}


@app.callback()
def stats(
    context: typer.Context,
    source: Annotated[
        str | None,
        typer.Option(autocompletion=complete_sources, help="Only the source with this id."),
    ] = None,
    days: DaysOption = 7,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=1000, help="How many of the most frequent.")
    ] = 5,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows what comes in: events, visitors, sessions and page-views of each day, and the most
    frequent types, pages, referrers and campaigns, for each source.

    Days are UTC. Bots' events are among the events and types, and in nothing else. It takes
    milliseconds however many events there are; `thamesthrive report` has each part in more detail,
    and the commands below answer other questions. Their options come after their names.

    Examples:

    - `thamesthrive stats`
    - `thamesthrive stats --days 30 -n 10`
    - `thamesthrive stats --source ID --json`
    """
    if context.invoked_subcommand is not None:
        return
    with open_readonly(db) as connection, reports.up_to_date(connection):
        first, last = reports.last_days(days)
        found = [
            {
                "id": source_id,
                "name": name,
                **reports.overview(connection, source_id, first, last, limit),
            }
            for source_id, name in chosen_sources(connection, source)
        ]
    show(
        {"first": first.isoformat(), "last": last.isoformat(), "sources": found},
        lambda: _print(found, days),
        as_json=as_json,
    )


def _print(found: list[dict[str, Any]], days: int) -> None:
    if not found:
        note(NO_SOURCE)
    for number, source in enumerate(found):
        if number:
            data("")
        _print_source(source, days)
    if len(found) > 1:
        note("\nA visitor of several sources counts in each of them.")


def _print_source(source: dict[str, Any], days: int) -> None:
    label = f"{source['name']} ({source['id']})"
    if source["last_event_at"] is None:
        note(
            f"{label}: No events yet. Put the snippet into a page:"
            f" thamesthrive snippet {source['id']}"
        )
        return
    latest = f"the latest was received at {source['last_event_at'][:19].replace('T', ' ')} UTC"
    total = source["total"]
    if not total["events"]:
        note(f"{label}: No events in the last {days} days; {latest}. --days goes back further.")
        return
    data(label)
    events = f"{cell_text(total['events'])} event{'' if total['events'] == 1 else 's'}"
    data(f"{events}, {latest}.")
    tables([_days_table(source)])
    tables(_top_table(*top) for top in source["top"].items())
    if total["bots"]:
        note(
            f"\nBots sent {cell_text(total['bots'])} of these events."
            " They count as events and types only."
        )


def _days_table(source: dict[str, Any]) -> Table:
    total = {**source["total"], "visitors": visitors_text(source["total"])}
    rows = [*source["days"], {"day": "Together", **total}]
    return Table(
        ["Day", *_NUMBERS.values()],
        [[row["day"], *(cell_text(row[name]) for name in _NUMBERS)] for row in rows],
        numbers=[*_NUMBERS.values()],
    )


def _top_table(kind: str, top: list[dict[str, Any]]) -> Table:
    counted = _COUNTED.get(kind, "Sessions")
    return Table(
        [heading_of(kind), counted],
        [[value_text(kind, row["value"]), cell_text(row["count"])] for row in top],
        numbers=[counted],
    )
