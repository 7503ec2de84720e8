"""Bytes → frozen `Payload`. Everything that comes in is parsed and checked here, once, and trusted afterwards.

Two ways lead through this file. Nearly every request has the exact shape of the contract and is decoded in one pass.
Whatever does not fit it (an unknown key, an odd type, a wrong event) is taken apart key by key, so that unknown keys are
kept and one bad event does not cost its neighbours. `properties` and `context` stay the bytes that came.
"""

import re
from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Raw, Struct

from .clock import iso
from .errors import Invalid, TooLarge, WrongEnvelope
from .ids import event_id

MAX_EVENTS = 500
MAX_DEPTH = 32
MAX_KNOWN = 1000
MAX_TYPE = 128
MAX_ID = 128

_EMPTY = Raw(b"")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_NOT_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
_STRING = re.compile(rb'"(?:[^"\\]|\\.)*"', re.DOTALL)
# A good pair, a half of one, or any other escape (so that the u of an escaped backslash is not taken for one).
_SURROGATES = re.compile(rb"\\u[dD][89abAB]\w\w\\u[dD][c-fC-F]\w\w|(\\u[dD][89a-fA-F]\w\w)|\\.", re.DOTALL)


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


class _Ref(Struct, forbid_unknown_fields=True):
    id: str | None = None


class _Time(Struct, forbid_unknown_fields=True):
    create: datetime | None = None


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
    sentAt: str | None = None  # noqa: N815 - the contract's name
    known: list[str] | None = None
    dropped: int = 0


_decode_exact = msgspec.json.Decoder(_WirePayload).decode
_decode_raw_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_raw_list = msgspec.json.Decoder(list[Raw]).decode
_decode_strings = msgspec.json.Decoder(list[str]).decode
_decode_string = msgspec.json.Decoder(str).decode
_decode_time = msgspec.json.Decoder(datetime).decode
_decode_int = msgspec.json.Decoder(int).decode
_NOTHING = ("", "{}", "null")
_NO_TAGS = ("", "[]", "null")

_EVENT_KEYS = {"id", "type", "time", "properties", "context", "options", "tags"}
_PAYLOAD_KEYS = {
    "source",
    "session",
    "profile",
    "device",
    "context",
    "properties",
    "options",
    "events",
    "sentAt",
    "known",
    "dropped",
}


class _Wrong(Exception):
    """A part of an event is not what it should be: JSON pointer and cause."""


def parse(body: bytes, request_id: str, received_at: str) -> Payload:
    """A request body → Payload. `source_id` is None where it is missing or malformed; judging it is the gate's work.

    `request_id` names events without an id; `received_at` is the time of events without one. Raises Invalid for what is
    no JSON object, WrongEnvelope for one of another shape, TooLarge for more events or depth than the contract allows.
    """
    try:
        body.decode()  # raw parts are passed on as text, so all of it must be UTF-8
    except UnicodeDecodeError as error:
        raise Invalid(f"Not UTF-8: byte {error.start}.") from error
    if too_deep(body):
        raise TooLarge(f"Nested deeper than {MAX_DEPTH} levels.")
    try:
        wire = _decode_exact(body)
    except msgspec.ValidationError:
        return _Lenient(_object(body), request_id, received_at).payload()
    except msgspec.DecodeError:
        return _Lenient(_object(mend(body)), request_id, received_at).payload()
    payload = _from_exact(wire, request_id, received_at)
    # What the exact shape cannot say (an empty type, properties that are no object) is told precisely by the other way.
    return payload or _Lenient(_object(body), request_id, received_at).payload()


def too_deep(body: bytes) -> bool:
    """Whether JSON is nested deeper than MAX_DEPTH. Brackets alone decide; inner pairs are struck out level by level."""
    brackets = body.translate(None, _NOT_BRACKETS)
    if len(brackets) < 2 * (MAX_DEPTH + 1):
        return False  # too few for that depth, unless they do not pair up, which the decoder refuses
    if not _collapses(brackets):
        # Brackets in texts may not pair up: count again without texts.
        return not _collapses(_STRING.sub(b"", body).translate(None, _NOT_BRACKETS))
    return False


def _collapses(brackets: bytes) -> bool:
    for _ in range(MAX_DEPTH):
        if not brackets:
            return True
        brackets = brackets.replace(b"{}", b"").replace(b"[]", b"")
    return not brackets


def mend(body: bytes) -> bytes:
    """JSON that browsers and editors write though parsers refuse it: a byte order mark, halves of surrogate pairs.

    `JSON.stringify` writes a text that was cut within an emoji as `\\ud83d`; it becomes U+FFFD, as in any UTF-8 encoder.
    """
    return _SURROGATES.sub(lambda found: b"\\ufffd" if found[1] else found[0], body.removeprefix(b"\xef\xbb\xbf"))


