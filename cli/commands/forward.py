"""`thamesthrive forward`: events to other stores, by hand."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, Any

import typer

from collector import store
from collector.errors import CollectorError, SettingsError
from collector.settings import Settings, env_of, load_settings
from collector.store.edge import set_forwards
from collector.store.forward_state import (
    DestinationState,
    list_aside,
    list_destinations,
    remove_destination,
)
from collector.targets import Target, parse_targets

from ..errors import CliError, Missing, ProblemsFound, Usage
from ..output import note, progress, show, table
from .options import DbOption, JsonOption, database_errors_explained, open_database, open_readonly

if TYPE_CHECKING:
    from collector.forward.forwarder import Forwarder

SHOWN = 20  # events that are missing, or rows that are refused


def forward(
    destinations: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="DESTINATION",
            help="Addresses, as postgresql://user@host/database or clickhouse://user@host/database.",
            show_default="those of the setting `forward`",
        ),
    ] = None,
    once: Annotated[
        bool,
        typer.Option("--once", help="Send what waits, and end. Exit code 1 if a row is refused."),
    ] = False,
    check: Annotated[
        bool,
        typer.Option(
            "--check",
            help="Look whether each event that was sent is there. Exit code 1 if one is not.",
        ),
    ] = False,
    status: Annotated[
        bool, typer.Option("--status", help="Show how far each destination is, and end.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option(
            help="Send again what came in since a date, a time or so long ago (2h, 7d); with --check, look at that."
        ),
    ] = None,
    retry: Annotated[
        bool, typer.Option("--retry", help="Send again the rows that were refused, too.")
    ] = False,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Forget how far a destination is. Nothing changes there."),
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sends stored events to PostgreSQL or ClickHouse, until Ctrl-C.

    A running collector does so by itself for the destinations in its setting `forward`. A destination
    keeps one row for an event, however often it is sent.

    Examples:

    - `thamesthrive forward --status`
    - `thamesthrive forward postgresql://tracking@db.internal/analytics --once`
    - `thamesthrive forward --check --since 7d`
    """
    if sum((once, check, status, remove)) > 1:
        raise Usage("Choose one of --once, --check, --status and --remove.")
    settings = load_settings({"db": db})
    if status:
        _show_status(settings, as_json=as_json)
        return
    targets = _targets(destinations, settings)
    if remove:
        _remove(settings, targets)
        return
    moment = store.time_ago(since) if since else None
    with open_readonly(db):
        pass  # brings it up to date, or says that there is none
    if check:
        _check(settings, targets, moment, as_json=as_json)
    else:
        _send(settings, targets, moment, once=once, retry=retry, as_json=as_json)


def _targets(given: list[str] | None, settings: Settings) -> tuple[Target, ...]:
    try:
        targets = parse_targets(" ".join(given or []) or settings.forward)
    except SettingsError as error:
        raise Usage(f"The destination {error}.") from error
    if not targets:
        raise Usage(
            "There is no destination. Name one, as postgresql://user@host/database, or set"
            f" `forward` in thamesthrive.toml or {env_of('forward')}."
        )
    return targets


@contextmanager
def _forwarder(settings: Settings, target: Target) -> "Iterator[Forwarder]":
    from collector.forward.destination import destination_for
    from collector.forward.forwarder import Forwarder
    from collector.forward.lock import lock_destination

    with database_errors_explained(settings.db), lock_destination(settings.db, target.name) as had:
        if not had:
            raise CliError(
                f"Another process sends to {target.name}, as a running collector does."
                " --status shows how far it is."
            )
        with closing(Forwarder(settings.db, target, destination_for(target))) as forwarder:
            try:
                yield forwarder
            except CollectorError as error:
                raise CliError(f"{target.name}: {error}") from error


