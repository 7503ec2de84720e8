"""`thamesthrive rejected …`: events that were refused, and why."""

from contextlib import closing
from typing import Annotated

import typer

from collector import store
from collector.settings import load_settings
from collector.store import SourceCache
from collector.worker.admission import Admission
from collector.worker.replay import replay as replay_events
from collector.writer.group import Writer

from ..output import data, key_values, note, progress, show, show_list
from .options import (
    DbOption,
    JsonOption,
    LimitOption,
    open_database,
    open_readonly,
    require_source,
)

app = typer.Typer(
    no_args_is_help=True,
    help="Rejected events: what was refused, and why.\n\nExamples:\n\n- `thamesthrive rejected list`",
)

NONE = "No rejected events. (Requests of unknown sources are refused whole, and not kept.)"
NONE_MATCH = "No rejected events of this kind."

SeqArgument = Annotated[
    int, typer.Argument(metavar="SEQ", help="The number in the list.", min=1, max=2**62)
]
SourceOption = Annotated[
    str | None, typer.Option("--source", help="Only events of this source id.")
]
TypeOption = Annotated[str | None, typer.Option("--type", help="Only events of this type.")]

ReasonOption = Annotated[str | None, typer.Option("--reason", help="Only this reason code.")]


@app.command("list")
def list_(
    source: SourceOption = None,
    type_: TypeOption = None,
    reason: ReasonOption = None,
    limit: LimitOption = 20,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists rejected events, the latest first.

    Examples:

    - `thamesthrive rejected list`
    - `thamesthrive rejected list --reason invalid --type purchase-order`
    """
    with open_readonly(db) as connection:
        require_source(connection, source)
        show_list(
            store.iter_rejected(
                connection, source_id=source, type=type_, reason=reason, limit=limit
            ),
            {
                "seq": "seq",
                "last seen": "last_seen_at",
                "seen": "seen",
                "reason": "reason",
                "type": lambda row: row.type or "",
                "detail": "detail",
            },
            empty=NONE_MATCH if source or type_ or reason else NONE,
            as_json=as_json,
            numbers=["seq", "seen"],
        )


@app.command()
def groups(
    source: SourceOption = None,
    type_: TypeOption = None,
    reason: ReasonOption = None,
    limit: LimitOption = 20,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Groups rejected events by reason, type and the place that fails, the largest group first.

    `rejected show` with the number in the column `latest` shows a group's latest event.

    Examples:

    - `thamesthrive rejected groups`
    - `thamesthrive rejected groups --source ID --json`
    """
    with open_readonly(db) as connection:
        require_source(connection, source)
        found = store.list_rejected_groups(
            connection,
            sources=None if source is None else [source],
            reason=reason,
            type=type_,
            limit=limit,
        )
    show_list(
        found,
        {
            "events": "events",
            "reason": "reason",
            "type": lambda group: group.type or "",
            "pointer": "pointer",
            "cause": lambda group: "; ".join(group.causes),
            "first seen": "first_seen_at",
            "last seen": "last_seen_at",
            "latest": "latest",
        },
        empty=NONE_MATCH if source or type_ or reason else NONE,
        as_json=as_json,
        numbers=["events", "latest"],
    )
    if not as_json:
        for one in {group.reason: group for group in found}.values():
            note(f"{one.reason}: {one.cure}")


@app.command("show")
def show_(seq: SeqArgument, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Shows one rejected event with its payload, as it came.

    Examples:

    - `thamesthrive rejected show 17`
    """
    with open_readonly(db) as connection:
        row = store.get_rejected(connection, seq)

    def for_people() -> None:
        values = row.as_dict()
        del values["payload"]
        key_values({name: str(value) for name, value in values.items() if value is not None})
        data("")
        data(row.payload)

    show(row, for_people, as_json=as_json)


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
        closing(SourceCache(path)) as sources,
        closing(Writer(path)) as writer,
        progress("Replaying") as step,
    ):
        if seq is not None:
            store.get_rejected(database.conn, seq)
        done = replay_events(
            database.conn,
            Admission(sources),
            writer.write,
            source_id=source,
            event_type=type_,
            seq=seq,
            progress=lambda looked, _: step(looked, None),
        )
    counts = (
        f"{done.stored} stored, {done.duplicate} were stored already,"
        f" {done.invalid} are still invalid."
    )
    show(done, lambda: note(counts), as_json=as_json)
