"""What an expectation accepts: values, parts of objects, and matchers that stand for many values."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MISSING = type("Missing", (), {"__repr__": lambda _: "nothing"})()


class Matcher:
    """Stands for the values that are equal to it. Subclasses say which in `accepts`."""

    def accepts(self, value: Any) -> bool:
        """Whether the value is one of those."""
        raise NotImplementedError

    def __eq__(self, other: object) -> bool:
        return self is other or self.accepts(other)

    __hash__ = None  # type: ignore[assignment]


class _Any(Matcher):
    def accepts(self, value: Any) -> bool:
        return value is not MISSING

    def __repr__(self) -> str:
        return "ANY"


class _Absent(Matcher):
    def accepts(self, value: Any) -> bool:
        return value is MISSING

    def __repr__(self) -> str:
        return "ABSENT"


ANY = _Any()
ABSENT = _Absent()


@dataclass(frozen=True, eq=False)
class _Regex(Matcher):
    pattern: re.Pattern[str]

    def accepts(self, value: Any) -> bool:
        return isinstance(value, str) and self.pattern.search(value) is not None

    def __repr__(self) -> str:
        return f"regex({self.pattern.pattern!r})"


def regex(pattern: str | re.Pattern[str], flags: int = 0) -> Matcher:
    """Any string in which the pattern is found; `^…$` is for the whole of it."""
    return _Regex(re.compile(pattern, flags) if isinstance(pattern, str) else pattern)


@dataclass(frozen=True, eq=False, repr=False)
class _Approx(Matcher):
    number: float
    margin: float

    def accepts(self, value: Any) -> bool:
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        return is_number and math.isclose(value, self.number, rel_tol=0, abs_tol=self.margin)

    def __repr__(self) -> str:
        return f"approx({self.number}, abs={self.margin})"


def approx(number: float, *, abs: float | None = None) -> Matcher:  # noqa: A002 - as in pytest
    """Any number within `abs` of this one; by default within a millionth of it."""
    margin = 1e-6 * max(1.0, math.fabs(number)) if abs is None else abs
    return _Approx(number, margin)


@dataclass(frozen=True, eq=False, repr=False)
class _OneOf(Matcher):
    choices: tuple[Any, ...]

    def accepts(self, value: Any) -> bool:
        return value is not MISSING and any(not differences(each, value) for each in self.choices)

    def __repr__(self) -> str:
        return f"one_of({', '.join(map(repr, self.choices))})"


def one_of(*choices: Any) -> Matcher:
    """Any value that one of the choices accepts."""
    return _OneOf(choices)


@dataclass(frozen=True)
class Difference:
    """One place where a value is not what was expected. `path`: e.g. `properties.items[0].price`.
    `actual` is MISSING where there is nothing."""

    path: str
    expected: Any
    actual: Any

    def __str__(self) -> str:
        if self.actual is MISSING:
            return f"{self.path}: expected {shown(self.expected)}, is missing"
        found = shown(self.actual)
        if type(self.expected) is not type(self.actual) and found == shown(self.expected):
            found += f" ({type(self.actual).__name__})"
        return f"{self.path}: expected {shown(self.expected)}, stored {found}"


def differences(expected: Any, actual: Any, path: str = "") -> list[Difference]:
    """Where `actual` is not as expected. Objects may have more keys than expected ones, at any
    depth; lists have to have the same length."""
    if isinstance(expected, Mapping) and isinstance(actual, Mapping):
        return [
            found
            for key, value in expected.items()
            for found in differences(value, actual.get(key, MISSING), _below(path, str(key)))
        ]
    if _is_list(expected) and _is_list(actual) and len(expected) == len(actual):
        return [
            found
            for index, value in enumerate(expected)
            for found in differences(value, actual[index], f"{path}[{index}]")
        ]
    return [] if _equal(expected, actual) else [Difference(path, expected, actual)]


def _equal(expected: Any, actual: Any) -> bool:
    if isinstance(expected, int | float) and isinstance(expected, bool) != isinstance(actual, bool):
        return False  # in JSON, true is not 1
    return bool(expected == actual)


def _is_list(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)


def _below(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def shown(value: Any, limit: int = 200) -> str:
    """A value as messages show it: JSON's look for what is JSON, cut at `limit` characters."""
    text = _literal(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _literal(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, str):
        return f'"{value}"'
    if isinstance(value, Mapping):
        return "{" + ", ".join(f'"{key}": {_literal(each)}' for key, each in value.items()) + "}"
    if _is_list(value):
        return "[" + ", ".join(map(_literal, value)) + "]"
    return repr(value)


def how_often(count: int) -> str:
    """`once`, or `3 times`."""
    return "once" if count == 1 else f"{count} times"


def counted(count: int, what: str) -> str:
    """`1 request`, `2 requests`."""
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
