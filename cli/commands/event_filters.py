"""Options that say which events are wanted. Every command that reads events has all of them."""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from collector import store

from ..errors import Usage
from .options import complete_sources

_TIME = (
    "a date, a time (UTC if it names no zone), today, yesterday, or how long ago, as in 3d or 2h"
)
EVENT_FILTERS: dict[str, Any] = {
    "type": Annotated[str | None, typer.Option(help="Only events of this type.")],
    "source": Annotated[
        str | None,
        typer.Option(help="Only events of this source id.", autocompletion=complete_sources),
    ],
    "session": Annotated[str | None, typer.Option(help="Only events of this session id.")],
    "profile": Annotated[str | None, typer.Option(help="Only events of this profile id.")],
    "since": Annotated[
        str | None,
        typer.Option(metavar="WHEN", help=f"Only events received since then: {_TIME}."),
    ],
    "until": Annotated[
        str | None, typer.Option(metavar="WHEN", help="Only events received before then.")
    ],
    "where": Annotated[
        list[str] | None,
        typer.Option(
            metavar="CONDITION",
            help="Only events whose properties meet a condition, as in 'price>10', 'item=shoes' or"
            f" 'context.page.path=/'. Operators: {' '.join(store.OPERATORS)}. Can be repeated.",
        ),
    ],
    "run": Annotated[
        str | None,
        typer.Option(help="Only events of this run of tests. They are left out otherwise."),
    ],
}
"""For `with_options`."""

_FIELDS = {"source": "source_id", "session": "session_id", "profile": "profile_id"}


def filters_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of an EventFilter, from these options. Raises StoreError, Usage."""
    for name, value in given.items():
        # As a script gives it whose variable is not set. Without a filter it would get everything.
        if value == "":
            raise Usage(f"--{name} is empty. Give it a value, or leave it out.")
    filters: dict[str, Any] = {
        _FIELDS.get(name, name): value for name, value in given.items() if value
    }
    for name in ("since", "until"):
        if name in filters:
            filters[name] = store.time_ago(filters[name])
    if "where" in filters:
        filters["where"] = [store.parse_condition(text) for text in filters["where"]]
    if filters.get("until", "Z") <= filters.get("since", ""):
        raise Usage("--until is not after --since, so no event can match.")
    return filters


def none_match(given: Mapping[str, Any]) -> str:
    """What to say where no event matches; empty if nothing was asked for."""
    names = [f"--{name}" for name, value in given.items() if value]
    if not names:
        return ""
    words = " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
    return (
        f"No events match {words}. Without {'it' if len(names) == 1 else 'them'}, all are listed."
    )