def _decode_object(text: bytes | str) -> dict[str, str]:
    return {key: str(raw, "utf-8") for key, raw in _decode_raw_object(text).items()}


def _decode_list(text: str) -> list[str]:
    return [str(raw, "utf-8") for raw in _decode_raw_list(text)]


def _encode(parts: dict[str, str]) -> str | None:
    """Texts of JSON values → JSON text of an object; None for none."""
    return msgspec.json.encode({key: Raw(text.encode()) for key, text in parts.items()}).decode() if parts else None


def _object(body: bytes) -> dict[str, str]:
    try:
        return _decode_object(body)
    except msgspec.ValidationError as error:
        raise Invalid("Expected a JSON object.") from error
    except msgspec.DecodeError as error:
        raise Invalid(f"Not JSON: {str(error).removeprefix('JSON is malformed: ')}.") from error


def _object_text(raw: Raw) -> str | None:
    """A raw object as text, `{}` for none; None if it is something else."""
    text = str(raw, "utf-8")
    if text in _NOTHING:
        return "{}"
    return text if text[0] == "{" else None


def _usable_id(value: str | None) -> bool:
    return value is None or (0 < len(value) <= MAX_ID and _plain(value))


def _plain(value: str) -> bool:
    return value.isprintable() or not _CONTROL.search(value)


def _from_exact(wire: _WirePayload, request_id: str, received_at: str) -> Payload | None:
    """The quick way. None if anything needs a second look."""
    session_id, profile_id, device_id = (ref.id if ref else None for ref in (wire.session, wire.profile, wire.device))
    context = _object_text(wire.context)
    if (
        context is None
        or wire.known
        or wire.dropped
        or not (_usable_id(session_id) and _usable_id(profile_id) and _usable_id(device_id))
        or str(wire.properties, "utf-8") not in _NOTHING
        or str(wire.options, "utf-8") not in _NOTHING
    ):
        return None
    wire_events = wire.events or ()
    if len(wire_events) > MAX_EVENTS:
        raise TooLarge(f"More than {MAX_EVENTS} events.")
    events = []
    for index, item in enumerate(wire_events):
        kind = item.type.strip()
        properties, own_context, options = map(_object_text, (item.properties, item.context, item.options))
        tags = str(item.tags, "utf-8")
        if (
            not 0 < len(kind) <= MAX_TYPE
            or not _plain(kind)
            or not _usable_id(item.id)
            or properties is None
            or own_context is None
            or options is None
            or tags not in _NO_TAGS
        ):
            return None
        created = item.time and item.time.create
        events.append(
            Event(
                index,
                item.id or event_id(request_id, index),
                kind,
                iso(created) if created else received_at,
                properties,
                own_context,
                None if options == "{}" else options,
            )
        )
    return Payload(wire.source.id, session_id, profile_id, device_id, context, None, tuple(events))


def _id_of(text: str | None) -> str | None:
    """`{"id": "…"}` → the id; None for anything else."""
    try:
        return _decode_string(_decode_object(text or "null")["id"])
    except (msgspec.DecodeError, KeyError):
        return None


