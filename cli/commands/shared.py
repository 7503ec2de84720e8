"""Commands that several groups have: `list`, and the removal of one row."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..output import note, show, show_list
from .options import DbOption, JsonOption, open_database

if TYPE_CHECKING:
    from sqlite_utils import Database


def add_list(
    app: typer.Typer,
    group: str,
    what: str,
    find: "Callable[[Database], list[Any]]",
    columns: Mapping[str, str | Callable[[Any], str]],
    empty: str,
) -> None:
    """Adds the command `list` to a group. `columns` and `empty`: see `show_list`."""

    def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
        with open_database(db) as database:
            found = find(database)
        show_list(found, columns, empty=empty, as_json=as_json)

    text = f"Lists the {what}, oldest first.\n\nExamples:\n\n- `thamesthrive {group} list`"
    app.command("list", help=text)(list_)


def add_removal(
    app: typer.Typer,
    group: str,
    verb: str,
    remove: "Callable[[Database, str], None]",
    effect: str,
) -> None:
    """Adds a command that removes a row by its id: `verb` is `remove` or `revoke`.

    `effect`: what the help says of the consequence.
    """
    past = f"{verb.removesuffix('e')}ed"

    def removal(
        id_: Annotated[
            str,
            typer.Argument(
                metavar=group.upper(),
                help=f"The {group}'s id, as `thamesthrive {group} list` shows it.",
            ),
        ],
        db: DbOption = None,
        as_json: JsonOption = False,
    ) -> None:
        with open_database(db) as database:
            remove(database, id_)
        sentence = f"{past.capitalize()} {group} {id_}."
        show({"id": id_, past: True}, lambda: note(sentence), as_json=as_json)

    text = (
        f"{verb.capitalize()}s a {group}. {effect}\n\nExamples:\n\n"
        f"- `thamesthrive {group} {verb} {group.upper()}`"
    )
    app.command(verb, help=text)(removal)
