"""What a field of an event source can hold: its column, its JSON type and its check, together."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ..errors import StoreError
from ..event.types import is_printable

ORIGIN = (
    r"https?://(\*\.)?"
    r"([A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])"
    r"(:([0-9]{1,5}|\*))?"
)
MAX_COUNT = 2**31 - 1
MAX_NUMBERS = 20  # numeric properties of a source that are counted
MAX_NUMBER = 300  # characters of one of them


def _as_stored(stored: Any) -> Any:
    return stored


@dataclass(frozen=True)
class Kind:
    """A kind of value.

    `column`: SQL type and check, with `{name}` for the column's name. `schema`: JSON Schema.
    `to_column(name, value)`: the value as it is stored; raises StoreError for one that cannot be.
    """

    column: str
    schema: dict[str, Any]
    default: Any
    to_column: Callable[[str, Any], Any]
    from_column: Callable[[Any], Any] = _as_stored


@dataclass(frozen=True)
class SourceField:
    """A field of a source: what the command line, the HTTP API and the reference know about it.

    `flag`: its option, if it is not the field's name. `former`: its name in the release before.
    """

    kind: Kind
    help: str
    flag: str = ""
    former: str = ""


def declare(kind: Kind, help_text: str, *, flag: str = "", former: str = "") -> Any:
    """Declares a field of the dataclass `Source`."""
    spec = SourceField(kind, help_text, flag, former)
    return field(default=kind.default, metadata={"source_field": spec})


def line() -> Kind:
    """One line of text, not empty."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or not value.strip():
            raise StoreError(f"An event source needs a {name}.")
        if not is_printable(value):
            raise StoreError(
                f"The {name} of an event source must be one line without control characters."
            )
        return value.strip()

    pattern = r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$"
    return Kind("TEXT NOT NULL", {"type": "string", "pattern": pattern}, "", check)


def label() -> Kind:
    """One line of text, or none."""

    def check(name: str, value: Any) -> str:
        if not isinstance(value, str) or not is_printable(value):
            raise StoreError(f"{name} must be one line without control characters, or empty.")
        return value.strip()

    schema = {"type": "string", "pattern": r"^[^\x00-\x1f\x7f]*$"}
    return Kind("TEXT NOT NULL DEFAULT ''", schema, "", check)


def flag(*, default: bool = False) -> Kind:
    """True or false."""

    def check(name: str, value: Any) -> int:
        if not isinstance(value, bool):
            raise StoreError(f"{name} must be true or false, not {value!r}.")
        return int(value)

    column = f"INTEGER NOT NULL DEFAULT {int(default)} CHECK ({{name}} IN (0, 1))"
    return Kind(column, {"type": "boolean"}, default, check, bool)


def count() -> Kind:
    """A whole number of at least 1, or None for no limit."""

    def check(name: str, value: Any) -> int | None:
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # JSON knows one kind of number
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool) or not 0 < value <= MAX_COUNT:
            raise StoreError(
                f"{name} must be a whole number of at least 1, or none, not {value!r}."
            )
        return value

    schema = {"type": ["integer", "null"], "minimum": 1, "maximum": MAX_COUNT}
    return Kind("INTEGER CHECK ({name} > 0)", schema, None, check)


def choice(what: str, *words: str) -> Kind:
    """One of some words, the first by default. `what`: what they are called, e.g. `a colour`."""

    def check(name: str, value: Any) -> str:
        if value not in words:
            raise StoreError(f"{value!r} is not {what}. Choose from {', '.join(words)}.")
        return str(value)

    quoted = ", ".join(f"'{word}'" for word in words)
    column = f"TEXT NOT NULL DEFAULT '{words[0]}' CHECK ({{name}} IN ({quoted}))"
    return Kind(column, {"enum": [*words]}, words[0], check)


def _list(
    item: dict[str, Any],
    default: tuple[str, ...],
    check: Callable[[list[str]], list[str]],
    *,
    most: int | None = None,
) -> Kind:
    def to_column(name: str, value: Any) -> str:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise StoreError(f"{name} must be a list of strings, not {value!r}.")
        return json.dumps(check(list(value)))

    schema: dict[str, Any] = {"type": "array", "items": item}
    if default:
        schema["minItems"] = 1
    if most:
        schema["maxItems"] = most
    column = f"TEXT NOT NULL DEFAULT '{json.dumps(default)}'"
    return Kind(column, schema, default, to_column, lambda stored: tuple(json.loads(stored)))


def origins() -> Kind:
    """Origins of pages: scheme, host and port, with `*.` for any subdomain and `:*` for any port."""

    def check(values: list[str]) -> list[str]:
        found = [value.strip().rstrip("/").lower() for value in values]
        for origin in found:
            if not re.fullmatch(ORIGIN, origin):
                raise StoreError(
                    f"{origin!r} is not an origin."
                    " Write scheme, host and port, as in https://shop.example.com"
                )
        return found

    return _list({"type": "string", "pattern": f"^{ORIGIN}$"}, (), check)


def numbers() -> Kind:
    """Numeric properties of event types, as type:property."""
    pattern = r"[^\x00-\x1f\x7f]+:[^\x00-\x1f\x7f:]+"

    def check(values: list[str]) -> list[str]:
        found = [value.strip() for value in values]
        for given, number in zip(values, found, strict=True):
            if not re.fullmatch(pattern, number) or len(given) > MAX_NUMBER:
                raise StoreError(
                    f"{number!r} is not a property of an event type."
                    " Write type and property, as in purchase-order:price"
                )
        if len(found) > MAX_NUMBERS:
            raise StoreError(f"A source has at most {MAX_NUMBERS} numbers.")
        return list(dict.fromkeys(found))

    # Stricter than the check: blanks around a value are removed, and something must be left.
    kind = r"[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f\x85][^\x00-\x1f\x7f]*"
    name = r"[^\x00-\x1f\x7f:]*[^\s\x00-\x1f\x7f\x85:][^\x00-\x1f\x7f:]*"
    item = {"type": "string", "pattern": f"^{kind}:{name}$", "maxLength": MAX_NUMBER}
    return _list(item, (), check, most=MAX_NUMBERS)


def bridges(*words: str) -> Kind:
    """Ways in that a source accepts: at least one, the first by default."""

    def check(values: list[str]) -> list[str]:
        for bridge in values:
            if bridge not in words:
                raise StoreError(f"{bridge!r} is not a bridge. Choose from {', '.join(words)}.")
        if not values:
            raise StoreError("A source without a bridge accepts nothing. Disable it instead.")
        return values

    return _list({"enum": [*words]}, words[:1], check)
