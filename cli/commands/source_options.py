"""Options that derive from the fields of a source.

A new field becomes an option of `source add` and `source set`, with its help, without a line here.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import typer

from collector.settings import flag_of
from collector.store.source_fields import SourceField
from collector.store.sources import SOURCE_FIELDS


def source_options(*, new: bool) -> dict[str, Any]:
    """Every field of a source but those that have a command or an argument of their own.

    `new`: for a source that is created, so defaults are shown, and its name is an argument.
    """
    options: dict[str, Any] = {}
    for name, spec in SOURCE_FIELDS.items():
        if name != "enabled" and not (new and name == "name"):
            options[name] = _source_option(spec.flag or name, spec, new=new, hidden=False)
            if spec.former:
                options[spec.former] = _source_option(spec.former, spec, new=new, hidden=True)
    return options


def _source_option(name: str, spec: SourceField, *, new: bool, hidden: bool) -> Any:
    flag = flag_of(name)
    schema, default = spec.kind.schema, spec.kind.default
    shown = " ".join(default) if isinstance(default, tuple) else default
    options: dict[str, Any] = {
        "help": spec.help,
        "hidden": hidden,
        "show_default": shown if new and isinstance(shown, str) and shown else False,
    }
    kind = schema.get("type", "string")
    if kind == "boolean":
        return Annotated[bool | None, typer.Option(f"{flag}/--no-{flag[2:]}", **options)]
    if kind == "array":
        options["help"] += " Can be repeated."
        return Annotated[list[str] | None, typer.Option(flag, **options)]
    if kind == ["integer", "null"]:
        options["help"] += " 0: no limit."
        return Annotated[int | None, typer.Option(flag, min=0, **options)]
    return Annotated[str | None, typer.Option(flag, **options)]


def source_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """The fields that were named on the command line. 0 stands for no limit."""
    former = {spec.former: name for name, spec in SOURCE_FIELDS.items() if spec.former}
    values = {}
    for name, value in given.items():
        if value is not None and value != []:
            no_limit = value == 0 and not isinstance(value, bool)
            values[former.get(name, name)] = None if no_limit else value
    return values
