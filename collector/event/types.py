"""A request after parsing: frozen, checked, trusted by everything after the parser."""

import re

from msgspec import Struct

from .limits import MAX_ID, MAX_TYPE

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


# No value below can refer to itself, so `gc=False` keeps the search for cycles away from them.
class Event(Struct, frozen=True, array_like=True, gc=False):
    """One event that will be stored. JSON columns are JSON text; `extra` holds the keys that the
    contract does not know."""

    index: int  # in the request
    id: str
    type: str
    occurred_at: str
    properties: str
    context: str
    options: str | None = None
    tags: str | None = None
    extra: str | None = None


class Rejection(Struct, frozen=True, array_like=True, gc=False):
    """One event that will not be stored. `detail`: a JSON pointer and what is wrong there."""

    index: int
    id: str
    reason: str
    detail: str
    type: str | None
    payload: str


class Warned(Struct, frozen=True, array_like=True, gc=False):
    """Something the sender should know about an event that is stored all the same."""

    index: int
    id: str
    reason: str
    detail: str


class Payload(Struct, frozen=True, array_like=True, gc=False):
    """A request, parsed. `request`: its own properties, options and unknown keys, as JSON text."""

    source_id: str | None
    session_id: str | None = None
    profile_id: str | None = None
    device_id: str | None = None
    context: str = "{}"
    request: str | None = None
    events: tuple[Event, ...] = ()
    rejected: tuple[Rejection, ...] = ()
    warnings: tuple[Warned, ...] = ()
    known: tuple[str, ...] = ()  # ids that the sender asks about
    dropped: tuple[
        tuple[str, int], ...
    ] = ()  # id of an event or "", how many were given up before it
    utm: str | None = None  # of the context, as JSON text
    passed_profile: str | None = None  # the visitor's profile on the site whose link they followed
    anonymous: bool = False  # no session is named, and none is made


def is_valid_id(value: str | None) -> bool:
    """Whether an id can be stored. None, for an id that is not given, is valid."""
    return value is None or (0 < len(value) <= MAX_ID and is_printable(value))


def is_valid_type(value: str) -> bool:
    """Whether an event type can be stored. It is trimmed by the caller."""
    return 0 < len(value) <= MAX_TYPE and is_printable(value)


def is_printable(value: str) -> bool:
    """Whether a text is free of control characters."""
    return value.isprintable() or not _CONTROL.search(value)
