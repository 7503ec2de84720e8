"""`thamesthrive events …`: what is stored."""

import json
import time
from typing import Annotated

import typer

from collector.settings import load_settings
from collector.store import StoredEvent, connect_readonly, list_events

from ..errors import Missing
from ..output import data, json_data, note, table
from .options import DbOption, JsonOption

app = typer.Typer(no_args_is_help=True, help="Stored events.")

POLL = 0.2  # seconds between looks at the database


@app.command("list")
def list_(
    type_: Annotated[str | None, typer.Option("--type", help="Only events of this type.")] = None,
    source: Annotated[str | None, typer.Option(help="Only events of this source id.")] = None,
    session: Annotated[str | None, typer.Option(help="Only events of this session id.")] = None,
    limit: Annotated[int, typer.Option("--limit", "-n", min=1, help="How many, counted from the latest.")] = 20,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new ones as they arrive, until Ctrl-C.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists the latest events, in the order they were stored.

    With --json: an array; with --follow as well: one JSON object a line.

    Example: `thamesthrive events list --type purchase-order -n 5`
    """
    path = load_settings({"db": db}).db
    if not path.exists():
        raise Missing(f"There is no database {path}. Start the collector first: thamesthrive serve")
    connection = connect_readonly(path)
    found = list(list_events(connection, type=type_, source_id=source, session_id=session, limit=limit))
    if not follow:
        _show(found, as_json)
        return
    last = 0
    while True:
        for event in found:
            data(json.dumps(event.as_dict(), ensure_ascii=False) if as_json else line(event))
            last = event.seq
        time.sleep(POLL)
        found = list(list_events(connection, type=type_, source_id=source, session_id=session, after=last, limit=1000))


def line(event: StoredEvent) -> str:
    """One event as one line: when it was stored, its type, its properties."""
    return f"{event.received_at[11:23]}  {event.type:<20}  {json.dumps(event.properties, ensure_ascii=False)}"


def _show(events: list[StoredEvent], as_json: bool) -> None:
    if as_json:
        json_data([event.as_dict() for event in events])
    elif not events:
        note("No events. They appear here as soon as a page with the snippet sends some.")
    else:
        table(
            ["received", "type", "source", "session", "properties"],
            [
                [
                    e.received_at,
                    e.type,
                    e.source_id[:8],
                    (e.session_id or "")[:13],
                    json.dumps(e.properties, ensure_ascii=False),
                ]
                for e in events
            ],
        )
