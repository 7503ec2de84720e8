"""Bytes → frozen `Payload`. Everything that comes in is parsed and checked here, once, and trusted
afterwards.

Nearly every request has the exact shape of the contract and is decoded in one pass. Whatever does
not fit it (an unknown key, an odd type, a wrong event) goes to careful.py. Either way `properties`
and `context` stay the bytes that came.
"""

import re
from datetime import datetime, timedelta

import msgspec
from msgspec import Raw, Struct

from .careful import parse_carefully
from .clock import OLDEST_TEXT, Moment, as_stored, is_sane, iso, skew_of, utc
from .errors import Invalid, TooLarge
from .ids import event_id
from .payload import (
    MAX_DEPTH,
    MAX_EVENTS,
    MAX_TYPE,
    Event,
    Payload,
    is_plain,
    may_have_reserved_keys,
    passed_profile,
    usable_id,
    utm_of,
)

_EMPTY = Raw(b"")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_SQUARE = bytes.maketrans(b"{}", b"[]")
# Possessive, and content with a text that never ends: an attacker's backslashes cost no more than
# their length.
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
# A good pair, a half of one, or any other escape (so that the u of an escaped backslash is not
# taken for one).
_SURROGATES = re.compile(
    rb"\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(\\u[dD][89a-fA-F]\w\w)|\\.", re.DOTALL
)


class _Ref(Struct, forbid_unknown_fields=True):
    id: str | None = None


class _Time(Struct, forbid_unknown_fields=True):
    create: str | None = None


class _WireEvent(Struct, forbid_unknown_fields=True):
    type: str
    id: str | None = None
    time: _Time | None = None
    properties: Raw = _EMPTY
    context: Raw = _EMPTY
    options: Raw = _EMPTY
    tags: Raw = _EMPTY


class _WirePayload(Struct, forbid_unknown_fields=True):
    source: _Ref
    session: _Ref | None = None
    profile: _Ref | None = None
    device: _Ref | None = None
    context: Raw = _EMPTY
    properties: Raw = _EMPTY
    options: Raw = _EMPTY
    events: list[_WireEvent] | None = None
    sentAt: datetime | None = None  # noqa: N815 - the contract's name
    known: list[str] | None = None
    dropped: int = 0


_decode_exact = msgspec.json.Decoder(_WirePayload).decode
_decode_time = msgspec.json.Decoder(datetime).decode
_NOTHING = ("", "{}", "null")
_NO_TAGS = ("", "[]", "null")


def parse(body: bytes, request_id: str, received: Moment) -> Payload:
    """A request body → Payload. `source_id` is None where it is missing or malformed; judging it is
    the gate's work.

    `request_id` names events without an id; `received` is the time of events without one. Raises
    Invalid for what is no JSON object, WrongEnvelope for one of another shape, TooLarge for more
    events or depth than the contract allows.
    """
    try:
        body.decode()  # raw parts are passed on as text, so all of it must be UTF-8
    except UnicodeDecodeError as error:
        raise Invalid(f"Not UTF-8: byte {error.start}.") from error
    if too_deep(body):
        raise TooLarge(f"Nested deeper than {MAX_DEPTH} levels.")
    if may_have_reserved_keys(body):
        return parse_carefully(mend(body), request_id, received)
    try:
        wire = _decode_exact(body)
    except msgspec.ValidationError:
        return parse_carefully(body, request_id, received)
    except msgspec.DecodeError:
        return parse_carefully(mend(body), request_id, received)
    payload = _from_exact(wire, request_id, received)
    # What the exact shape cannot say (an empty type, properties that are no object) is told
    # precisely by the other way.
    return payload or parse_carefully(body, request_id, received)


def too_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than MAX_DEPTH. Brackets alone decide; inner pairs are struck
    out level by level."""
    brackets = body.translate(_SQUARE, _NOT_BRACKETS)
    if len(brackets) < 2 * (MAX_DEPTH + 1):
        return (
            False  # too few for that depth, unless they do not pair up, which the decoder refuses
        )
    # Brackets in texts may not pair up: then they are counted again without texts.
    return _is_deep(brackets) and _is_deep(_STRING.sub(b"", body).translate(_SQUARE, _NOT_BRACKETS))


def _is_deep(brackets: bytes) -> bool:
    for _ in range(MAX_DEPTH):
        brackets = brackets.replace(b"[]", b"")
    # What was cut off in the middle leaves open brackets: that is for the decoder to say, unless
    # there are too many.
    return b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH


def mend(body: bytes) -> bytes:
    """JSON that browsers and editors write though parsers refuse it: a byte order mark, halves of
    surrogate pairs.

    `JSON.stringify` writes a text that was cut within an emoji as `\\ud83d`; it becomes U+FFFD, as
    in any UTF-8 encoder.
    """
    return _SURROGATES.sub(
        lambda found: b"\\ufffd" if found[1] else found[0], body.removeprefix(b"\xef\xbb\xbf")
    )


def _object_text(raw: Raw) -> str | None:
    """A raw object as text, `{}` for none; None if it is something else."""
    text = str(raw, "utf-8")
    if text[:1] == "{":
        return text
    return "{}" if text in _NOTHING else None


def _from_exact(wire: _WirePayload, request_id: str, received: Moment) -> Payload | None:
    """The quick way. None if anything needs a second look."""
    session_id, profile_id, device_id = (
        ref.id if ref else None for ref in (wire.session, wire.profile, wire.device)
    )
    context = _object_text(wire.context)
    if (
        context is None
        or wire.known
        or wire.dropped
        or not (usable_id(session_id) and usable_id(profile_id) and usable_id(device_id))
        or str(wire.properties, "utf-8") not in _NOTHING
        or str(wire.options, "utf-8") not in _NOTHING
    ):
        return None
    skew = skew_of(wire.sentAt, received)
    wire_events = wire.events or ()
    if len(wire_events) > MAX_EVENTS:
        raise TooLarge(f"More than {MAX_EVENTS} events.")
    events, arrival = [], received.text
    for index, item in enumerate(wire_events):
        kind, identity = item.type.strip(), item.id
        properties, own_context, options = (
            _object_text(item.properties),
            _object_text(item.context),
            _object_text(item.options),
        )
        if (
            not 0 < len(kind) <= MAX_TYPE
            or not is_plain(kind)
            or not usable_id(identity)
            or properties is None
            or own_context is None
            or options is None
            or (item.tags is not _EMPTY and str(item.tags, "utf-8") not in _NO_TAGS)
        ):
            return None
        occurred_at, extra = arrival, None
        if item.time and (created := item.time.create):
            # A time as it is stored, not after the arrival, and from a right clock needs no
            # calculating.
            if not skew and OLDEST_TEXT <= created <= arrival and as_stored(created):
                occurred_at = created
            else:
                found = _occurred(created, skew, received)
                if found is None:
                    return None
                occurred_at, extra = found
        events.append(
            Event(
                index,
                identity or event_id(request_id, index),
                kind,
                occurred_at,
                properties,
                own_context,
                None if options == "{}" else options,
                None,
                extra,
            )
        )
    return Payload(
        wire.source.id,
        session_id,
        profile_id,
        device_id,
        context,
        None,
        tuple(events),
        utm=utm_of(context),
        passed_profile=passed_profile(context),
    )


def _occurred(
    created: str, skew: timedelta | None, received: Moment
) -> tuple[str, str | None] | None:
    """When an event happened, and what to keep of what the sender said; None if that needs a second
    look."""
    try:
        at = utc(_decode_time(f'"{created}"'))
    except (msgspec.DecodeError, OverflowError):
        return None
    extra = None
    if skew:
        extra = f'{{"time":{{"create":"{created}"}}}}'
        at += skew
    return (iso(at), extra) if is_sane(at, received) else None
