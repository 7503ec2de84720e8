"""`thamesthrive schema …`: what the properties of events must be."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from collector import store

from ..errors import ProblemsFound, Usage
from ..output import data, note, show, show_list
from . import schema_plan
from .options import (
    DbOption,
    JsonOption,
    SourceArgument,
    open_database,
    open_readonly,
    require_source,
)

app = typer.Typer(
    no_args_is_help=True,
    help="JSON Schemas: what the properties of a type of event must be.\n\nExamples:\n\n- `thamesthrive schema set ID purchase-order order.schema.json`",
)

TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="The event type.")]


FileArgument = Annotated[
    Path, typer.Argument(metavar="FILE", help="JSON Schema, draft 2020-12; - reads standard input.")
]


def _read(file: Path) -> str:
    """A schema's text. Raises Usage."""
    try:
        return sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Usage(f"{file} is not UTF-8.") from error


@app.command("set")
def set_(
    source_id: SourceArgument,
    event_type: TypeArgument,
    file: FileArgument,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sets or replaces a schema. Events that fail it become rejected events; stored ones are
    kept.

    Examples:

    - `thamesthrive schema set ID purchase-order order.schema.json`
    """
    text = _read(file)
    with open_database(db) as database:
        found = store.set_schema(database, source_id, event_type, text)
    set_note = f"Events of type {found.type!r} are checked by this schema from now on."
    show(
        found,
        lambda: note(f"{set_note} To store rejected ones: thamesthrive rejected replay"),
        as_json=as_json,
    )


@app.command("try")
def try_(
    source_id: SourceArgument,
    event_type: TypeArgument,
    file: FileArgument,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", "-n", min=1, max=store.MAX_TRIED, help="How many, counted from the latest."
        ),
    ] = 100,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Tries a schema on the latest events of the type, stored and rejected ones, and stores nothing.
    Exit code 1 if stored ones would fail.

    Examples:

    - `thamesthrive schema try ID purchase-order order.schema.json`
    """
    text = _read(file)
    with open_readonly(db) as connection:
        require_source(connection, source_id)
        found = store.try_schema(connection, source_id, event_type, text, limit)
    show(found, lambda: _show_try(found, event_type), as_json=as_json)
    if found.stored_would_fail:
        raise ProblemsFound(
            f"{found.stored_would_fail} of the stored events of type {event_type!r} would be rejected."
        )


def _show_try(found: store.SchemaTry, event_type: str) -> None:
    if found.faults:
        show_list(
            found.faults,
            {
                "events": "events",
                "pointer": "pointer",
                "cause": "cause",
                "example": lambda one: f"{'event' if one.is_stored else 'rejected'} {one.seq}",
            },
            empty="",
            as_json=False,
            numbers=["events"],
        )
    note(
        f"Of the latest {found.events} events of type {event_type!r}, {found.passed} would be stored"
        f" ({found.rejected_would_pass} of them were rejected), {found.failed} would be rejected"
        + (f", {found.unjudged} are too long to be judged." if found.unjudged else ".")
        if found.events
        else f"There are no events of type {event_type!r} to try it on."
    )


@app.command("list")
def list_(
    source: Annotated[str | None, typer.Option(help="Only schemas of this source id.")] = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists the schemas.

    Examples:

    - `thamesthrive schema list`
    """
    with open_database(db) as database:
        found = store.list_schemas(database, source)
    show_list(
        found,
        {"source": "source_id", "type": "type", "updated": "updated_at"},
        empty="No schemas: events are stored whatever their properties."
        " Set one: thamesthrive schema set ID TYPE FILE",
        as_json=as_json,
    )


@app.command("show")
def show_(source_id: SourceArgument, event_type: TypeArgument, db: DbOption = None) -> None:
    """Prints a schema as it was set.

    Examples:

    - `thamesthrive schema show ID purchase-order`
    """
    with open_database(db) as database:
        data(store.get_schema(database, source_id, event_type).schema.rstrip("\n"))


@app.command()
def remove(
    source_id: SourceArgument,
    event_type: TypeArgument,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a schema. Events of that type are then stored whatever their properties.

    Examples:

    - `thamesthrive schema remove ID purchase-order`
    """
    with open_database(db) as database:
        store.remove_schema(database, source_id, event_type)
    show(
        {"source_id": source_id, "type": event_type, "removed": True},
        lambda: note(f"Removed the schema of {event_type!r}."),
        as_json=as_json,
    )


app.command()(schema_plan.apply)
app.command()(schema_plan.diff)
app.command()(schema_plan.infer)
app.command()(schema_plan.types)
