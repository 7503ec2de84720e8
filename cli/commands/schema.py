"""`thamesthrive schema …`: what the properties of events must be."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from collector import store

from ..errors import Usage
from ..output import data, json_data, note, table
from .options import DbOption, JsonOption, open_database
from .source import SourceArgument

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
    """Sets or replaces a schema. Events that fail it go to the rejected lane; those stored before
    stay.

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
    if as_json:
        json_data(found.as_dict())
    else:
        note(
            f"Events of type {found.type!r} must fit this schema from now on. What was rejected: thamesthrive rejected replay"
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
    if as_json:
        json_data([schema.as_dict() for schema in found])
    elif not found:
        note(
            "No schemas: events are stored whatever their properties. Set one: thamesthrive schema set ID TYPE FILE"
        )
    else:
        table(
            ["source", "type", "updated"],
            [[schema.source_id, schema.type, schema.updated_at] for schema in found],
        )


@app.command()
def show(source_id: SourceArgument, event_type: TypeArgument, db: DbOption = None) -> None:
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
    """Removes a schema: events of that type are stored whatever their properties.

    Examples:

    - `thamesthrive schema remove ID purchase-order`
    """
    with open_database(db) as database:
        store.remove_schema(database, source_id, event_type)
    if as_json:
        json_data({"source_id": source_id, "type": event_type, "removed": True})
    else:
        note(f"Removed the schema of {event_type!r}.")
