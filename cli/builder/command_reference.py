"""The reference of the command line, from the commands themselves."""

import inspect
import re
from collections.abc import Iterator
from typing import Any

from ..help import default_of
from .markdown_table import escape_cell

_EXAMPLES = re.compile(r"\n\s*Examples:\s*(.+)\Z", re.DOTALL)


def commands() -> Iterator[tuple[str, Any, Any]]:
    """Yields every command with its full name and its context, groups before their commands, in the
    order of the help."""
    import typer

    from ..main import application

    root = typer.main.get_command(application())
    with root.make_context("thamesthrive", [], resilient_parsing=True) as context:
        yield from _walk("thamesthrive", root, context)


def _walk(name: str, command: Any, parent: Any) -> Iterator[tuple[str, Any, Any]]:
    yield name, command, parent
    if not hasattr(command, "commands"):
        return
    for word in command.list_commands(parent):
        inner = command.commands[word]
        if not inner.hidden:
            context = type(parent)(inner, info_name=inner.name, parent=parent)
            yield from _walk(f"{name} {inner.name}", inner, context)


def examples_of(command: Any) -> list[str]:
    """Returns the command lines that a command's help gives as examples."""
    found = _EXAMPLES.search(command.help or "")
    return re.findall(r"`([^`]+)`", found[1]) if found else []


def commands_markdown() -> str:
    """Returns the reference of all commands as Markdown."""
    lines = []
    for name, command, context in commands():
        lines += [
            f"{'##' if name.count(' ') < 2 else '###'} {name}",
            "",
            _EXAMPLES.sub("", inspect.cleandoc(command.help or "")),
            "",
            "```text",
            " ".join([name, *command.collect_usage_pieces(context)]),
            "```",
            "",
        ]
        if rows := [_row(parameter) for parameter in command.params if _is_shown(parameter)]:
            lines += ["| option | meaning |", "|---|---|", *rows, ""]
        if examples := examples_of(command):
            lines += ["```bash", *examples, "```", ""]
    return "\n".join(lines)


def _is_shown(parameter: Any) -> bool:
    completion = parameter.name in ("install_completion", "show_completion")
    return not parameter.hidden and not completion


def _row(parameter: Any) -> str:
    meaning = escape_cell(parameter.help or "")
    if parameter.param_type_name == "argument":
        return f"| `{parameter.metavar or parameter.name.upper()}` | {meaning} |"
    names = ", ".join(f"`{name}`" for name in [*parameter.opts, *parameter.secondary_opts])
    default = default_of(parameter)
    shown = f" Default: {default}." if default else ""
    return f"| {names} | {meaning}{escape_cell(shown)} |"
