"""How commands talk: data on standard output, everything else on standard error."""

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDE = 250  # columns of a table that nobody looks at in a terminal: nothing is cut


def note(message: str) -> None:
    """A line for the person at the terminal."""
    Console(stderr=True, soft_wrap=True, highlight=False).print(Text(message))


def data(text: str) -> None:
    """A line of data."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def json_data(value: Any) -> None:
    """JSON, readable by people too."""
    data(json.dumps(value, indent=2, ensure_ascii=False))


def table(columns: Sequence[str], rows: Iterable[Sequence[str]], *, numbers: Sequence[str] = ()) -> None:
    """A table on standard output. `numbers`: the columns that align right."""
    shown = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        shown.add_column(column, justify="right" if column in numbers else "left", no_wrap=not sys.stdout.isatty())
    for row in rows:
        shown.add_row(*(Text(cell) for cell in row))
    Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False).print(shown)


def pairs(described: dict[str, str]) -> None:
    """Names and values on standard output, one pair a line."""
    width = max(map(len, described))
    for name, value in described.items():
        data(f"{name:<{width}}  {value}")
