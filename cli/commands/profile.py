"""`thamesthrive profile …`: what a visitor may ask for."""

import json
from typing import Annotated

import typer

from collector import store

from ..errors import Usage
from ..output import data, note, show
from .options import DbOption, JsonOption, open_database, open_readonly

app = typer.Typer(
    no_args_is_help=True,
    help="Profiles: give out, or forget, all that is stored about a visitor.\n\nExamples:\n\n- `thamesthrive profile export PROFILE > visitor.ndjson`",
)

ProfileArgument = Annotated[str, typer.Argument(metavar="PROFILE", help="The profile id.")]


@app.command()
def export(profile_id: ProfileArgument, db: DbOption = None) -> None:
    """Prints everything stored about a visitor, one JSON object a line; `table` says where it is
    from. Memory stays the same however much there is.

    Examples:

    - `thamesthrive profile export PROFILE > visitor.ndjson`
    """
    with open_readonly(db) as connection:
        for table, _, row in store.export_profile(connection, profile_id):
            data(json.dumps({"table": table, **row}, ensure_ascii=False))


@app.command()
def forget(
    profile_id: ProfileArgument,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a visitor: profile, sessions, events and rejected payloads. This cannot be undone.

    Hashes of the events' ids remain, so that a late repeat does not bring them back.

    Examples:

    - `thamesthrive profile forget PROFILE --yes`
    """
    with open_database(db) as database:
        store.require_profile(database.conn, profile_id)
        if not yes and not typer.confirm(
            f"Remove everything about profile {profile_id}?", err=True
        ):
            raise Usage("Nothing was removed.")
        removed = store.forget_profile(database.conn, profile_id)
    counts = ", ".join(f"{count} {table}" for table, count in removed.items())
    show(removed, lambda: note(f"Removed {counts}."), as_json=as_json)
