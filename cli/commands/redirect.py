"""`thamesthrive redirect …`: links that store an event and redirect to a target."""

from typing import Annotated

import typer

from collector import store

from ..output import data, note, show, show_list
from .options import DbOption, JsonOption, open_database
from .source import SourceArgument

app = typer.Typer(
    no_args_is_help=True,
    help="Redirects: links that store an event, then lead to their target.\n\nExamples:\n\n- `thamesthrive redirect add ID https://shop.example.com/sale --type newsletter-click`",
)


@app.command()
def add(
    source_id: SourceArgument,
    target: Annotated[
        str, typer.Argument(help="The address it redirects to, e.g. https://shop.example.com/sale")
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
    show(redirect, lambda: data(f"/redirect/{redirect.id}"), as_json=as_json)
    if "redirect" not in source.bridges:
        note(
            f"Source {source.id} does not accept the bridge redirect: visitors are redirected, but nothing is stored."
        )


@app.command("list")
def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lists the redirects, oldest first.

    Examples:

    - `thamesthrive redirect list`
    """
    with open_database(db) as database:
        found = store.list_redirects(database)
    show_list(
        found,
        {
            "id": lambda redirect: redirect.id,
            "type": lambda redirect: redirect.event_type,
            "target": lambda redirect: redirect.target,
            "source": lambda redirect: redirect.source_id,
        },
        empty="No redirects yet. Create one: thamesthrive redirect add ID TARGET",
        as_json=as_json,
    )


@app.command()
def remove(
    redirect_id: Annotated[str, typer.Argument(metavar="REDIRECT", help="The redirect's id.")],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a redirect. Its address then answers 404.

    Examples:

    - `thamesthrive redirect remove REDIRECT`
    """
    with open_database(db) as database:
        store.remove_redirect(database, redirect_id)
    show(
        {"id": redirect_id, "removed": True},
        lambda: note(f"Removed redirect {redirect_id}."),
        as_json=as_json,
    )
