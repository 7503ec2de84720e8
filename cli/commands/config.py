"""`thamesthrive config …`: the settings."""

from dataclasses import fields
from functools import partial
from typing import Any

import typer

from collector.settings import Settings, env_of, help_of, read_settings
from collector.targets import parse_targets

from ..output import show as print_result
from ..output import table
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
    if "metrics_token" in given:  # what is shown here ends in tickets and screenshots
        given["metrics_token"] = "(hidden)", given["metrics_token"][1]
    if "forward" in given:
        text, origin = given["forward"]
        given["forward"] = " ".join(target.name for target in parse_targets(text)), origin
    found: list[tuple[str, Any, str]] = [
        (spec.name, *given.get(spec.name, (spec.default, "default"))) for spec in fields(Settings)
    ]
    values = {
        name: {
            "value": value if isinstance(value, int | float) else value and str(value),
            "from": origin,
        }
        for name, value, origin in found
    }
    rows = [
        [name, "" if value is None else str(value), origin, env_of(name), help_of(name)]
        for name, value, origin in found
    ]
    show_rows = partial(table, ["setting", "value", "from", "variable", "meaning"], rows)
    print_result(values, show_rows, as_json=as_json)
