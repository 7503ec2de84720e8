"""`thamesthrive stats overview`: what the console's Overview shows."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import Annotated, Any

import typer

from collector.store import overview as overviews
from collector.store import ranges, reports
from collector.store.overview import Overview, Question
from collector.store.overview_sql import queries_of

from ..errors import Usage
from ..output import Table, data, delayed_progress, note, show, tables
from .options import DbOption, JsonOption, complete_sources, open_readonly
from .report import cell_text, chosen_sources, heading_of, value_text

_NUMBERS = {
    "visitors": "Visitors",
    "sessions": "Sessions",
    "page_views": "Page-views",
    "events": "Events",
    "views_a_visit": "Page-views a session",
    "bounce_rate": "Bounce rate",
}
_COUNTED = {"types": "Events", "pages": "Page-views"}  # everything else is counted by sessions


def overview(
    source: Annotated[
        str | None,
        typer.Option(autocompletion=complete_sources, help="Only the source with this id."),
    ] = None,
    range_: Annotated[
        str, typer.Option("--range", help=f"The time: {', '.join(ranges.NAMED)}.")
    ] = "7d",
    first: Annotated[
        str,
        typer.Option(metavar="DAY", help="The first day, as in 2026-11-27, instead of a range."),
    ] = "",
    last: Annotated[
        str, typer.Option(metavar="DAY", help="The last day; by default the first one.")
    ] = "",
    filters: Annotated[
        list[str],
        typer.Option(
            "--filter",
            metavar="NAME=VALUE",
            help="Only what has this value, as in campaign=spring; an empty value stands for what is"
            f" not known. Names: {', '.join(overviews.FILTERS)}. Can be repeated.",
        ),
    ] = [],  # noqa: B006 - Typer's way
    compare: Annotated[
        bool, typer.Option("--compare", help="Compare with the time of the same length before.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", "-n", min=1, max=10_000, help="How many of the most frequent.")
    ] = 5,
    sql: Annotated[
        bool, typer.Option("--sql", help="Print the queries that make the same numbers.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows visitors, sessions, page-views, events and bounces of a time, and where they come from
    and what they look at.

    Times are UTC. Bots' events are in none of the numbers. A bounce is a session with at most one
    page-view.

    Examples:

    - `thamesthrive stats overview --range 30d --compare`
    - `thamesthrive stats overview --filter type=purchase --filter campaign=spring`
    - `thamesthrive stats overview --first 2026-11-01 --last 2026-11-27 --json`
    """
    question = Question(_range_of(range_, first, last), None, _filters_of(filters))
    with open_readonly(db) as connection, reports.up_to_date(connection):
        if source is not None:
            ids = [source_id for source_id, _ in chosen_sources(connection, source)]
            question = replace(question, sources=ids)
        if sql:
            _print_queries(question, limit)
            return
        with delayed_progress("Counting") as step:
            answers = [question]
            if compare:
                answers.append(replace(question, range=question.range.before()))
            found = [overviews.finish(_read(connection, one, limit), step) for one in answers]
    before = found[1] if compare else None
    show(
        {**_as_json(found[0]), **({"before": _as_json(before)} if before else {})},
        lambda: _print(found[0], before),
        as_json=as_json,
    )


def _read(connection: Any, question: Question, limit: int) -> overviews.Answer:
    return overviews.read_overview(connection, question, limit=limit)


def _range_of(name: str, first: str, last: str) -> ranges.Range:
    if not first and not last:
        return ranges.named_range(name)
    try:
        days = [date.fromisoformat(day) for day in (first or last, last or first)]
    except ValueError as error:
        raise Usage("Write days as in 2026-11-27.") from error
    return ranges.custom_range(*days)


def _filters_of(texts: Sequence[str]) -> dict[str, str]:
    found = {name: value for name, _, value in (text.partition("=") for text in texts)}
    if any("=" not in text for text in texts) or set(found) - {*overviews.FILTERS}:
        raise Usage(
            "Write a filter as NAME=VALUE, as in campaign=spring. The names are"
            f" {', '.join(overviews.FILTERS)}."
        )
    if len(found) < len(texts):
        raise Usage("Each filter can be given once.")
    return found


def _as_json(found: Overview) -> dict[str, Any]:
    start, end = found.range.times
    return {
        "start": start,
        "end": end,
        **{name: getattr(found, name) for name in (*_NUMBERS, "bounces", "bots")},
        "points": [asdict(point) for point in found.points],
        "top": {
            kind: {
                "values": [{"value": value, "count": count} for value, count in top.rows],
                "rest": top.rest,
                "is_complete": top.is_complete,
            }
            for kind, top in found.tops.items()
        },
    }


def _print(found: Overview, before: Overview | None) -> None:
    if not found.events and not found.bots:
        note("Nothing in this time.")
        return
    first, last = (text[:16].replace("T", " ") for text in found.range.times)
    data(f"From {first} to {last} UTC.")
    tables([_numbers_table(found, before)])
    tables(
        Table(
            [heading_of(kind), _COUNTED.get(kind, "Sessions")],
            [
                *([value_text(kind, value), cell_text(count)] for value, count in top.rows),
                *([["All others", cell_text(top.rest)]] if top.rest else []),
            ],
            numbers=[_COUNTED.get(kind, "Sessions")],
        )
        for kind, top in found.tops.items()
        # Countries are known only if a file for them was named.
        if (any(value for value, _ in top.rows) if kind == "countries" else top.rows) or top.rest
    )
    if found.bots:
        note(
            f"\nBots sent {cell_text(found.bots)} more events, which are in none of these numbers."
        )


def _numbers_table(found: Overview, before: Overview | None) -> Table:
    columns = ["Number", "Now", *(["Before", "Change"] if before else [])]
    rows = []
    for name, heading in _NUMBERS.items():
        value = getattr(found, name)
        row = [heading, _text(name, value)]
        if before:
            earlier = getattr(before, name)
            change = f"{value / earlier - 1:+.1%}" if earlier else "-"
            row += [_text(name, earlier), change]
        rows.append(row)
    return Table(columns, rows, numbers=columns[1:])


def _text(name: str, value: float) -> str:
    return f"{value:.1%}" if name == "bounce_rate" else cell_text(round(value, 2))


def _print_queries(question: Question, limit: int) -> None:
    for name, query in queries_of(question, limit).items():
        data(f"-- {name}\n{query};\n")
