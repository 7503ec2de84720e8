"""`thamesthrive token …`: who may use the management API."""

from typing import Annotated

import typer

from collector import store

from ..output import data, json_data, note, table
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
    if as_json:
        json_data({**token.as_dict(), "token": secret})
    else:
        data(secret)
        note("It is not shown again. Use it as: Authorization: Bearer …")


@app.command("list")
def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lists the tokens, without their secrets.

    Examples:

    - `thamesthrive token list`
    """
    with open_database(db) as database:
        found = store.list_tokens(database)
    if as_json:
        json_data([token.as_dict() for token in found])
    elif not found:
        note(
            "No tokens: nobody can use the management API. Create one: thamesthrive token create NAME"
        )
    else:
        table(
            ["id", "name", "created"], [[token.id, token.name, token.created_at] for token in found]
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
    """Makes a token worthless, within a second.

    Examples:

    - `thamesthrive token revoke TOKEN`
    """
    with open_database(db) as database:
        store.revoke_token(database, token_id)
    if as_json:
        json_data({"id": token_id, "revoked": True})
    else:
        note(f"Revoked token {token_id}.")
