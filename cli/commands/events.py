"""`thamesthrive events …`: what is stored."""

import json
import signal
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from collector.store import StoredEvent, first_of_latest, iter_events, last_seq, seq_range

from ..errors import Usage
from ..export import WRITERS
from ..output import data, delayed_progress, note, progress, show, show_list
from .declared import with_options
from .event_filters import EVENT_FILTERS, filters_of, none_match
from .options import DbOption, JsonOption, LimitOption, open_readonly, require_source

app = typer.Typer(
    no_args_is_help=True,
    help="Stored events.\n\nExamples:\n\n- `thamesthrive events list --type purchase-order -n 5`",
)

NONE = "No events. They appear here as soon as a page with the snippet sends some."
FORMATS = {".ndjson": "ndjson", ".jsonl": "ndjson", ".csv": "csv", ".parquet": "parquet"}
POLL = 0.2  # seconds between looks at the database


@app.command("list")
@with_options(EVENT_FILTERS)
def list_(
    limit: LimitOption = 20,
    follow: Annotated[
        bool,
        typer.Option("--follow", "-f", help="Go on with new ones as they arrive, until Ctrl-C."),
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
    **given: Any,
) -> None:
    """Lists the latest events, in the order they were stored.

    With --json: an array; with --follow as well: one JSON object a line.

    Examples:

    - `thamesthrive events list --type purchase-order -n 5`
    - `thamesthrive events list --since 2h --where 'price>10' --where 'item=shoes'`
    - `thamesthrive events list --follow --json`
    """
    filters = filters_of(given)
    with open_readonly(db) as connection:
        require_source(connection, filters.get("source_id"))
        last = last_seq(connection)
        after, before = seq_range(connection, **filters)
        with delayed_progress("Searching") as step:
            first = first_of_latest(connection, limit, after, before, step, **filters)
        look = partial(iter_events, connection, **filters)
        if not follow:
            found = look(after=first - 1, before=before, limit=limit) if first else ()
            _show(found, as_json, empty=none_match(given) or NONE)
            return
        # Also where it was started in the background, with that ignored.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        if not first:
            what = "No events match yet" if filters else "No events yet"
            note(f"{what}. They are shown as they arrive; Ctrl-C stops.")
        last = first - 1 if first else last
        while True:
            # Up to here, so that those that do not match are not looked at again.
            latest = last_seq(connection)
            for event in look(after=last, before=latest + 1):
                data(json.dumps(event.as_dict(), ensure_ascii=False) if as_json else line(event))
            last = max(last, latest)
            time.sleep(POLL)


@app.command()
@with_options(EVENT_FILTERS)
def export(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="Where to; - is standard output (not for Parquet)."),
    ],
    format_: Annotated[
        str | None,
        typer.Option(
            "--format", help="ndjson, csv or parquet.", show_default="as the file's name says"
        ),
    ] = None,
    db: DbOption = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Say as JSON how many were written; not with standard output."),
    ] = False,
    **given: Any,
) -> None:
    """Writes all events that are stored when it begins, or those that match, to a file, in the order
    they were stored, in constant memory. Parquet needs the extra `parquet`.

    Examples:

    - `thamesthrive events export events.csv`
    - `thamesthrive events export - --type purchase-order | head -3`
    - `thamesthrive events export week.csv --since 7d --where 'price>10'`
    """
    standard = str(file) == "-"
    kind = format_ or ("ndjson" if standard else FORMATS.get(file.suffix))
    if kind is None:
        raise Usage(
            f"Which format is {str(file)!r}? Name it .ndjson, .csv or .parquet, or give --format."
        )
    if kind not in WRITERS:
        raise Usage(f"{kind!r} is not a format. Choose from {', '.join(WRITERS)}.")
    if standard and kind == "parquet":
        raise Usage("Parquet cannot be written to standard output. Name a file.")
    if not standard and not file.resolve().parent.is_dir():
        raise Usage(f"There is no folder {file.resolve().parent}.")
    write = WRITERS[kind]
    filters = filters_of(given)
    with open_readonly(db) as connection, progress("Exporting") as step:
        require_source(connection, filters.get("source_id"))
        # Those that come meanwhile would have no end.
        after, before = seq_range(connection, **filters)
        found = iter_events(connection, after=after, before=before, **filters)
        events = _counted(found, lambda seq: step(seq - after, before - 1 - after))
        if standard:
            count = write(events, sys.stdout.buffer)
        else:
            part = file.with_name(file.name + ".part")
            try:
                with part.open("wb") as out:
                    count = write(events, out)
                part.rename(file)
            finally:
                part.unlink(missing_ok=True)
    show(
        {"file": str(file), "events": count},
        lambda: note(f"{count} event{'' if count == 1 else 's'} exported."),
        as_json=as_json and not standard,
    )


def _counted(
    events: Iterable[StoredEvent], progress: Callable[[int], None]
) -> Iterator[StoredEvent]:
    """The same events; their numbers are passed on as they come."""
    for event in events:
        yield event
        progress(event.seq)


def line(event: StoredEvent) -> str:
    """One event as one line: when it was stored, its type, its properties."""
    return f"{event.received_at[11:23]}  {event.type:<20}  {json.dumps(event.properties, ensure_ascii=False)}"


def _show(events: Iterable[StoredEvent], as_json: bool, *, empty: str) -> None:
    show_list(
        events,
        {
            "received": "received_at",
            "type": "type",
            "source": "source_id",
            "session": lambda event: event.session_id or "",
            "properties": lambda event: json.dumps(event.properties, ensure_ascii=False),
        },
        empty=empty,
        whole=("received", "type"),
        as_json=as_json,
    )
