"""A request after parsing: frozen, checked, trusted by everything after the parser."""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

MAX_EVENTS = 500
MAX_DEPTH = 32
MAX_KNOWN = 1000
MAX_TYPE = 128
MAX_ID = 128

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Event(Struct, frozen=True, array_like=True):
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
    """A request, parsed. `request` holds its own properties, options and unknown keys, as JSON
    text, if there are any."""

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
    utm: str | None = None  # of the context, as JSON text
    passed_profile: str | None = (
        None  # the visitor came by a link from another site, where they have this profile
    )
    anonymous: bool = False  # no session is named and none is made


class _Campaign(Struct):
    utm: Raw = Raw(b"")


_decode_campaign = msgspec.json.Decoder(_Campaign).decode
_decode_dict = msgspec.json.Decoder(dict[str, Raw]).decode


def utm_of(context: str) -> str | None:
    """The campaign in a session's context, as JSON text of an object."""
    if '"utm"' not in context:
        return None
    utm = str(_decode_campaign(context).utm, "utf-8")
    return utm if utm[:1] == "{" and utm != "{}" else None


def passed_profile(context: str) -> str | None:
    """`__tt_pid` in a session's context, by itself or within `pass`: the visitor's profile on the
    site they come from."""
    if "__tt_pid" not in context:
        return None
    parts = _decode_dict(context)
    for text in (context, str(parts.get("pass", Raw(b"")), "utf-8")):
        try:
            value = msgspec.json.decode(_decode_dict(text).get("__tt_pid", Raw(b"null")), type=str)
        except msgspec.DecodeError:
            continue
        if value and usable_id(value):
            return value
    return None


def may_have_reserved_keys(text: bytes) -> bool:
    """Whether JSON is worth a look by `reserved_key`: a search of bytes, which escapes (\\u005f)
    could deceive."""
    return b"__proto__" in text or b"constructor" in text or (b"\\" in text and b"\\u00" in text)


def reserved_key(value: Any) -> str | None:
    """A key that would reach into the prototype of whatever object a reader merges this into; None
    if there is none."""
    if isinstance(value, dict):
        inner = value.get("constructor")
        if "__proto__" in value or (isinstance(inner, dict) and "prototype" in inner):
            return "__proto__" if "__proto__" in value else "constructor"
        value = list(value.values())
    if isinstance(value, list):
        return next((found for item in value if (found := reserved_key(item))), None)
    return None


def usable_id(value: str | None) -> bool:
    """Whether an id can be stored; None, for an id that is not given, can."""
    return value is None or (0 < len(value) <= MAX_ID and is_plain(value))


def is_plain(value: str) -> bool:
    """No control characters."""
    return value.isprintable() or not _CONTROL.search(value)
