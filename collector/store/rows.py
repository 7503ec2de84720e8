"""Rows, written many at a time and read a page at a time.

An `executemany` of 100 rows costs 100 round trips between Python and SQLite; one statement of 100
rows costs one.
"""

import json
import math
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import chain
from typing import Any, NamedTuple

# In one statement. Each number of rows is a separate statement, which stays prepared.
MAX_ROWS = 128
# Of a page that is read: rows, and the characters with which it ends early.
PAGE_ROWS = 5000
PAGE_SIZE = 1024 * 1024

Term = tuple[str, Sequence[Any]]
"""A term of a WHERE clause, and the values of its question marks."""


class Search(NamedTuple):
    """What is searched for: rows of a table or view that meet all terms.

    `window`: how many numbers a statement may look at, where no index finds what is wanted; None for
    any number. `has_index`: an index finds the few rows that are wanted. Without being told, SQLite
    would rather look at all rows between two numbers than at those of a visitor.
    """

    table: str
    terms: Sequence[Term]
    window: int | None = None
    has_index: bool = False

    def where(self, after: int | None, before: int | None) -> tuple[str, list[Any]]:
        """The WHERE clause for rows between two numbers, both excluded, and its values."""
        seq = "+seq" if self.has_index else "seq"
        terms = [*self.terms, *compared(">", {seq: after}), *compared("<", {seq: before})]
        clause = " AND ".join(term for term, _ in terms)
        return clause and f"WHERE {clause}", [value for _, values in terms for value in values]

    def pieces(
        self, after: int | None, before: int | None, *, is_backward: bool
    ) -> Iterator[tuple[int | None, int | None]]:
        """The ranges of numbers that are looked at one after the other, both ends excluded."""
        if self.window is None or before is None:
            yield after, before
            return
        lowest = after or 0
        for start in range(0, before - 1 - lowest, self.window):
            if is_backward:
                yield max(lowest, before - 1 - start - self.window), before - start
            else:
                yield lowest + start, min(before, lowest + start + self.window + 1)


@lru_cache(maxsize=1024)
def _statement(head: str, columns: int, rows: int, tail: str) -> str:
    one = f"({','.join('?' * columns)})"
    return f"{head} VALUES {','.join([one] * rows)} {tail}"


def insert_rows(
    connection: sqlite3.Connection, head: str, rows: Sequence[tuple[Any, ...]], tail: str = ""
) -> int:
    """Runs `<head> VALUES (…),(…) <tail>` for all rows, in order. Returns how many rows were
    written."""
    written = 0
    for start in range(0, len(rows), MAX_ROWS):
        part = rows[start : start + MAX_ROWS]
        statement = _statement(head, len(part[0]), len(part), tail)
        written += connection.execute(statement, tuple(chain.from_iterable(part))).rowcount
    return written


def select_rows(
    connection: sqlite3.Connection,
    search: Search,
    columns: Sequence[str],
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> Iterator[Any]:
    """Reads rows that are searched for.

    With `after`, rows with a higher `seq`, oldest first. Otherwise the latest first. With `before`,
    those with a lower `seq`. At most `limit` rows. `columns` has `seq` among them. A search with a
    window needs `before`.

    Rows are read a page at a time, and no read is open while the caller works: one that is would
    keep the write-ahead log from being cleared. So memory does not grow with the number or size of
    the rows, and rows that others add or remove meanwhile may be among them or not.
    """
    column = columns.index("seq")
    left = math.inf if limit is None else limit
    is_backward = after is None
    for low, high in search.pieces(after, before, is_backward=is_backward):
        is_full = True
        while left > 0 and is_full:
            page, is_full = _read_page(
                connection, search, columns, (low, high), int(min(left, PAGE_ROWS)), is_backward
            )
            yield from page
            left -= len(page)
            if page:
                last = page[-1][column]
                low, high = (low, last) if is_backward else (last, high)  # noqa: PLW2901
        if left <= 0:
            return


def _read_page(
    connection: sqlite3.Connection,
    search: Search,
    columns: Sequence[str],
    ends: tuple[int | None, int | None],
    limit: int,
    is_backward: bool,
) -> tuple[list[Any], bool]:
    """The first rows, as many as PAGE_SIZE allows, and whether there may be more."""
    where, values = search.where(*ends)
    order = "DESC" if is_backward else "ASC"
    # Where the order needs sorting, it is numbers that are sorted, and not whole rows.
    found = connection.execute(
        f"SELECT {', '.join(f't.{column}' for column in columns)} FROM"
        f" (SELECT seq AS number FROM {search.table} {where} ORDER BY seq {order} LIMIT ?)"
        f" CROSS JOIN {search.table} t ON t.seq = number",
        [*values, limit],
    )
    page: list[Any] = []
    size = 0
    with closing(found):
        for row in found:
            page.append(row)
            size += sum(len(value) for value in row if isinstance(value, str))
            if size >= PAGE_SIZE:
                return page, True
    return page, len(page) == limit


def nth_latest(
    connection: sqlite3.Connection,
    search: Search,
    number: int,
    after: int,
    before: int,
    progress: Callable[[int, int], object] = lambda _, __: None,
) -> int:
    """The `seq` of the row with which the latest `number` begin that are searched for, or all of them
    if there are fewer; 0 if there is none. `after` and `before`: see `select_rows`. `progress` is
    called with how many numbers were looked at, and of how many."""
    first = 0
    for ends in search.pieces(after, before, is_backward=True):
        where, values = search.where(*ends)
        count, lowest = connection.execute(
            "SELECT count(*), min(seq) FROM"
            f" (SELECT seq FROM {search.table} {where} ORDER BY seq DESC LIMIT ?)",
            [*values, number],
        ).fetchone()
        if count:
            first, number = lowest, number - count
        if not number:
            break
        progress(before - 1 - (ends[0] or 0), before - 1 - after)
    return first


def compared(operator: str, columns: Mapping[str, Any]) -> list[Term]:
    """A term for each column that compares it with its value; None stands for any."""
    return [
        (f"{name} {operator} ?", [value]) for name, value in columns.items() if value is not None
    ]


ANY_RUN = "*"
"""Rows of any run of tests, and of none."""


def of_run(run: str | None) -> list[Term]:
    """A term for rows of a run of tests; None stands for rows of none."""
    if run == ANY_RUN:
        return []
    # With a plain `run IS NULL`, SQLite first reads all requests into a Bloom filter of those of no
    # run, which are nearly all: two seconds of twenty million events for the latest fifty.
    return [("iif(seq, run, 0) IS NULL", []) if run is None else ("run = ?", [run])]


def load_json(text: str) -> Any:
    """A JSON column as data. Numbers beyond what Python reads or JSON readers take (1e999) become
    texts of their digits."""
    return json.loads(text, parse_int=_int, parse_float=_float)


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) < 4000 else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits
