"""`thamesthrive rejected …`: events that were refused, and why."""

from contextlib import closing
from typing import Annotated

import typer

from collector import store
from collector.gate import Gate
from collector.replay import replay as replay_events
from collector.settings import load_settings
from collector.store import Registry

from ..output import data, json_data, note, pairs, progress, table
from .options import DbOption, JsonOption, open_database, open_readonly

app = typer.Typer(
    no_args_is_help=True,
    help="Rejected events: what was refused, and why.\n\nExamples:\n\n- `thamesthrive rejected list`",
)

SeqArgument = Annotated[
    int, typer.Argument(metavar="SEQ", help="The number in the list.", min=1, max=2**62)
]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Only events of this source id.")
]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only events of this type.")]


@app.command("list")
def list_(
    source: SourceOption = None,
    type_: TypeOption = None,
    reason: Annotated[str | None, typer.Option(help="Only this reason word.")] = None,
    limit: Annotated[
        int,
        typer.Option(
            "--limit", "-n", min=1, max=1_000_000, help="How many, counted from the latest."
        ),
    ] = 20,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists rejected events, the latest first.

    Examples:

    - `thamesthrive rejected list`
    - `thamesthrive rejected list --reason invalid --type purchase-order`
    """
    with open_readonly(db) as connection:
        found = list(
            store.list_rejected(
                connection, source_id=source, type=type_, reason=reason, limit=limit
            )
        )
    if as_json:
        json_data([row.as_dict() for row in found])
    elif not found:
        note(
            "No rejected events"
            + (
                " of this kind."
                if source or type_ or reason
                else ". (Requests of unknown sources are refused whole, and not kept.)"
            )
        )
    else:
        table(
            ["seq", "last seen", "seen", "reason", "type", "detail"],
            [
                [
                    str(row.seq),
                    row.last_seen_at,
                    str(row.seen),
                    row.reason,
                    row.type or "",
                    row.detail,
                ]
                for row in found
            ],
            numbers=["seq", "seen"],
        )


@app.command()
def show(seq: SeqArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Shows one rejected event with its payload, as it came.

    Examples:

    - `thamesthrive rejected show 17`
    """
    with open_readonly(db) as connection:
        row = store.get_rejected(connection, seq)
    if as_json:
        json_data(row.as_dict())
        return
    pairs(
        {
            name: str(value)
            for name, value in row.as_dict().items()
            if name != "payload" and value is not None
        }
    )
    data("")
    data(row.payload)


@app.command()
def replay(
    seq: Annotated[
        int | None,
        typer.Argument(
            metavar="SEQ", help="A single event. Without it, all that match.", min=1, max=2**62
        ),
    ] = None,
    source: SourceOption = None,
    type_: TypeOption = None,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judges rejected events again, by the schemas of today. Those that are valid now are stored,
    under their own id, once.

    Examples:

    - `thamesthrive rejected replay`
    - `thamesthrive rejected replay --source ID --type purchase-order`
    """
    path = load_settings({"db": db}).db
    with (
        open_database(db) as database,
        closing(Registry(path)) as registry,
        progress("Replaying") as step,
    ):
        if seq is not None:
            store.get_rejected(database.conn, seq)
        done = replay_events(
            database.conn,
            Gate(registry),
            source_id=source,
            event_type=type_,
            seq=seq,
            progress=lambda looked: step(looked, None),
        )
    if as_json:
        json_data(done.as_dict())
    else:
        note(
            f"{done.stored} stored, {done.duplicate} were stored already, {done.invalid} are still invalid."
        )
