"""`thamesthrive schema …`: what the properties of events must be."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from collector import store

from ..errors import Usage
from ..output import data, note, show, show_list
from .options import DbOption, JsonOption, SourceArgument, open_database

app = typer.Typer(
    no_args_is_help=True,
    help="JSON Schemas: what the properties of a type of event must be.\n\nExamples:\n\n- `thamesthrive schema set ID purchase-order order.schema.json`",
)

TypeArgument = Annotated[str, typer.Argument(metavar="TYPE", help="The event type.")]


@app.command("set")
def set_(
    source_id: SourceArgument,
    event_type: TypeArgument,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="JSON Schema, draft 2020-12; - reads standard input."),
    ],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sets or replaces a schema. Events that fail it become rejected events; stored ones are
    kept.

    Examples:

    - `thamesthrive schema set ID purchase-order order.schema.json`
    """
    try:
        text = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except OSError as error:
        raise Usage(f"{file} cannot be read: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise Usage(f"{file} is not UTF-8.") from error
    with open_database(db) as database:
        found = store.set_schema(database, source_id, event_type, text)
    set_note = f"Events of type {found.type!r} are checked by this schema from now on."
    show(
        found,
        lambda: note(f"{set_note} To store rejected ones: thamesthrive rejected replay"),
        as_json=as_json,
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
