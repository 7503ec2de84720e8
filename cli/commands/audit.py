"""`thamesthrive audit …`: what administrators have changed."""

from typing import Annotated, Any

import typer

from collector import store

from ..output import show_list
from .options import DbOption, JsonOption, LimitOption, complete_sources, open_readonly

app = typer.Typer(
    no_args_is_help=True,
    help="What administrators have changed, and when.\n\nExamples:\n\n- `thamesthrive audit list`",
)

NONE = "Nothing has been changed yet."
NONE_MATCH = "No changes match. Without --source and --since, all are listed."


@app.command("list")
def list_(
    source: Annotated[
        str | None,
        typer.Option(help="Only changes of this source id.", autocompletion=complete_sources),
    ] = None,
    since: Annotated[
        str | None,
        typer.Option(
            metavar="WHEN",
            help="Only changes since then: how long ago, as in 7d, 2h or 15min, or a date, whose beginning in UTC is meant.",
        ),
    ] = None,
    limit: LimitOption = 20,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Lists changes by administrators, the latest first: on the command line and over HTTP.

    Examples:

    - `thamesthrive audit list`
    - `thamesthrive audit list --source ID --since 7d --json`
    """
    start = None if since is None else store.time_ago(since)
    with open_readonly(db) as connection:
        show_list(
            store.iter_audit(connection, source_id=source, since=start, limit=limit),
            {
                "time": "at",
                "who": lambda entry: f"token {entry.actor}" if entry.token_id else entry.actor,
                "action": "action",
                "object": "object",
                "changes": _changes,
            },
            empty=NONE_MATCH if source or since else NONE,
            as_json=as_json,
        )


def _changes(entry: store.AuditEntry) -> str:
    """The fields that changed, and how many rows were stored or removed."""
    changes = [
        f"{name}: {_text(values['from'])} → {_text(values['to'])}"
        for name, values in entry.changes.items()
    ]
    counts = [f"{count} {what}" for what, count in (entry.counts or {}).items()]
    return ", ".join([*changes, *counts])


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return " ".join(map(str, value)) or "none" if isinstance(value, list) else str(value)
