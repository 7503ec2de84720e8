"""`thamesthrive token …`: who may use the management API."""

from typing import Annotated

import typer

from collector import store

from ..output import data, note, show
from .options import DbOption, JsonOption, complete_sources, open_database
from .shared import add_list, add_removal

app = typer.Typer(
    no_args_is_help=True,
    help="Tokens of the management API.\n\nExamples:\n\n- `thamesthrive token create deploy-script`",
)


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="What it is for, so that you know later which to revoke.")
    ],
    role: Annotated[
        str, typer.Option(help="admin may change everything, read may change nothing.")
    ] = store.ADMIN,
    source: Annotated[
        str | None,
        typer.Option(help="The id of the only source it reaches.", autocompletion=complete_sources),
    ] = None,
    expires: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="When it stops working: how long from now, as in 90d or 12h, or a date, whose beginning in UTC is meant. By default never.",
        ),
    ] = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Creates a token and prints it, this once: only its hash is stored.

    Examples:

    - `thamesthrive token create deploy-script`
    - `thamesthrive token create dashboard --role read --source ID --expires 90d`
    """
    with open_database(db, create=True) as database:
        token, secret = store.create_token(
            database, name, role=role, source_id=source, expires=expires
        )

    def for_people() -> None:
        data(secret)
        note("It is not shown again. Use it as: Authorization: Bearer …")

    show({**token.as_dict(), "token": secret}, for_people, as_json=as_json)


add_list(
    app,
    "token",
    "tokens, without their secrets",
    store.list_tokens,
    {
        "id": "id",
        "name": "name",
        "role": "role",
        "source": lambda token: token.source_id or "all",
        "created": "created_at",
        "expires": lambda token: token.expires_at or "never",
        "last use": lambda token: token.last_used_at or "never",
        "state": "state",
    },
    "No tokens: nobody can use the management API. Create one: thamesthrive token create NAME",
)
add_removal(
    app, "token", "revoke", store.revoke_token, "Running collectors notice within a second."
)
