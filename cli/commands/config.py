"""`thamesthrive config …`: the settings."""

from dataclasses import fields
from typing import Any

import typer

from collector.settings import Settings, env_of, help_of, read_settings

from ..output import json_data, table
from .options import JsonOption

app = typer.Typer(
    no_args_is_help=True, help="The settings.\n\nExamples:\n\n- `thamesthrive config show`"
)


@app.command()
def show(as_json: JsonOption = False) -> None:
    """Shows each setting, its value here, and where that comes from.

    Examples:

    - `thamesthrive config show`
    - `THAMESTHRIVE_PORT=9000 thamesthrive config show --json`
    """
    given = read_settings()
    found: list[tuple[str, Any, str]] = [
        (spec.name, *given.get(spec.name, (spec.default, "default"))) for spec in fields(Settings)
    ]
    if as_json:
        json_data(
            {
                name: {
                    "value": value if isinstance(value, int | float) else value and str(value),
                    "from": origin,
                }
                for name, value, origin in found
            }
        )
    else:
        table(
            ["setting", "value", "from", "variable", "meaning"],
            [
                [name, "" if value is None else str(value), origin, env_of(name), help_of(name)]
                for name, value, origin in found
            ],
        )
