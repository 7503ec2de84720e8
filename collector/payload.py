"""A request after parsing: frozen, checked, trusted by everything after the parser."""

import re

from msgspec import Struct

MAX_EVENTS = 500
MAX_DEPTH = 32
MAX_KNOWN = 1000
MAX_TYPE = 128
MAX_ID = 128

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Event(Struct, frozen=True, array_like=True):
    """One event that will be stored. JSON columns are JSON text; `extra` holds the keys that the contract does not know."""

    index: int  # in the request
    id: str
    type: str
    occurred_at: str
    properties: str
    context: str
    options: str | None = None
    tags: str | None = None
    extra: str | None = None


class Rejection(Struct, frozen=True, array_like=True):
    """One event that will not. `detail` is a JSON pointer and what is wrong there."""

    index: int
    id: str
    reason: str
    detail: str
    type: str | None
    payload: str


class Note(Struct, frozen=True, array_like=True):
    """Something the sender should know of an event that was stored all the same."""

    index: int
    id: str
    reason: str
    detail: str


class Payload(Struct, frozen=True, array_like=True):
    """A request, parsed. `request` holds its own properties, options and unknown keys, as JSON text, if there are any."""

    source_id: str | None
    session_id: str | None = None
    profile_id: str | None = None
    device_id: str | None = None
    context: str = "{}"
    request: str | None = None
    events: tuple[Event, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    warnings: tuple[Note, ...] = ()
    known: tuple[str, ...] = ()
    dropped: int = 0


def usable_id(value: str | None) -> bool:
    """Whether an id can be stored; None, for an id that is not given, can."""
    return value is None or (0 < len(value) <= MAX_ID and is_plain(value))


def is_plain(value: str) -> bool:
    """No control characters."""
    return value.isprintable() or not _CONTROL.search(value)
