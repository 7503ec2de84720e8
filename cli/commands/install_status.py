"""`thamesthrive source status` and `source allow`: whether a site's snippet works, and the usual
cure."""

import json
import signal
import time
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collector import store
from collector.settings import load_settings

from ..errors import ProblemsFound
from ..output import data, note, show
from .options import ApiOption, DbOption, JsonOption, SourceArgument, address_of, open_database

if TYPE_CHECKING:
    from sqlite_utils import Database

    from collector.store import Cause, InstallState, Lamp

POLL = 0.25  # seconds
PATIENCE = 60.0  # seconds without an event, after which the likely causes are shown
NAMES = {"page_seen": "page seen", "script_loaded": "script loaded", "event_stored": "event stored"}


def allow(
    source_id: SourceArgument,
    origin: Annotated[
        str, typer.Argument(help="Scheme, host and port, as in https://shop.example.com")
    ],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Adds an origin to those that a source lists. One that lists none accepts any, and stays so.

    Running collectors notice within a second.

    Examples:

    - `thamesthrive source allow ID https://www.example.com`
    """
    with open_database(db) as database:
        before = store.get_source(database, source_id)
        source = store.allow_origin(database, source_id, origin)
    said = f"Source {source.id} accepts pages of {origin}."
    if source == before:
        said = f"Nothing to do: source {source.id} accepts pages of {origin} already."
    show(source, lambda: note(said), as_json=as_json)


def status(
    source_id: SourceArgument,
    since: Annotated[
        str, typer.Option(help="From when on: 15min, 24h, 7d, a date, or a time.")
    ] = "24h",
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Wait until the first event is stored.")
    ] = False,
    api: ApiOption = None,
    db: DbOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print JSON; with --follow, one object a line.")
    ] = False,
) -> None:
    """Shows how far the pages of a source have come, and why they come no further: a page has fetched
    the tracker, its script ran, an event is stored. Exit code 1 if none is.

    With --follow, the likely causes are shown after a minute without an event.

    Examples:

    - `thamesthrive source status ID`
    - `thamesthrive source status ID --follow --since 1min`
    """
    address = address_of(load_settings({"db": db}), api)
    from_ = store.time_ago(since)
    with open_database(db) as database:
        if follow:
            # Also where it was started in the background, with that ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            _follow(database, source_id, from_, address, as_json=as_json)
            return
        state = store.install_state(database, source_id, from_)
        causes = store.likely_causes(database, source_id, from_, address)
    show(_as_dict(state, causes), lambda: _print(state.lamps, causes), as_json=as_json)
    if not state.event.is_lit:
        raise ProblemsFound(f"No event of this source was stored in the time asked for ({since}).")


def _follow(
    database: "Database", source_id: str, since: str, address: str, *, as_json: bool
) -> None:
    """Prints what changes until an event is stored."""
    shown: dict[str, Any] = {}
    until = time.monotonic() + PATIENCE
    lit: set[str] = set()
    said: set[str] = set()
    while True:
        state = store.install_state(database, source_id, since)
        is_late = time.monotonic() > until
        causes = store.likely_causes(database, source_id, since, address) if is_late else []
        now = _as_dict(state, causes)
        if as_json and now != shown:
            data(json.dumps(now, ensure_ascii=False))
        elif not as_json:
            _print(
                [lamp for lamp in state.lamps if lamp.is_lit and lamp.name not in lit],
                [cause for cause in causes if cause.text not in said],
            )
        if state.event.is_lit:
            return
        if not shown and not as_json:
            note("Open a page that has the snippet. Ctrl-C stops waiting.")
        shown = now
        lit |= {lamp.name for lamp in state.lamps if lamp.is_lit}
        said |= {cause.text for cause in causes}
        time.sleep(POLL)


def _as_dict(state: "InstallState", causes: "list[Cause]") -> dict[str, Any]:
    return {**state.as_dict(), "causes": [cause.as_dict() for cause in causes]}


def _print(lamps: "list[Lamp] | tuple[Lamp, ...]", causes: "list[Cause]") -> None:
    for lamp in lamps:
        when = f"{lamp.at}  {lamp.origin or ''}" if lamp.at else "not yet"
        data(f"{NAMES[lamp.name]:<13}  {when}".rstrip())
    for cause in causes:
        data(f"\n{cause.text}\n  {cause.cure}")
