"""Rows, written many at a time and read a page at a time.

An `executemany` of 100 rows costs 100 round trips between Python and SQLite; one statement of 100
rows costs one.
"""

import json
import math
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import lru_cache
from itertools import chain
from typing import Any

# In one statement. Each number of rows is a separate statement, which stays prepared.
MAX_ROWS = 128
# Of a page that is read: rows, and the characters with which it ends early.
PAGE_ROWS = 5000
PAGE_SIZE = 1024 * 1024


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
    table: str,
    columns: Sequence[str],
    *,
    equal: Mapping[str, Any],
    since: Mapping[str, Any] | None = None,
    after: int | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> Iterator[Any]:
    """Reads rows in which the columns of `equal` have these values, and those of `since` these or
    higher ones; None stands for any.

    With `after`, rows with a higher `seq`, oldest first. Otherwise the latest first. With `before`,
    those with a lower `seq`. At most `limit` rows. `columns` has `seq` among them.

    Rows are read a page at a time, and no read is open while the caller works: one that is would
    keep the write-ahead log from being cleared. So memory does not grow with the number or size of
    the rows, and rows that others add or remove meanwhile may be among them or not.
    """
    column = columns.index("seq")
    filters = {f"{name} = ?": value for name, value in equal.items()}
    filters |= {f"{name} >= ?": value for name, value in (since or {}).items()}
    left = math.inf if limit is None else limit
    while left > 0:
        wanted = min(left, PAGE_ROWS)
        page, is_full = _read_page(connection, table, columns, filters, after, before, int(wanted))
        yield from page
        left -= len(page)
        if not is_full:
            return
        last = page[-1][column]
        before, after = (last, None) if after is None else (before, last)


def _read_page(
    connection: sqlite3.Connection,
    table: str,
    columns: Sequence[str],
    filters: Mapping[str, Any],
    after: int | None,
    before: int | None,
    limit: int,
) -> tuple[list[Any], bool]:
    """The first rows, as many as PAGE_SIZE allows, and whether there may be more."""
    where, values = _where({**filters, "seq > ?": after, "seq < ?": before})
    order = "DESC" if after is None else "ASC"
    # Where the order needs sorting, it is numbers that are sorted, and not whole rows.
    found = connection.execute(
        f"SELECT {', '.join(f't.{column}' for column in columns)} FROM"
        f" (SELECT seq AS number FROM {table} {where} ORDER BY seq {order} LIMIT ?)"
        f" CROSS JOIN {table} t ON t.seq = number",
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
    connection: sqlite3.Connection, table: str, equal: Mapping[str, Any], number: int
) -> int:
    """The `seq` of the row with which the latest `number` that match begin; 0 if there are fewer."""
    where, values = _where({f"{name} = ?": value for name, value in equal.items()})
    row = connection.execute(
        f"SELECT seq FROM {table} {where} ORDER BY seq DESC LIMIT 1 OFFSET ?", [*values, number - 1]
    ).fetchone()
    return int(row[0]) if row else 0


def _where(filters: Mapping[str, Any]) -> tuple[str, list[Any]]:
    """A WHERE clause of what is not None, and its values."""
    given = {clause: value for clause, value in filters.items() if value is not None}
    return f"WHERE {' AND '.join(given)}" if given else "", list(given.values())


def load_json(text: str) -> Any:
    """A JSON column as data. Numbers beyond what Python reads or JSON readers take (1e999) become
    texts of their digits."""
    return json.loads(text, parse_int=_int, parse_float=_float)


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) < 4000 else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits
