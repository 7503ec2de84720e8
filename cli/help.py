"""How a command explains itself: its help, and what is said about a command line that is wrong.

Typer's own help has a column for each form of an option's name, which leaves a terminal of 80
columns 17 characters for what it means; and its own errors take five lines.
"""

import inspect
import re
import sys
from collections.abc import Iterable
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.panel import Panel

_NO_LIMIT = 2**31  # what is beyond says nothing to people


class Explained:
    """What commands and groups have in common."""

    params: list[Any]
    help: str | None

    def __init__(self, *args: Any, **options: Any) -> None:
        """Gives every argument, and every option that takes a value, a word for it: `ID`, `NUMBER`."""
        super().__init__(*args, **options)
        for parameter in self.params:
            parameter.metavar = parameter.metavar or _word_for(parameter)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Reads the words of a command line; an error knows whose they are."""
        try:
            found: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
            return found
        except TyperException as error:
            if getattr(error, "ctx", None) is None:
                error.ctx = ctx  # type: ignore[attr-defined]
            raise

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Prints the help, as Typer's own method does: usage, words and examples, then a panel for
        each kind of parameter, and one for each heading of commands."""
        from rich.console import Console
        from rich.markdown import Markdown
        from rich.padding import Padding
        from rich.text import Text

        console = Console(highlight=False)
        console.print(Padding(Text(ctx.get_usage(), style="bold"), 1))
        console.print(Padding(Markdown(inspect.cleandoc(self.help or "")), (0, 1, 1, 1)))
        shown = [one for one in ctx.command.get_params(ctx) if not one.hidden]
        for title, kind in (("Arguments", "argument"), ("Options", "option")):
            found = [one for one in shown if one.param_type_name == kind]
            if found:
                console.print(_panel(title, [(_names(one), _meaning(one)) for one in found]))
        for title, commands in _commands_of(ctx).items():
            console.print(_panel(title, commands))


class Command(Explained, TyperCommand):
    """A command whose help can be read on 80 columns."""

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """Returns the parts of the usage; only what may be left out is in brackets."""
        return [re.sub(r"^\{(.+)\}$", r"\1", piece) for piece in super().collect_usage_pieces(ctx)]


class Group(Explained, TyperGroup):
    """A group of commands whose help can be read on 80 columns."""


def default_of(parameter: Any) -> str:
    """What a parameter is if it is not given, as people read it; empty if that is nothing."""
    shown = parameter.show_default
    default = shown if isinstance(shown, str) else parameter.default
    return "" if default in (None, False, True) or callable(default) else str(default)


def usage_error(error: Any) -> str:
    """One line about a command line that is wrong: what is wrong, and where it is explained.
    `error`: an exception of Typer. Empty if there were no words at all, and help has been printed."""
    text = _what_is_wrong(error).rstrip(".")
    if not text:
        return ""
    ctx = getattr(error, "ctx", None)
    path = ctx.command_path if ctx else "thamesthrive"
    return f"{text}{'' if text.endswith('?') else '.'} See: {path} --help"


def _what_is_wrong(error: Any) -> str:
    parameter = getattr(error, "param", None)
    value, found, _ = error.message.partition(" is not ")
    if found and parameter is not None and _is_number(parameter):
        limits = _limits(parameter)
        kind = "number" if parameter.type.name.startswith("float") else "whole number"
        name = max(parameter.opts, key=len) if _is_option(parameter) else parameter.metavar
        return f"{name} must be a {kind}{limits and f' ({limits})'}, not {value}"
    name = getattr(error, "option_name", "")
    if "No such option" in error.message:
        meant = get_close_matches(name, error.possibilities or (), 1)
        return f"There is no option {name}." + "".join(f" Did you mean {one}?" for one in meant)
    text = str(error.format_message()).replace("No such command", "There is no command")
    extra = re.fullmatch(r"Got unexpected extra argument.*? \((.+)\)", text)
    if not extra:
        return text
    is_expanded = "--alias" in sys.argv and extra[1].startswith("/")
    hint = ". Put the value of --alias in quotes: shells expand braces" if is_expanded else ""
    return f"Unexpected argument: {extra[1]}{hint}"


def _is_option(parameter: Any) -> bool:
    return bool(parameter.param_type_name == "option")


def _is_number(parameter: Any) -> bool:
    return str(parameter.type.name).startswith(("int", "float"))


def _word_for(parameter: Any) -> str | None:
    if not _is_option(parameter):
        return str(parameter.name).upper()
    if parameter.is_flag or getattr(parameter, "count", False):
        return None
    kind = str(parameter.type.name)
    return "NUMBER" if _is_number(parameter) else "PATH" if kind == "path" else "TEXT"


def _limits(parameter: Any) -> str:
    low, high = (getattr(parameter.type, name, None) for name in ("min", "max"))
    if low is None:
        return ""
    return f"{low} or more" if high is None or high > _NO_LIMIT else f"{low} to {high}"


def _names(parameter: Any) -> "RenderableType":
    """The names of a parameter, with what it takes. Of a pair, each has a line."""
    from rich.text import Text

    if not _is_option(parameter):
        return Text(parameter.metavar, style="bold cyan")
    names = ", ".join(sorted(parameter.opts, key=len, reverse=True))
    if parameter.secondary_opts:
        names += "\n" + ", ".join(parameter.secondary_opts)
    text = Text(names, style="bold cyan")
    return text.append(f" {parameter.metavar}", style="yellow") if parameter.metavar else text


def _meaning(parameter: Any) -> "RenderableType":
    """What a parameter means, with its limits and its default."""
    from rich.markdown import Markdown

    shown = default_of(parameter) if parameter.show_default else ""
    notes = [_limits(parameter), f"default: {shown}" if shown else ""]
    if parameter.required and _is_option(parameter):
        notes.append("required")
    text = "; ".join(filter(None, notes))
    return Markdown(" ".join(filter(None, [parameter.help, text and f"[{text}]"])))


def _commands_of(ctx: Any) -> dict[str, list[tuple[str, "RenderableType"]]]:
    """The commands of a group under their headings, each with the first paragraph of its help."""
    from rich.markdown import Markdown

    found: dict[str, list[tuple[str, RenderableType]]] = {}
    group = ctx.command
    for name in group.list_commands(ctx) if isinstance(group, TyperGroup) else ():
        command: Any = group.get_command(ctx, name)
        if not command.hidden:
            words = inspect.cleandoc(command.help or "").partition("\n\n")[0]
            heading = getattr(command, "rich_help_panel", None) or "Commands"
            found.setdefault(heading, []).append((name, Markdown(words)))
    return found


def _panel(title: str, rows: "Iterable[tuple[RenderableType, RenderableType]]") -> "Panel":
    from rich.panel import Panel
    from rich.table import Table

    table = Table.grid(padding=(0, 2), expand=True)
    table.add_column(no_wrap=True, style="bold cyan")
    table.add_column(ratio=1)
    for row in rows:
        table.add_row(*row)
    return Panel(table, title=title, title_align="left", border_style="dim")
