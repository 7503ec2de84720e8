"""Conditions on what is in an event's JSON, as people write them: `price>10`,
`properties.item=shoes`, `context.page."my.key"!="x"`."""

import json
import re
from dataclasses import dataclass
from typing import Any

from ..errors import StoreError

OPERATORS = ("=", "!=", "<", "<=", ">", ">=", "~", "!~")
EQUAL = "=="  # as in many languages; the same as "="
COLUMNS = ("properties", "context")
# Nothing is tried twice (`++`): a text of many ways to be read would keep a process for ever.
_KEY = r'(?:"(?:[^"\\]|\\.)*+"|[^"=!<>~.]++)'
_PATH = re.compile(rf"{_KEY}\s*+(?:\.\s*+{_KEY}\s*+)*+")
_CONDITION = re.compile(rf"({_PATH.pattern})(!?~|[=!<>]+)(.*)", re.DOTALL)
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
MAX_KEYS = 32  # SQLite joins no more than 64 tables; events are not deeper either
_WORDS = ("true", "false", "null")
_SQLITE_INTEGERS = range(-(2**63), 2**63)


@dataclass(frozen=True)
class Condition:
    """What an event has to meet. `keys`: the way to the value within a column of JSON. `text`: the
    value that it is compared with, as it was written; `is_quoted`: it is a text, whatever is in it.

    Numbers compare as numbers and texts as texts. A value that was not quoted and could be either
    equals both: `10` is the number, and the text of these characters. `~` is for texts that contain
    another one, whatever its case. An event that has no such value meets no condition on it.
    """

    column: str
    keys: tuple[str, ...]
    operator: str
    text: str
    is_quoted: bool = False

    def sql(self) -> tuple[str, list[Any]]:
        """A term of a WHERE clause over the view `events`, and its values. Keys and texts are values,
        so nothing in them is SQL, nor a path of SQLite's JSON functions."""
        tables, keys = [], []
        for level in range(len(self.keys)):
            above = f"j{level - 1}"
            # What is inside of a text or a number would not be JSON.
            inside = f"iif({above}.type IN ('object', 'array'), {above}.value, '{{}}')"
            tables.append(f"json_each({inside if level else self.column}) j{level}")
            keys.append(f"CAST(j{level}.key AS TEXT) = ?")
        test, values = self._test(f"j{len(self.keys) - 1}")
        where = " AND ".join([*keys, test])
        return (
            f"EXISTS (SELECT 1 FROM {' CROSS JOIN '.join(tables)} WHERE {where})",
            [*self.keys, *values],
        )

    def _test(self, found: str) -> tuple[str, list[Any]]:
        is_text = f"{found}.type = 'text'"
        is_number = f"{found}.type IN ('integer', 'real')"
        number = None if self.is_quoted else _number(self.text)
        if self.operator in ("=", "!="):
            tests = [f"{is_text} AND {found}.value = ?"]
            values: list[Any] = [self.text]
            if number is not None:
                tests.append(f"{is_number} AND {found}.value = ?")
                values.append(number)
            elif self.text in _WORDS and not self.is_quoted:
                tests.append(f"{found}.type = ?")
                values.append(self.text)
            equal = f"({' OR '.join(tests)})"
            return equal if self.operator == "=" else f"NOT {equal}", values
        if self.operator in ("~", "!~"):
            inside = f"instr(lower({found}.value), lower(?)) > 0"
            test = f"{is_text} AND {inside}"
            return test if self.operator == "~" else f"NOT ({test})", [self.text]
        kind, value = (is_text, self.text) if number is None else (is_number, number)
        return f"{kind} AND {found}.value {self.operator} ?", [value]


def parse_condition(text: str) -> Condition:
    """Reads a condition. Raises StoreError, which says what is right."""
    found = _CONDITION.fullmatch(text.strip())
    parts = [part.strip() for part in re.findall(_KEY, found[1])] if found else []
    value = found[3].strip() if found else ""
    if (
        not found
        or found[2] not in (*OPERATORS, EQUAL)
        or not all(parts)
        or len(parts) > MAX_KEYS
        or (not value and found[2] not in ("=", "!=", EQUAL))
    ):
        raise StoreError(
            f"{text!r} is not a condition. Write a path, an operator and a value, in quotes because of"
            f" the shell, as in 'price>10'. The operators are {' '.join(OPERATORS)}."
        )
    column, keys = _column_of(text, parts)
    is_quoted = value[:1] in ('"', "'")
    operator = "=" if found[2] == EQUAL else found[2]
    return Condition(column, keys, operator, _unquoted(text, value), is_quoted)


def parse_path(text: str) -> tuple[str, tuple[str, ...]]:
    """Reads the path of a condition: the column and the keys. Raises StoreError."""
    found = _PATH.fullmatch(text.strip())
    parts = [part.strip() for part in re.findall(_KEY, found[0])] if found else []
    if not found or not all(parts) or len(parts) > MAX_KEYS:
        raise StoreError(
            f"{text!r} is not a path. Write the name of a property, as in price or cart.items, or a"
            " path in the context, as in context.page.path."
        )
    return _column_of(text, parts)


def _column_of(text: str, parts: list[str]) -> tuple[str, tuple[str, ...]]:
    """The column that a path begins with, or else that of properties, and the keys in it."""
    keys = [_unquoted(text, part) for part in parts]
    column = keys.pop(0) if len(keys) > 1 and parts[0] in COLUMNS else COLUMNS[0]
    return column, tuple(keys)


def _unquoted(condition: str, text: str) -> str:
    """A text without the quotes around it, in which JSON's escapes stand for characters."""
    quote = text[:1]
    if quote == "'" and text.endswith("'") and len(text) > 1:
        return text[1:-1]
    if quote not in ('"', "'"):
        return text
    try:
        return str(json.loads(text, strict=False))
    except ValueError as error:
        raise StoreError(
            f"The quoted text {text} of {condition!r} does not end, or is no JSON string. Write a"
            ' backslash before a quote inside, as in "a \\"b\\"".'
        ) from error


def _number(text: str) -> int | float | None:
    if not _NUMBER.fullmatch(text):
        return None
    if re.fullmatch("-?[0-9]+", text) and len(text) < 20 and int(text) in _SQLITE_INTEGERS:
        return int(text)
    return float(text)