class _Lenient:
    """The way key by key."""

    def __init__(self, envelope: dict[str, str], request_id: str, received_at: str) -> None:
        self.envelope = envelope
        self.request_id = request_id
        self.received_at = received_at
        self.events: list[Event] = []
        self.rejected: list[Rejection] = []
        self.warnings: list[Note] = []
        self.source_id = _id_of(envelope.get("source"))

    def _wrong(self, detail: str) -> WrongEnvelope:
        return WrongEnvelope(detail, self.source_id)

    def payload(self) -> Payload:
        items = self._list("events", _decode_list)
        if len(items) > MAX_EVENTS:
            raise TooLarge(f"More than {MAX_EVENTS} events.")
        context = self._part("context")
        for index, text in enumerate(items):
            self._event(index, text)
        known = self._list("known", _decode_strings)
        return Payload(
            self.source_id,
            self._ref("session"),
            self._ref("profile"),
            self._ref("device"),
            context,
            self._request(),
            tuple(self.events),
            tuple(self.rejected),
            tuple(self.warnings),
            tuple(known[:MAX_KNOWN]),
            self._dropped(),
        )

    def _given(self, key: str) -> str | None:
        text = self.envelope.get(key)
        return None if text == "null" else text

    def _part(self, key: str) -> str:
        text = self._given(key) or "{}"
        if text[0] != "{":
            raise self._wrong(f"/{key}: expected an object.")
        return text

    def _list(self, key: str, decode: Callable[[str], list[str]]) -> list[str]:
        text = self._given(key)
        try:
            return decode(text) if text else []
        except msgspec.DecodeError as error:
            raise self._wrong(f"/{key}: expected an array{'' if key == 'events' else ' of strings'}.") from error

    def _ref(self, key: str) -> str | None:
        text = self._given(key)
        if text is None:
            return None
        try:
            inner = _decode_object(text).get("id", "null")
            value = _decode_string(inner) if inner != "null" else ""
        except msgspec.DecodeError as error:
            raise self._wrong(f"/{key}: expected an object with a string id.") from error
        if value and not _usable_id(value):
            raise self._wrong(f"/{key}/id: expected at most {MAX_ID} printable characters.")
        return value or None

    def _dropped(self) -> int:
        text = self._given("dropped")
        try:
            return max(0, min(_decode_int(text), 10**9)) if text else 0
        except msgspec.DecodeError as error:
            raise self._wrong("/dropped: expected a whole number.") from error

    def _request(self) -> str | None:
        """What the envelope says beyond the parts that have a column of their own."""
        kept = {key: text for key, text in self.envelope.items() if key not in _PAYLOAD_KEYS}
        for key in ("properties", "options"):
            if self._part(key) != "{}":
                kept[key] = self._part(key)
        for key in ("source", "session", "profile", "device"):
            text = self._given(key) or ""
            if text[:1] == "{" and set(_decode_object(text)) - {"id"}:
                kept[key] = text
        return _encode(kept)

    def _event(self, index: int, text: str) -> None:
        kind = identity = None
        try:
            item = self._event_object(text)
            identity = self._event_id(item, index)
            kind = self._event_type(item)
            properties, context, options = (self._event_part(item, key) for key in ("properties", "context", "options"))
            tags = item.get("tags", "")
            if tags not in _NO_TAGS and tags[0] != "[":
                raise _Wrong("/tags: expected an array")
            extra = {key: value for key, value in item.items() if key not in _EVENT_KEYS}
            occurred_at = self._event_time(item, index, identity, extra)
        except _Wrong as wrong:
            identity = identity or event_id(self.request_id, index)
            self.rejected.append(Rejection(index, identity, "invalid", str(wrong), kind, text))
            return
        self.events.append(
            Event(
                index,
                identity,
                kind,
                occurred_at,
                properties,
                context,
                None if options == "{}" else options,
                None if tags in _NO_TAGS else tags,
                _encode(extra),
            )
        )

    def _event_object(self, text: str) -> dict[str, str]:
        try:
            return _decode_object(text)
        except msgspec.DecodeError as error:
            raise _Wrong(": expected an object") from error

    def _event_part(self, item: dict[str, str], key: str) -> str:
        text = item.get(key, "null")
        if text == "null":
            return "{}"
        if text[0] != "{":
            raise _Wrong(f"/{key}: expected an object")
        return text

    def _event_id(self, item: dict[str, str], index: int) -> str:
        text = item.get("id", "null")
        if text == "null":
            return event_id(self.request_id, index)
        try:
            value = _decode_string(text)
        except msgspec.DecodeError as error:
            raise _Wrong("/id: expected a string") from error
        if not _usable_id(value):
            raise _Wrong(f"/id: expected 1 to {MAX_ID} printable characters")
        return value

    def _event_type(self, item: dict[str, str]) -> str:
        if "type" not in item:
            raise _Wrong("/type: required")
        try:
            kind = _decode_string(item["type"]).strip()
        except msgspec.DecodeError as error:
            raise _Wrong("/type: expected a string") from error
        if not kind:
            raise _Wrong("/type: must not be empty")
        if len(kind) > MAX_TYPE or not _plain(kind):
            raise _Wrong(f"/type: expected at most {MAX_TYPE} printable characters")
        return kind

    def _event_time(self, item: dict[str, str], index: int, identity: str, extra: dict[str, str]) -> str:
        """When it happened; a time nobody can read costs a warning, not the event."""
        text = item.get("time", "null")
        if text == "null":
            return self.received_at
        try:
            parts = _decode_object(text)
            if set(parts) - {"create"}:
                extra["time"] = text
            created = parts.get("create", "null")
            return self.received_at if created == "null" else iso(_decode_time(created))
        except (msgspec.DecodeError, OverflowError):
            extra["time"] = text
            self.warnings.append(
                Note(index, identity, "invalid", "/time/create: not an ISO 8601 time, the time of arrival is used")
            )
            return self.received_at