def _send(
    settings: Settings,
    targets: tuple[Target, ...],
    since: str | None,
    *,
    once: bool,
    retry: bool,
    as_json: bool,
) -> None:
    if not once and len(targets) > 1:
        raise Usage("Name one destination, or add --once. `thamesthrive serve` sends to all.")
    sent = {}
    for target in targets:
        with _forwarder(settings, target) as forwarder:
            if since or retry:
                forwarder.rewind(since, retry=retry)
            if once:
                with progress(f"Sending to {target.name}") as step:
                    sent[target.name] = forwarder.drain(step)
            else:
                note(f"Sending to {target.name}. Ctrl-C ends it.")
                forwarder.run(_until_signal())
    if once:
        refused = sum(state.aside for state in _states(settings, targets))
        show(
            {"sent": sent, "refused": refused},
            lambda: _say_sent(sent),
            as_json=as_json,
        )
        if refused:
            raise ProblemsFound(
                f"{refused} rows are refused. `thamesthrive forward --status` shows which, and why."
            )


def _say_sent(sent: dict[str, int]) -> None:
    for name, events in sent.items():
        note(f"{name}: {events:,} events sent.")


def _states(settings: Settings, targets: tuple[Target, ...]) -> list[DestinationState]:
    names = {target.name for target in targets}
    return [state for state in list_destinations(settings.db) if state.name in names]


def _until_signal() -> Callable[[float], bool]:
    stopped = threading.Event()

    def on_signal(_: int, __: FrameType | None) -> None:
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, on_signal)
    return stopped.wait


def _check(
    settings: Settings, targets: tuple[Target, ...], since: str | None, *, as_json: bool
) -> None:
    found: dict[str, Any] = {}
    for target in targets:
        with _forwarder(settings, target) as forwarder, progress(f"Checking {target.name}") as step:
            found[target.name] = forwarder.check(since, step)
    shown = {
        name: {"checked": result.checked, "missing": len(result.missing), "waiting": result.waiting}
        for name, result in found.items()
    }

    def for_people() -> None:
        for name, result in found.items():
            note(
                f"{name}: {result.checked:,} events looked at, {len(result.missing):,} missing,"
                f" {result.waiting:,} not sent yet."
            )
            if result.missing:
                rows = [[source, id_] for source, id_ in result.missing[:SHOWN]]
                table(["source", "missing event"], rows)

    show(shown, for_people, as_json=as_json)
    if any(result.missing for result in found.values()):
        raise ProblemsFound(
            "Events are missing. `thamesthrive forward --once --since …` sends them again."
        )


def _remove(settings: Settings, targets: tuple[Target, ...]) -> None:
    from collector.forward.lock import lock_destination

    for target in targets:
        with lock_destination(settings.db, target.name) as had:
            if not had:
                raise CliError(
                    f"A collector sends to {target.name}. Take it out of the setting, and restart that."
                )
            if not remove_destination(settings.db, target.name):
                raise Missing(f"Nothing was ever sent to {target.name}.")
        if not list_destinations(settings.db):
            with open_database(settings.db) as database, store.transaction(database.conn):
                set_forwards(database.conn, False)
        note(f"{target.name} is forgotten. What is stored there stays.")


def _show_status(settings: Settings, *, as_json: bool) -> None:
    with open_readonly(settings.db) as connection:
        states = list_destinations(settings.db, connection)
    asides = {state.name: list_aside(settings.db, state.name) for state in states}
    shown = [
        {**state.as_dict(), "refused": [row._asdict() for row in asides[state.name]]}
        for state in states
    ]
    show(shown, lambda: _show_states(states, asides), as_json=as_json)


def _show_states(states: list[DestinationState], asides: dict[str, Any]) -> None:
    if not states:
        note("Nothing was forwarded yet. `thamesthrive serve --forward ADDRESS` does so.")
        return
    rows = [
        [
            state.name,
            f"{state.rows:,}",
            f"{state.backlog_rows:,}",
            state.succeeded_at or "never",
            f"{state.failures:,}",
            state.error or "",
        ]
        for state in states
    ]
    table(["destination", "sent", "waiting", "last success", "failed tries", "error"], rows)
    for name, refused in asides.items():
        if refused:
            note(f"{name} refuses {len(refused):,} rows:")
            table(
                ["kind", "id", "source", "why"],
                [[row.kind, row.id, row.source_id or "", row.reason] for row in refused[:SHOWN]],
            )
