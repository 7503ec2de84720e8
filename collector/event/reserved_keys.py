"""Keys that would reach into the prototype of whatever object a reader merges them into."""

import json
from typing import Any

import msgspec


def may_have_reserved_keys(text: bytes) -> bool:
    """Whether JSON is worth a look by `reserved_key_in`. A search of bytes, which escapes such as
    `\\u005f` could deceive."""
    return b"__proto__" in text or b"constructor" in text or (b"\\" in text and b"\\u00" in text)


def reserved_key_in(text: str) -> str | None:
    """A reserved key in JSON text, None if there is none."""
    if not may_have_reserved_keys(text.encode()):
        return None
    try:
        return _find(msgspec.json.decode(text))
    except msgspec.DecodeError:
        # A number that is out of range. Its digits are kept, so it must be read in another way.
        return _find(json.loads(text, parse_int=str, parse_float=str))


def reserved_key_among(parts: dict[str, str]) -> str | None:
    """The key of a part that is reserved, or has a reserved key inside."""
    return next(
        (key for key, text in parts.items() if key == "__proto__" or reserved_key_in(text)), None
    )


def _find(value: Any) -> str | None:
    if isinstance(value, dict):
        if "__proto__" in value:
            return "__proto__"
        constructor = value.get("constructor")
        if isinstance(constructor, dict) and "prototype" in constructor:
            return "constructor"
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := _find(item))), None)
    return None
