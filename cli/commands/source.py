"""`thamesthrive source …`: event sources."""

from typing import Annotated, Any

import typer

from collector import store
from collector.settings import load_settings
from collector.store import Source

from ..errors import Usage
from ..output import data, key_values, note, show
from .declared import with_options
from .install_status import allow, status
from .options import DbOption, JsonOption, SourceArgument, open_database
from .shared import add_list
from .source_options import source_options, source_values

app = typer.Typer(
    no_args_is_help=True,
    help="Event sources: who may send events.\n\nExamples:\n\n- `thamesthrive source add Shop`",
)


@app.command()
@with_options(source_options(new=True))
def add(
    name: Annotated[str, typer.Argument(help="The name that people see.")],
    db: DbOption = None,
    as_json: JsonOption = False,
    **given: Any,
) -> None:
    """Creates an event source and prints its id.

    Examples:

    - `thamesthrive source add "My shop" --origin https://shop.example.com`
    - `thamesthrive source add "Newsletter" --bridge webhook --bridge redirect --json`
    """
    with open_database(db, create=True) as database:
        source = store.add_source(database, name, **source_values(given))
        path = store.path_of(database.conn)

    def for_people() -> None:
        data(source.id)
        note(f"Created {source.name!r} in {path}. Next: thamesthrive snippet {source.id}")

    show(source, for_people, as_json=as_json)


@app.command("set")
@with_options(source_options(new=False))
def set_(
    source_id: SourceArgument,
    any_origin: Annotated[
        bool, typer.Option("--any-origin", help="Pages of any origin may send again.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
    **given: Any,
) -> None:
    """Changes an event source. Options that are not given keep their values.

    Running collectors notice within a second.

    Examples:

    - `thamesthrive source set ID --rate-limit 6000 --retention-days 400`
    """
    changes = source_values(given) | ({"origins": []} if any_origin else {})
    if not changes:
        raise Usage("Name what to change. See: thamesthrive source set --help")
    with open_database(db) as database:
        source = store.update_source(database, source_id, changes)
    show(source, lambda: key_values(_described(source)), as_json=as_json)


@app.command("show")
def show_(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Shows one event source.

    Examples:

    - `thamesthrive source show ID`
    """
    with open_database(db) as database:
        source = store.get_source(database, source_id)
    show(source, lambda: key_values(_described(source)), as_json=as_json)


@app.command()
def rotate(
    source_id: SourceArgument,
    grace: Annotated[
        str,
        typer.Option(
            help="How long the former id is accepted: 7d, 12h, a date, or 0 for not at all."
        ),
    ] = store.GRACE,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Gives a source a new id and prints it; events and settings stay with the source. The former id
    is accepted for a while, so that pages can be changed one by one.

    Examples:

    - `thamesthrive source rotate ID`
    - `thamesthrive source rotate ID --grace 12h`
    """
    with open_database(db) as database:
        source = store.rotate_source(database, source_id, grace)
        former = {one.id: one for one in store.list_former_ids(database.conn, source.id)}.get(
            source_id
        )
    until = f"accepted until {former.accepted_until}" if former else "refused from now on"

    def for_people() -> None:
        data(source.id)
        note(f"{source_id} is {until}. Next: thamesthrive snippet {source.id}")

    result = {"id": source.id, "former": former.as_dict() if former else None}
    show(result, for_people, as_json=as_json)


@app.command()
def enable(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Re-enables a source. Running collectors notice within a second.

    Examples:

    - `thamesthrive source enable ID`
    """
    _set_enabled(source_id, db, as_json, enabled=True)


@app.command()
def disable(source_id: SourceArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Disables a source; stored events are kept. Running collectors notice within a second.

    Examples:

    - `thamesthrive source disable ID`
    """
    _set_enabled(source_id, db, as_json, enabled=False)


@app.command()
def remove(
    source_id: SourceArgument,
    with_events: Annotated[
        bool, typer.Option("--with-events", help="Remove its events, too.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Removes a source. One that has events is kept unless you say --with-events.

    Examples:

    - `thamesthrive source remove ID`
    - `thamesthrive source remove ID --with-events`
    """
    with open_database(db) as database:
        events = store.remove_source(database, source_id, with_events=with_events)
    removed = f"Removed source {source_id}" + (f" and {events} events." if events else ".")
    show(
        {"id": source_id, "removed": True, "events": events},
        lambda: note(removed),
        as_json=as_json,
    )


def _set_enabled(source_id: str, db: DbOption, as_json: bool, *, enabled: bool) -> None:
    with open_database(db) as database:
        source = store.update_source(database, source_id, {"enabled": enabled})
    show(source, lambda: note(f"Source {source.id} is {_state(source)}."), as_json=as_json)


def _state(source: Source) -> str:
    return "enabled" if source.enabled else "disabled"


def _origins(source: Source) -> str:
    return " ".join(source.origins) or "any"


def _knowing(source: Source) -> str:
    if source.profiles == "per-source":
        return "this source alone"
    if source.profile_group:
        return f"sources of the group {source.profile_group}"
    return "all sources without a group"


def _quota(source: Source) -> str:
    if source.quota_mb:
        return f"{source.quota_mb} MB a minute"
    usual = load_settings().source_quota_mb
    return f"{usual} MB a minute, as by default" if usual else "none"


def _described(source: Source) -> dict[str, str]:
    limit = f"{source.rate_limit} events a minute" if source.rate_limit else "none"
    kept = f"{source.retention_days} days" if source.retention_days else "for ever"
    addresses = {"truncate": "truncated to /24, /48", "full": "stored whole", "none": "not stored"}
    return {
        "id": source.id,
        "name": source.name,
        "state": _state(source) + (", validates only" if source.validate_only else ""),
        "bridges": " ".join(source.bridges),
        "origins": _origins(source),
        "profiles": ("chosen by pages" if source.static_profiles else "issued by the collector")
        + f", known to {_knowing(source)}",
        "rate limit": limit,
        "quota": _quota(source),
        "addresses": addresses[source.ip_policy],
        "events kept": kept,
        "created": source.created_at,
    }


app.command()(allow)
app.command()(status)
add_list(
    app,
    "source",
    "event sources",
    store.list_sources,
    {
        "id": "id",
        "name": "name",
        "state": _state,
        "bridges": lambda source: " ".join(source.bridges),
        "origins": _origins,
    },
    "No event sources yet. Create one: thamesthrive source add NAME",
)
