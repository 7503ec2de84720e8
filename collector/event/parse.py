"""Bytes → frozen `Payload`. Everything that comes in is parsed and checked here, once, and trusted
afterwards.

Nearly every request has the exact shape of the contract and is decoded in one pass. Whatever does
not fit it (an unknown key, an odd type, a wrong event) goes to lenient.py. Either way `properties`
and `context` stay the bytes that came.
"""

import re
from datetime import datetime, timedelta

import msgspec
from msgspec import Raw, Struct

from ..errors import Invalid, TooLarge
from ..ids import event_id
from .lenient import parse_leniently
from .limits import MAX_DEPTH, MAX_EVENTS
from .reserved_keys import may_have_reserved_keys
from .session_context import passed_profile, utm_of
from .timestamps import OLDEST_TEXT, Timestamp, is_plausible, is_stored_form, iso, skew_of, utc
from .types import Event, Payload, is_valid_id, is_valid_type

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


_decode_exact = msgspec.json.Decoder(_WirePayload).decode
_decode_time = msgspec.json.Decoder(datetime).decode
_NOTHING = ("", "{}", "null")
_NO_TAGS = ("", "[]", "null")


def parse(body: bytes, request_id: str, received: Timestamp) -> Payload:
    """A request body → Payload. `source_id` is None where it is missing or malformed; judging it is
    admission's work.

    `request_id` names events without an id; `received` is the time of events without one. Raises
    Invalid for what is no JSON object, InvalidEnvelope for one of another shape, TooLarge for more
    events or depth than the contract allows.
    """
    try:
        body.decode()  # raw parts are passed on as text, so all of it must be UTF-8
    except UnicodeDecodeError as error:
        raise Invalid(f"Not UTF-8: byte {error.start}.") from error
    if is_too_deep(body):
        raise TooLarge(f"Nested deeper than {MAX_DEPTH} levels.")
    if may_have_reserved_keys(body):
        return parse_leniently(sanitize(body), request_id, received)
    try:
        wire = _decode_exact(body)
    except msgspec.ValidationError:
        return parse_leniently(body, request_id, received)
    except msgspec.DecodeError:
        return parse_leniently(sanitize(body), request_id, received)
    payload = _from_exact(wire, request_id, received)
    # The lenient parser says precisely what the exact shape cannot express, such as an empty type.
    return payload or parse_leniently(body, request_id, received)


def is_too_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than MAX_DEPTH. Brackets alone decide; inner pairs are struck
    out level by level."""
    brackets = body.translate(_SQUARE, _NOT_BRACKETS)
    if len(brackets) < 2 * (MAX_DEPTH + 1):
        # Too few for that depth, unless they do not pair up, which the decoder refuses.
        return False
    # Brackets in texts may not pair up: then they are counted again without texts.
    return _is_deep(brackets) and _is_deep(_STRING.sub(b"", body).translate(_SQUARE, _NOT_BRACKETS))


def _is_deep(brackets: bytes) -> bool:
    for _ in range(MAX_DEPTH):
        before = len(brackets)
        brackets = brackets.replace(b"[]", b"")
        if len(brackets) == before:
            break  # opening brackets without end would be searched again and again
    # What was cut off in the middle leaves open brackets: that is for the decoder to say, unless
    # there are too many.
    return b"[]" in brackets or brackets.count(b"[") > MAX_DEPTH


def sanitize(body: bytes) -> bytes:
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


def _from_exact(wire: _WirePayload, request_id: str, received: Timestamp) -> Payload | None:
    """Converts a request of the exact shape. None if anything needs a second look."""
    session_id = wire.session.id if wire.session else None
    profile_id = wire.profile.id if wire.profile else None
    device_id = wire.device.id if wire.device else None
    context = _object_text(wire.context)
    if (
        context is None
        or wire.known
        or not (is_valid_id(session_id) and is_valid_id(profile_id) and is_valid_id(device_id))
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
        event_type, sent_id = item.type.strip(), item.id
        properties = _object_text(item.properties)
        event_context = _object_text(item.context)
        options = _object_text(item.options)
        if (
            not is_valid_type(event_type)
            or not is_valid_id(sent_id)
            or properties is None
            or event_context is None
            or options is None
            or (item.tags is not _EMPTY and str(item.tags, "utf-8") not in _NO_TAGS)
        ):
            return None
        occurred_at, extra = arrival, None
        if item.time and (created := item.time.create):
            # A time as it is stored, not after the arrival, and from a right clock needs no
            # calculating.
            if not skew and OLDEST_TEXT <= created <= arrival and is_stored_form(created):
                occurred_at = created
            else:
                found = _occurred(created, skew, received)
                if found is None:
                    return None
                occurred_at, extra = found
        events.append(
            Event(
                index=index,
                id=sent_id or event_id(request_id, index),
                type=event_type,
                occurred_at=occurred_at,
                properties=properties,
                context=event_context,
                options=None if options == "{}" else options,
                extra=extra,
            )
        )
    return Payload(
        source_id=wire.source.id,
        session_id=session_id,
        profile_id=profile_id,
        device_id=device_id,
        context=context,
        events=tuple(events),
        utm=utm_of(context),
        passed_profile=passed_profile(context),
    )


def _occurred(
    created: str, skew: timedelta | None, received: Timestamp
) -> tuple[str, str | None] | None:
    """When an event happened, and what to keep of what the sender said; None if that needs a second
    look."""
    try:
        at = utc(_decode_time(f'"{created}"'))
        if skew:
            at += skew
    except (msgspec.DecodeError, OverflowError):
        return None
    extra = f'{{"time":{{"create":"{created}"}}}}' if skew else None
    return (iso(at), extra) if is_plausible(at, received) else None
