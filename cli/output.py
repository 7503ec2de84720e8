"""How commands print: data on standard output, everything else on standard error.

Whatever is printed goes through `printable`, because much of it was written by strangers.
"""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from collector.printable import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

_WIDE = 250  # columns of a table that nobody looks at in a terminal: nothing is cut
_GAP = 4  # columns between two tables
PROGRESS_DELAY = 1.0  # seconds: shorter work shows no progress
MAX_CELL = 2000  # characters of a table's cell: more than fits in any terminal's line
_quiet = False

T = TypeVar("T")


def set_quiet(quiet: bool) -> None:
    """Hides notes and progress, or shows them again."""
    global _quiet  # noqa: PLW0603 - one process has one terminal
    _quiet = quiet


def note(message: str) -> None:
    """Prints a line for the person at the terminal, unless that person wants quiet."""
    if not _quiet:
        fail(message)


def fail(message: str) -> None:
    """Prints a line on standard error in any case."""
    sys.stderr.write(printable(message) + "\n")
    sys.stderr.flush()


Step = Callable[[float, float | None], None]
"""Called with what is done, and of how much; None where that is not known."""


@contextmanager
def progress(what: str) -> Iterator[Step]:
    """Shows a bar on standard error, if that is a terminal."""
    if _quiet or not sys.stderr.isatty():
        yield lambda _, __: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def delayed_progress(what: str) -> Iterator[Callable[[int, int], None]]:
    """Shows a bar once the work has taken longer than PROGRESS_DELAY. Gives what is called with how
    much is done, and of how much."""
    started = perf_counter()
    step: Step | None = None
    with ExitStack() as stack:

        def report(done: int, total: int) -> None:
            nonlocal step
            if step is None and perf_counter() - started > PROGRESS_DELAY:
                step = stack.enter_context(progress(what))
            if step is not None:
                step(done, total)

        yield report


def data(text: str, end: str = "\n") -> None:
    """Prints data, a line by default."""
    sys.stdout.write(printable(text) + end)
    sys.stdout.flush()


def json_data(value: Any) -> None:
    """Prints JSON that people can read, too. Library objects are printed as their `as_dict()`."""
    data(_json(value))


def show(value: Any, for_people: Callable[[], object], *, as_json: bool) -> None:
    """Prints a command's result: as JSON if that is wanted, or as `for_people` does."""
    if as_json:
        json_data(value)
    else:
        for_people()


def show_list(
    found: Iterable[T],
    columns: Mapping[str, str | Callable[[T], str]],
    *,
    empty: str,
    as_json: bool,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Prints a list: as JSON, as a table, or as the note `empty`. Items are not kept, so they may
    come from an iterator that reads them one after the other.

    `columns`: each column's heading, and the attribute or the function that gives its text for an
    item; `numbers`: the headings of those that align right; `whole`: of those that a narrow terminal
    leaves whole.
    """

    def text(cell: str | Callable[[T], str], item: T) -> str:
        return str(getattr(item, cell)) if isinstance(cell, str) else cell(item)

    if as_json:
        _json_array(found)
        return
    rows = [[text(cell, item)[:MAX_CELL] for cell in columns.values()] for item in found]
    if rows:
        table([*columns], rows, numbers=numbers, whole=whole)
    else:
        note(empty)


def _json_array(items: Iterable[Any]) -> None:
    """Prints what `json_data` prints for a list, an item at a time."""
    opening = "["
    for item in items:
        inner = _json(item).replace("\n", "\n  ")
        data(f"{opening}\n  {inner}", end="")
        opening = ","
    data("[]" if opening == "[" else "\n]")


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=lambda found: found.as_dict())


class Table(NamedTuple):
    """A table: headings, rows, the headings of columns that align right (`numbers`), and of those
    that a narrow terminal leaves whole (`whole`)."""

    columns: Sequence[str]
    rows: Iterable[Sequence[str]]
    numbers: Sequence[str] = ()
    whole: Sequence[str] = ()


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """Prints a table. See `Table`."""
    _console().print(_drawn(Table(columns, rows, numbers, whole)))


def tables(shown: Iterable[Table]) -> None:
    """Prints tables, an empty line before each: two beside each other on a terminal that is wide
    enough for it."""
    from rich.table import Table as RichTable

    console = _console()
    drawn = [_drawn(one) for one in shown]
    half = (console.width - _GAP) // 2
    is_wide = sys.stdout.isatty() and all(console.measure(one).maximum <= half for one in drawn)
    step = 2 if is_wide else 1
    for first in range(0, len(drawn), step):
        row = RichTable.grid(padding=(0, _GAP))
        for _ in range(step):
            row.add_column(width=half if is_wide else None)
        row.add_row(*drawn[first : first + step])
        console.print()
        console.print(row)


def _drawn(shown: Table) -> "RichTable":
    from rich.table import Table as RichTable
    from rich.text import Text

    drawn = RichTable(box=None, pad_edge=False, header_style="bold")
    for column in shown.columns:
        drawn.add_column(
            column,
            justify="right" if column in shown.numbers else "left",
            no_wrap=column in shown.whole or not sys.stdout.isatty(),
        )
    for row in shown.rows:
        drawn.add_row(*(Text(printable(cell)) for cell in row))
    return drawn


def _console() -> "Console":
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False)


def key_values(values: Mapping[str, str]) -> None:
    """Prints names and values, one pair a line."""
    width = max(map(len, values))
    for name, value in values.items():
        data(f"{name:<{width}}  {value}")
