"""`thamesthrive redirect …`: links that store an event and lead on."""

from typing import Annotated

import typer

from collector import store

from ..output import data, json_data, note, table
from .options import DbOption, JsonOption, open_database
from .source import SourceArgument

app = typer.Typer(
    no_args_is_help=True,
    help="Redirects: links that store an event and lead on.\n\nExamples:\n\n- `thamesthrive redirect add ID https://shop.example.com/sale --type newsletter-click`",
)


@app.command()
def add(
    source_id: SourceArgument,
    target: Annotated[
        str, typer.Argument(help="Where it leads, e.g. https://shop.example.com/sale")
    ],
    event_type: Annotated[
        str, typer.Option("--type", help="The type of the event that is stored.")
    ] = "redirect",
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Creates a redirect and prints its path on the collector. The source must accept the bridge
    `redirect`.

    Examples:

    - `thamesthrive redirect add ID https://shop.example.com/sale --type newsletter-click`
    """
    with open_database(db) as database:
        redirect = store.add_redirect(database, source_id, target, event_type)
        source = store.get_source(database, source_id)
    if as_json:
        json_data(redirect.as_dict())
    else:
        data(f"/redirect/{redirect.id}")
    if "redirect" not in source.bridges:
        note(
            f"Source {source.id} does not accept the bridge redirect: visitors are led on, nothing is stored."
        )


@app.command("list")
def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lists the redirects, oldest first.

    Examples:

    - `thamesthrive redirect list`
    """
    with open_database(db) as database:
        found = store.list_redirects(database)
    if as_json:
        json_data([redirect.as_dict() for redirect in found])
    elif not found:
        note("No redirects yet. Create one: thamesthrive redirect add ID TARGET")
    else:
        table(
            ["id", "type", "target", "source"],
            [[r.id, r.event_type, r.target, r.source_id] for r in found],
        )


@app.command()
def remove(
    redirect_id: Annotated[str, typer.Argument(metavar="REDIRECT", help="The redirect's id.")],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a redirect: its address answers 404 from now on.

    Examples:

    - `thamesthrive redirect remove REDIRECT`
    """
    with open_database(db) as database:
        store.remove_redirect(database, redirect_id)
    if as_json:
        json_data({"id": redirect_id, "removed": True})
    else:
        note(f"Removed redirect {redirect_id}.")
