"""`thamesthrive source …`: event sources."""

from pathlib import Path
from typing import Annotated, Any

import typer

from collector import store
from collector.store import Source

from ..errors import Usage
from ..output import data, json_data, note, pairs, table
from .options import DbOption, JsonOption, complete_sources, open_database

app = typer.Typer(
    no_args_is_help=True,
    help="Event sources: who may send events.\n\nExamples:\n\n- `thamesthrive source add Shop`",
)

SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The source's id, as `thamesthrive source list` shows it.",
        autocompletion=complete_sources,
    ),
]
OriginOption = Annotated[
    list[str] | None,
    typer.Option(
        help="Only pages of this origin may send, e.g. https://shop.example.com. Repeat it; none means any."
    ),
]
BridgeOption = Annotated[
    list[str] | None,
    typer.Option(help=f"A way in: {', '.join(store.BRIDGES)}. Repeat it.", show_default="rest"),
]
StaticOption = Annotated[
    bool | None,
    typer.Option(
        "--static-profiles/--no-static-profiles",
        help="Pages may choose profile ids themselves. For pages you trust.",
    ),
]
TransitionalOption = Annotated[
    bool | None,
    typer.Option(
        "--transitional/--no-transitional", help="Events are checked and answered, not stored."
    ),
]
RateOption = Annotated[
    int | None,
    typer.Option(min=0, help="Events a minute; more are told to come later. 0 means any number."),
]
IpOption = Annotated[
    str | None,
    typer.Option(
        help="What is stored of addresses: truncate (/24, /48), full, or none.",
        show_default="truncate",
    ),
]
KeepOption = Annotated[
    int | None, typer.Option(min=0, help="Days that events are kept. 0 keeps them.")
]


@app.command()
def add(
    name: Annotated[str, typer.Argument(help="A name for people.")],
    origin: OriginOption = None,
    bridge: BridgeOption = None,
    static_profiles: StaticOption = None,
    transitional: TransitionalOption = None,
    rate_limit: RateOption = None,
    ip_policy: IpOption = None,
    keep_days: KeepOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Creates an event source and prints its id.

    Examples:

    - `thamesthrive source add "My shop" --origin https://shop.example.com`
    - `thamesthrive source add "Newsletter" --bridge webhook --bridge redirect --json`
    """
    given = _given(origin, bridge, static_profiles, transitional, rate_limit, ip_policy, keep_days)
    with open_database(db, create=True) as database:
        source = store.add_source(database, name, **given)
        path = _path_of(database.conn)
    if as_json:
        json_data(source.as_dict())
    else:
        data(source.id)
        note(f"Created {source.name!r} in {path}. Next: thamesthrive snippet {source.id}")


@app.command("set")
def set_(
    source_id: SourceArgument,
    name: Annotated[str | None, typer.Option(help="A name for people.")] = None,
    origin: OriginOption = None,
    any_origin: Annotated[
        bool, typer.Option("--any-origin", help="Pages of any origin may send again.")
    ] = False,
    bridge: BridgeOption = None,
    static_profiles: StaticOption = None,
    transitional: TransitionalOption = None,
    rate_limit: RateOption = None,
    ip_policy: IpOption = None,
    keep_days: KeepOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Changes an event source; what you do not name stays. Running collectors notice within a
    second.

    Examples:

    - `thamesthrive source set ID --rate-limit 6000 --keep-days 400`
    """
    changes = _given(
        origin, bridge, static_profiles, transitional, rate_limit, ip_policy, keep_days
    )
    changes |= {"name": name} if name is not None else {}
    changes |= {"origins": []} if any_origin else {}
    if not changes:
        raise Usage("Say what to change. See: thamesthrive source set --help")
    with open_database(db) as database:
        source = store.update_source(database, source_id, changes)
    if as_json:
        json_data(source.as_dict())
    else:
        pairs(_described(source))


@app.command("list")
def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lists the event sources, oldest first.

    Examples:

    - `thamesthrive source list`
    """
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
    """Shows one event source.

    Examples:

    - `thamesthrive source show ID`
    """
    with open_database(db) as database:
        source = store.get_source(database, source_id)
    if as_json:
        json_data(source.as_dict())
    else:
        pairs(_described(source))


@app.command()
def enable(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lets a disabled source in again.

    Examples:

    - `thamesthrive source enable ID`
    """
    _switch(source_id, db, as_json, enabled=True)


@app.command()
def disable(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Refuses a source from now on; its events stay. Running collectors notice within a second.

    Examples:

    - `thamesthrive source disable ID`
    """
    _switch(source_id, db, as_json, enabled=False)


@app.command()
def remove(
    source_id: SourceArgument,
    with_events: Annotated[bool, typer.Option("--with-events", help="Its events go too.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a source. One that has events stays, unless you say --with-events.

    Examples:

    - `thamesthrive source remove ID`
    - `thamesthrive source remove ID --with-events`
    """
    with open_database(db) as database:
        events = store.remove_source(database, source_id, with_events=with_events)
    if as_json:
        json_data({"id": source_id, "removed": True, "events": events})
    else:
        note(f"Removed source {source_id}" + (f" and {events} events." if events else "."))


def _given(
    origin: list[str] | None,
    bridge: list[str] | None,
    static_profiles: bool | None,
    transitional: bool | None,
    rate_limit: int | None,
    ip_policy: str | None,
    keep_days: int | None,
) -> dict[str, Any]:
    """The fields that were named. 0 stands for no limit."""
    fields = {
        "origins": origin or None,
        "bridges": bridge or None,
        "static_profiles": static_profiles,
        "transitional": transitional,
        "ip_policy": ip_policy,
    }
    given = {field: value for field, value in fields.items() if value is not None}
    limits = {"rate_limit": rate_limit, "keep_days": keep_days}
    return given | {field: value or None for field, value in limits.items() if value is not None}


def _path_of(connection: Any) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


def _switch(source_id: str, db: DbOption, as_json: bool, *, enabled: bool) -> None:
    with open_database(db) as database:
        source = store.update_source(database, source_id, {"enabled": enabled})
    if as_json:
        json_data(source.as_dict())
    else:
        note(f"Source {source.id} is {_state(source)}.")


def _state(source: Source) -> str:
    return "enabled" if source.enabled else "disabled"


def _row(source: Source) -> list[str]:
    return [
        source.id,
        source.name,
        _state(source),
        " ".join(source.bridges),
        " ".join(source.origins) or "any",
    ]


def _described(source: Source) -> dict[str, str]:
    return {
        "id": source.id,
        "name": source.name,
        "state": _state(source)
        + (", transitional: nothing is stored" if source.transitional else ""),
        "bridges": " ".join(source.bridges),
        "origins": " ".join(source.origins) or "any",
        "profiles": "chosen by pages" if source.static_profiles else "issued by the collector",
        "rate limit": f"{source.rate_limit} events a minute" if source.rate_limit else "none",
        "addresses": {
            "truncate": "truncated to /24, /48",
            "full": "stored whole",
            "none": "not stored",
        }[source.ip_policy],
        "events kept": f"{source.keep_days} days" if source.keep_days else "for ever",
        "created": source.created_at,
    }
