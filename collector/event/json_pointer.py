"""JSON pointers (RFC 6901): where a pointer leads in a text, so that people can be shown the place."""

import json
import re
from typing import Any, NamedTuple

import msgspec

_decode = json.JSONDecoder(parse_int=str, parse_float=str, strict=False)
_BLANK = re.compile(r"[ \t\r\n]*")


class Marked(NamedTuple):
    """A text in three parts: `marked` is the one that a pointer leads to, empty if it leads nowhere."""

    before: str
    marked: str
    after: str


def escape(step: str) -> str:
    """A key as a part of a pointer."""
    return step.replace("~", "~0").replace("/", "~1")


def steps_of(pointer: str) -> list[str]:
    """A pointer's keys. Raises ValueError for what is no pointer."""
    if pointer and not pointer.startswith("/"):
        raise ValueError(f"{pointer!r} is no JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:]]


def value_at(value: Any, pointer: str) -> Any:
    """What a pointer leads to within data. Raises LookupError or ValueError if that is nothing."""
    for step in steps_of(pointer):
        value = value[int(step)] if isinstance(value, list) else value[step]
    return value


def mark(text: str, pointer: str) -> Marked:
    """JSON text, indented, with the place that a pointer leads to: a key with its value, or an
    array's value. Where it leads to nothing, as a required key does, it is the key of the last
    object on the way. Text that is not JSON is left as it is, and nothing of it is marked."""
    try:
        # Numbers keep their digits, and keys that come twice both stay.
        shown = msgspec.json.format(text, indent=2)
        start, end = _span(shown, steps_of(pointer))
    except (msgspec.DecodeError, ValueError, RecursionError, UnicodeError):
        return Marked(text, "", "")
    return Marked(shown[:start], shown[start:end], shown[end:])


def _span(text: str, steps: list[str]) -> tuple[int, int]:
    """Where the last part that exists begins and ends. Raises ValueError if `text` is not JSON."""
    found = (0, 0)
    place = _skip(text, 0)
    for number, step in enumerate(steps):
        member = _find(text, place, step)
        if member is None:
            return found
        start, place, end = member
        # What is only on the way is marked by its key.
        last = number == len(steps) - 1
        found = (start, end if last else max(start, text.rfind('"', start, place) + 1))
    return found


def _find(text: str, place: int, step: str) -> tuple[int, int, int] | None:
    """Of a member of the object or array at `place`: where it begins, where its value does, and
    where that ends. Of a key that comes twice it is the last, which is the one that counts."""
    kind, found = text[place], None
    if kind not in "{[":
        return None
    place, index = _skip(text, place + 1), 0
    while text[place] not in "}]":
        start, key = place, str(index)
        if kind == "{":
            key, place = _decode.raw_decode(text, place)
            place = _skip(text, _skip(text, place) + 1)
        _, end = _decode.raw_decode(text, place)
        if key == step:
            found = (start, place, end)
        place, index = _skip(text, end), index + 1
        if text[place] == ",":
            place = _skip(text, place + 1)
    return found


def _skip(text: str, place: int) -> int:
    match = _BLANK.match(text, place)
    return match.end() if match else place
