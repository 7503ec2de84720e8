"""How commands talk: data on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_WIDE = 250  # columns of a table that nobody looks at in a terminal: nothing is cut
_quiet = False


def be_quiet(quiet: bool) -> None:
    """With `quiet`, notes and progress are not shown."""
    global _quiet  # noqa: PLW0603 - one process has one terminal
    _quiet = quiet


def note(message: str) -> None:
    """A line for the person at the terminal."""
    if not _quiet:
        fail(message)


def fail(message: str) -> None:
    """A line that is said in any case."""
    sys.stderr.write(f"{message}\n")
    sys.stderr.flush()


Step = Callable[[float, float | None], None]
"""Called with what is done, and of how much; None where that is not known."""


@contextmanager
def progress(what: str) -> Iterator[Step]:
    """A bar on standard error for what takes longer than a moment; nothing where nobody looks."""
    if _quiet or not sys.stderr.isatty():
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def data(text: str) -> None:
    """A line of data."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def json_data(value: Any) -> None:
    """JSON, readable by people too."""
    data(json.dumps(value, indent=2, ensure_ascii=False))


def table(
    columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()
) -> None:
    """A table on standard output. `numbers`: the columns that align right."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(
            column,
            justify="right" if column in numbers else "left",
            no_wrap=not sys.stdout.isatty(),
        )
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(shown)


def pairs(described: dict[str, str]) -> None:
    """Names and values on standard output, one pair a line."""
    width = max(map(len, described))
    for name, value in described.items():
        data(f"{name:<{width}}  {value}")
