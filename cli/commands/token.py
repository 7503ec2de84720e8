"""`thamesthrive token …`: who may use the management API."""

from typing import Annotated

import typer

from collector import store

from ..output import data, note, show, show_list
from .options import DbOption, JsonOption, open_database

app = typer.Typer(
    no_args_is_help=True,
    help="Tokens of the management API.\n\nExamples:\n\n- `thamesthrive token create deploy-script`",
)


@app.command()
def create(
    name: Annotated[
        str, typer.Argument(help="What it is for, so that you know later which to revoke.")
    ],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Creates a token and prints it, this once: only its hash is stored.

    Examples:

    - `thamesthrive token create deploy-script`
    """
    with open_database(db, create=True) as database:
        token, secret = store.create_token(database, name)

    def for_people() -> None:
        data(secret)
        note("It is not shown again. Use it as: Authorization: Bearer …")

    show({**token.as_dict(), "token": secret}, for_people, as_json=as_json)


@app.command("list")
def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lists the tokens, without their secrets.

    Examples:

    - `thamesthrive token list`
    """
    with open_database(db) as database:
        found = store.list_tokens(database)
    show_list(
        found,
        {
            "id": lambda token: token.id,
            "name": lambda token: token.name,
            "created": lambda token: token.created_at,
        },
        empty="No tokens: nobody can use the management API."
        " Create one: thamesthrive token create NAME",
        as_json=as_json,
    )


@app.command()
def revoke(
    token_id: Annotated[
        str,
        typer.Argument(
            metavar="TOKEN", help="The token's id, as `thamesthrive token list` shows it."
        ),
    ],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Revokes a token. Running collectors notice within a second.

    Examples:

    - `thamesthrive token revoke TOKEN`
    """
    with open_database(db) as database:
        store.revoke_token(database, token_id)
    show(
        {"id": token_id, "revoked": True},
        lambda: note(f"Revoked token {token_id}."),
        as_json=as_json,
    )
