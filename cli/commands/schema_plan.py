"""`thamesthrive schema apply|diff|infer|types`: a source's schemas as a tracking plan."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from collector import store

from ..errors import ProblemsFound, Usage
from ..output import data, note, show
from .options import (
    DbOption,
    JsonOption,
    complete_sources,
    open_database,
    open_readonly,
    require_source,
)

PlanArgument = Annotated[
    Path,
    typer.Argument(
        metavar="PLAN",
        help="A folder of JSON Schemas such as purchase-order.json, or a YAML or JSON file of types"
        " with their schemas.",
    ),
]
SourceOption = Annotated[
    str, typer.Option("--source", help="The source's id.", autocompletion=complete_sources)
]
MAX_SHOWN = 60  # characters of a value in a difference


def apply(
    plan: PlanArgument,
    source: SourceOption,
    prune: Annotated[
        bool, typer.Option("--prune", help="Remove schemas that the plan does not have.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would change, and change nothing.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Sets the schemas of a tracking plan, all of them or none. What only the source has is kept,
    unless --prune is given.

    Examples:

    - `thamesthrive schema apply tracking-plan --source ID --dry-run`
    - `thamesthrive schema apply tracking-plan --source ID`
    """
    from collector.plan import read_plan

    schemas = read_plan(plan)
    with open_database(db) as database:
        if dry_run:
            found = store.diff_plan(database, source, schemas)
        else:
            found = store.apply_plan(database, source, schemas, prune=prune)
    show(
        {**found.as_dict(), "applied": not dry_run, "pruned": prune and not dry_run},
        lambda: _show_applied(found, prune, dry_run),
        as_json=as_json,
    )


def _show_applied(found: store.PlanDiff, prune: bool, dry_run: bool) -> None:
    _print(found)
    changed = len(found.added) + len(found.changed) + (len(found.extra) if prune else 0)
    if dry_run:
        note(f"{_count(changed)} would change. Nothing was changed.")
    else:
        note(f"{_count(changed)} changed." if changed else "The source has the plan's schemas.")
    if found.extra and not prune:
        note(
            f"{_count(len(found.extra))} not in the plan: kept. --prune removes what is not in it."
        )


def diff(
    plan: PlanArgument, source: SourceOption, db: DbOption = None, as_json: JsonOption = False
) -> None:
    """Shows where a tracking plan and the source's schemas differ. Exit code 1 if they do.

    Examples:

    - `thamesthrive schema diff tracking-plan --source ID`
    """
    from collector.plan import read_plan

    schemas = read_plan(plan)
    with open_database(db) as database:
        found = store.diff_plan(database, source, schemas)
    show(found, lambda: _print(found), as_json=as_json)
    if not found.is_same:
        differing = len(found.added) + len(found.changed) + len(found.extra)
        raise ProblemsFound(
            f"The plan and the source differ in {_count(differing)}."
            " `thamesthrive schema apply` sets the plan's."
        )


def _count(schemas: int) -> str:
    return f"{schemas} schema{'' if schemas == 1 else 's'}"


def _print(found: store.PlanDiff) -> None:
    for event_type in found.added:
        data(f"+ {event_type}  (only in the plan)")
    for event_type, changes in found.changed.items():
        data(f"~ {event_type}")
        for change in changes:
            data(f"    {change.pointer or '/'}: {_change(change)}")
    for event_type in found.extra:
        data(f"- {event_type}  (only in the source)")


def _change(change: store.SchemaChange) -> str:
    old, new = (
        value if value is None or len(value) <= MAX_SHOWN else f"{value[: MAX_SHOWN - 1]}…"
        for value in (change.before, change.after)
    )
    if old is None:
        return f"added {new}"
    return f"removed, was {old}" if new is None else f"{old} → {new}"


def infer(
    source: Annotated[
        str | None,
        typer.Option(help="The source's id.", autocompletion=complete_sources),
    ] = None,
    run: Annotated[
        str | None,
        typer.Option("--from-run", metavar="RUN", help="A run of tests, whose events are used."),
    ] = None,
    event_type: Annotated[str | None, typer.Option("--type", help="Only this event type.")] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN", help="Only events received since then: a date, a time, or 3d, 2h."
        ),
    ] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", "-n", min=1, max=1_000_000, help="How many events, counted from the latest."
        ),
    ] = 10_000,
    into: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write a file for each type into this folder."),
    ] = None,
    db: DbOption = None,
) -> None:
    """Infers schemas from stored events, and prints them as one plan, or writes them into a folder.
    Read them before you apply them: they say what was seen, not what is meant.

    Examples:

    - `thamesthrive schema infer --source ID --since 7d > plan.json`
    - `thamesthrive schema infer --source ID --into inferred-plan`
    """
    from collector.plan import infer_plan, plan_json, write_plan

    if source is None and run is None:
        raise Usage(
            "Infer from which events? Name a source with --source, or a run with --from-run."
        )
    filters: dict[str, Any] = {"source_id": source, "type": event_type, "run": run}
    if since:
        filters["since"] = store.time_ago(since)
    with open_readonly(db) as connection:
        require_source(connection, source)
        found = store.iter_events(connection, limit=limit, **filters)
        schemas = infer_plan(_properties(found))
    if not schemas:
        raise ProblemsFound("No events match, so there is nothing to infer a plan from.")
    if into is None:
        data(plan_json(schemas))
        return
    for file in write_plan(into, schemas):
        note(f"Wrote {file}.")


def _properties(found: Iterator[store.StoredEvent]) -> Iterator[tuple[str, Any]]:
    return ((event.type, event.properties) for event in found)


def types(plan: PlanArgument) -> None:
    """Prints TypeScript declarations of a tracking plan: with them, the compiler checks what a
    site's code passes to `window.tracker.track`.

    Examples:

    - `thamesthrive schema types tracking-plan > tracking.d.ts`
    """
    from collector.plan import declarations_of, read_plan

    data(declarations_of(read_plan(plan)), end="")
