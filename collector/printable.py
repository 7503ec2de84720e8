"""Texts of strangers for terminals, logs and spreadsheets: shown, and never obeyed."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

# What a terminal obeys or reorders text by: C0 but for tab and line feed, DEL, C1, line and
# paragraph separators, bidirectional controls; and surrogates, which have no UTF-8.
_UNSAFE = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)

# What a spreadsheet takes for a formula, or skips before one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def printable(text: str) -> str:
    r"""Returns a text with such characters as `\u001b`. JSON means the same after it."""
    return _UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def csv_cell(value: Any) -> Any:
    """A cell that neither spreadsheets nor terminals obey. An apostrophe makes it a text; None is
    empty."""
    if not isinstance(value, str):
        return "" if value is None else value
    return printable(f"'{value}" if value.startswith(_FORMULA) else value)


def csv_lines(columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Iterator[str]:
    """A table as lines of CSV, the headings first."""
    text = io.StringIO()
    writer = csv.writer(text)
    for row in (columns, *rows):
        writer.writerow([csv_cell(value) for value in row])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
