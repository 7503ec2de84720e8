"""Rows, written many at a time and read a page at a time.

An `executemany` of 100 rows costs 100 round trips between Python and SQLite; one statement of 100
rows costs one.
"""

import json
import math
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

# In one statement. Each number of rows is a separate statement, which stays prepared.
MAX_ROWS = 128


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


def select_page(
    connection: sqlite3.Connection,
    table: str,
    columns: Iterable[str],
    *,
    equal: Mapping[str, Any],
    since: Mapping[str, Any] | None = None,
    after: int | None = None,
    before: int | None = None,
    limit: int,
) -> list[Any]:
    """Reads rows in which the columns of `equal` have these values, and those of `since`
    these or higher ones; None stands for any.

    With `after`, the first `limit` rows with a higher `seq`, oldest first. Otherwise the last
    `limit` rows, latest first, those with a lower `seq` than `before` if that is given.
    """
    filters = {f"{column} = ?": value for column, value in equal.items()}
    filters |= {f"{column} >= ?": value for column, value in (since or {}).items()}
    filters |= {"seq > ?": after, "seq < ?": before}
    given = {clause: value for clause, value in filters.items() if value is not None}
    where = f"WHERE {' AND '.join(given)}" if given else ""
    order = "DESC" if after is None else "ASC"
    return connection.execute(
        f"SELECT {', '.join(columns)} FROM {table} {where} ORDER BY seq {order} LIMIT ?",
        [*given.values(), limit],
    ).fetchall()


def load_json(text: str) -> Any:
    """A JSON column as data. Numbers beyond what Python reads or JSON readers take (1e999) become
    texts of their digits."""
    return json.loads(text, parse_int=_int, parse_float=_float)


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) < 4000 else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits
