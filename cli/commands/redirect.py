"""`thamesthrive redirect …`: links that store an event and redirect to a target."""

from typing import Annotated

import typer

from collector import store
from collector.settings import load_settings

from ..output import data, note, show
from .options import ApiOption, DbOption, JsonOption, SourceArgument, address_of, open_database
from .shared import add_list, add_removal

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
    api: ApiOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Creates a redirect and prints its address. The source must accept the bridge `redirect`.

    Examples:

    - `thamesthrive redirect add ID https://shop.example.com/sale --api https://events.example.com`
    """
    address = address_of(load_settings({"db": db}), api)
    with open_database(db) as database:
        redirect = store.add_redirect(database, source_id, target, event_type)
        source = store.get_source(database, source_id)
    show(redirect, lambda: data(f"{address}/redirect/{redirect.id}"), as_json=as_json)
    if "redirect" not in source.bridges:
        note(
            f"Source {source.id} does not accept the bridge redirect: visitors are redirected, but nothing is stored."
        )


add_list(
    app,
    "redirect",
    "redirects",
    store.list_redirects,
    {"id": "id", "type": "event_type", "target": "target", "source": "source_id"},
    "No redirects yet. Create one: thamesthrive redirect add ID TARGET",
)
add_removal(app, "redirect", "remove", store.remove_redirect, "Its address then answers 404.")
