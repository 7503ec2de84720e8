"""Tables as files for spreadsheets."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..printable import printable

CSV = "text/csv; charset=utf-8"
# What a spreadsheet takes for a formula, or skips before one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def csv_lines(names: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """The lines of a CSV file: its columns, and its rows."""
    for row in (names, *rows):
        out = io.StringIO()
        csv.writer(out).writerow([csv_cell(value) for value in row])
        yield out.getvalue()


def csv_cell(value: Any) -> Any:
    """A cell that spreadsheets do not obey. An apostrophe makes it a text."""
    if not isinstance(value, str):
        return value
    return printable(f"'{value}" if value.startswith(_FORMULA) else value)
