"""`thamesthrive source …`: event sources."""

from typing import Annotated

import typer

from collector import store
from collector.store import Source

from ..output import data, json_data, note, table
from .options import DbOption, JsonOption, open_database

app = typer.Typer(no_args_is_help=True, help="Event sources: who may send events.")

SourceArgument = Annotated[str, typer.Argument(metavar="ID", help="The source's id, as `thamesthrive source list` shows it.")]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A name for people.")],
    origin: Annotated[
        list[str] | None,
        typer.Option(help="Only pages of this origin may send, e.g. https://shop.example.com. Repeat it; none means any."),
    ] = None,
    bridge: Annotated[
        list[str] | None, typer.Option(help=f"A way in: {', '.join(store.BRIDGES)}. Repeat it.", show_default="rest")
    ] = None,
    static_profiles: Annotated[
        bool, typer.Option("--static-profiles", help="Pages may choose profile ids themselves. For pages you trust.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Creates an event source and prints its id.

    Example: `thamesthrive source add "My shop" --origin https://shop.example.com`
    """
    with open_database(db, create=True) as database:
        source = store.add_source(
            database, name, origins=origin or (), bridges=bridge or ("rest",), static_profiles=static_profiles
        )
    if as_json:
        json_data(source.as_dict())
    else:
        data(source.id)
        note(f"Created {source.name!r}. Next: thamesthrive snippet {source.id}")


@app.command("list")
def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lists the event sources, oldest first."""
    with open_database(db) as database:
        sources = store.list_sources(database)
    if as_json:
        json_data([source.as_dict() for source in sources])
    elif not sources:
        note("No event sources yet. Create one: thamesthrive source add NAME")
    else:
        table(["id", "name", "state", "bridges", "origins"], [_row(source) for source in sources])


@app.command()
def show(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Shows one event source."""
    with open_database(db) as database:
        source = store.get_source(database, source_id)
    if as_json:
        json_data(source.as_dict())
    else:
        table(["id", "name", "state", "bridges", "origins"], [_row(source)])


@app.command()
def enable(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lets a disabled source in again."""
    _switch(source_id, db, as_json, enabled=True)


@app.command()
def disable(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Refuses a source from now on; its events stay. Running collectors notice within a second."""
    _switch(source_id, db, as_json, enabled=False)


@app.command()
def remove(
    source_id: SourceArgument,
    with_events: Annotated[bool, typer.Option("--with-events", help="Its events go too.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a source. One that has events stays, unless you say --with-events."""
    with open_database(db) as database:
        events = store.remove_source(database, source_id, with_events=with_events)
    if as_json:
        json_data({"id": source_id, "removed": True, "events": events})
    else:
        note(f"Removed source {source_id}" + (f" and {events} events." if events else "."))


def _switch(source_id: str, db: DbOption, as_json: bool, *, enabled: bool) -> None:
    with open_database(db) as database:
        source = store.set_enabled(database, source_id, enabled)
    if as_json:
        json_data(source.as_dict())
    else:
        note(f"Source {source.id} is {_state(source)}.")


def _state(source: Source) -> str:
    return "enabled" if source.enabled else "disabled"


def _row(source: Source) -> list[str]:
    return [source.id, source.name, _state(source), " ".join(source.bridges), " ".join(source.origins) or "any"]
