"""Values in an event's JSON, and what else an event can be grouped by, as SQL.

Keys and texts are values of a statement and never part of its text: see `Term`. Where people are
to run a statement themselves, `inlined` writes its values into it.
"""

import re
from dataclasses import dataclass
from typing import Any

from .conditions import parse_path
from .rows import Term

MAX_LABEL = 200  # characters by which a value is told from another
DECIMALS = 6  # of a number; what is finer is rounded
UNITS = 10**DECIMALS
MAX_VALUE = 10**12  # numbers that are not below are not counted, nor those of the other sign

TYPE, SOURCE, CAMPAIGN = "type", "source", "campaign"
NAMES = (TYPE, SOURCE, CAMPAIGN)
"""What events can be grouped by besides a path: their type, the id of their source, and the
campaign that their session began with."""

# Such keys stand in JSON as they are, unless it has escapes.
_PLAIN_KEY = re.compile(r'[^"\\\x00-\x1f]*[^"\\\x00-\x1f0-9][^"\\\x00-\x1f]*')


@dataclass(frozen=True)
class JsonPath:
    """The way to a value in an event's JSON: a column, and keys of objects within each other.
    Where an object has a key twice, the first one counts."""

    column: str
    keys: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> "JsonPath":
        """Reads a path as in conditions: `price`, `cart.items`, `context.page.path`. Raises
        StoreError."""
        return cls(*parse_path(text))

    def label(self, *, is_fast: bool = False) -> Term:
        """The value as a text of at most MAX_LABEL characters; NULL if there is none. It is the text
        with which an unquoted condition finds the value: `path=label`. `is_fast`: the same in
        another way, which is faster and longer."""
        return self._found(
            "substr(CASE {type} WHEN 'true' THEN 'true' WHEN 'false' THEN 'false'"
            " WHEN 'null' THEN 'null' WHEN 'real' THEN"
            " iif(abs({value}) < 1e15 AND {value} = CAST({value} AS INTEGER),"
            " CAST(CAST({value} AS INTEGER) AS TEXT), CAST({value} AS TEXT))"
            f" ELSE CAST({{value}} AS TEXT) END, 1, {MAX_LABEL})",
            is_fast=is_fast,
        )

    def number(self, *, is_fast: bool = False) -> Term:
        """The value in millionths, rounded, if it is a number below MAX_VALUE; else NULL."""
        return self._found(
            f"CASE WHEN {{type}} IN ('integer', 'real') AND {{value}} > -{MAX_VALUE}"
            f" AND {{value}} < {MAX_VALUE} THEN iif({{type}} = 'integer', {{value}} * {UNITS},"
            f" CAST(round({{value}} * {UNITS}.0) AS INTEGER)) END",
            is_fast=is_fast,
        )

    def _found(self, expression: str, *, is_fast: bool) -> Term:
        made = expression.format(type="type", value="value")
        inside = "(SELECT iif(type IN ('object', 'array'), value, '{}')"
        tail = " WHERE CAST(key AS TEXT) = ? LIMIT 1)"
        levels = len(self.keys) - 1
        nested = f"{inside} FROM json_each(" * levels + self.column + f"){tail}" * levels
        general = f"(SELECT {made} FROM json_each({nested}){tail}"
        if not is_fast or not all(_PLAIN_KEY.fullmatch(key) for key in self.keys):
            return general, self.keys
        path = "$" + "".join(f'."{key}"' for key in self.keys)
        direct = expression.format(
            type=f"json_type({self.column}, ?)", value=f"json_extract({self.column}, ?)"
        )
        paths = [path] * direct.count("?")
        # SQLite's own paths do not find keys that are written with escapes.
        return f"iif(instr({self.column}, '\\'), {general}, {direct})", (*self.keys, *paths)


def inlined(term: Term) -> str:
    """A term with its values written into it, so that any client can run it."""
    text, values = term
    parts = text.split("?")
    if len(parts) != len(values) + 1:
        raise ValueError(f"{len(values)} values for {len(parts) - 1} question marks")
    return parts[0] + "".join(
        literal(value) + part for value, part in zip(values, parts[1:], strict=True)
    )


def literal(value: Any) -> str:
    """A value as SQLite reads it in a statement."""
    if isinstance(value, float):
        return repr(value).replace("inf", "9e999")
    if isinstance(value, int):
        return str(value)
    if "\0" in value:
        return f"CAST(x'{value.encode().hex()}' AS TEXT)"
    return "'" + str(value).replace("'", "''") + "'"
