"""Writing many rows in one statement: an `executemany` of 100 rows costs 100 round trips between
Python and SQLite."""

import json
import math
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

MAX_ROWS = (
    128  # in one statement; each number of rows is a statement of its own, which stays prepared
)


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


def load_json(text: str) -> Any:
    """A JSON column as data. Numbers beyond what Python reads or JSON readers take (1e999) become
    texts of their digits."""
    return json.loads(text, parse_int=_int, parse_float=_float)


def _int(digits: str) -> int | str:
    return int(digits) if len(digits) < 4000 else digits


def _float(digits: str) -> float | str:
    value = float(digits)
    return value if math.isfinite(value) else digits
