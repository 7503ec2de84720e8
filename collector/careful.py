"""The careful way of parsing: key by key, for whatever is not exactly the contract's shape.

Unknown keys are kept, parts that are wrong are named by JSON pointer, and one bad event does not
cost its neighbours.
"""

import json
from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Raw

from .clock import Moment, is_sane, iso, skew_of, utc
from .errors import Invalid, TooLarge, WrongEnvelope
from .ids import event_id
from .payload import (
    MAX_EVENTS,
    MAX_ID,
    MAX_KNOWN,
    MAX_TYPE,
    Event,
    Note,
    Payload,
    Rejection,
    is_plain,
    may_have_reserved_keys,
    passed_profile,
    reserved_key,
    usable_id,
    utm_of,
)

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

_decode_raw_object = msgspec.json.Decoder(dict[str, Raw]).decode
_decode_raw_list = msgspec.json.Decoder(list[Raw]).decode
_decode_strings = msgspec.json.Decoder(list[str]).decode
_decode_string = msgspec.json.Decoder(str).decode
_decode_time: Callable[[str], datetime | None] = msgspec.json.Decoder(datetime | None).decode
_decode_int = msgspec.json.Decoder(int).decode


class _Wrong(Exception):
    """A part of an event is not what it should be: JSON pointer and cause."""


def parse_carefully(body: bytes, request_id: str, received: Moment) -> Payload:
    """As `event.parse`, for a body that is UTF-8 and not too deep."""
    return _Careful(_object(body), request_id, received).payload()


def _decode_object(text: bytes | str) -> dict[str, str]:
    return {key: str(raw, "utf-8") for key, raw in _decode_raw_object(text).items()}


def _decode_list(text: str) -> list[str]:
    return [str(raw, "utf-8") for raw in _decode_raw_list(text)]


def _encode(parts: dict[str, str]) -> str | None:
    """Texts of JSON values → JSON text of an object; None for none."""
    return (
        msgspec.json.encode({key: Raw(text.encode()) for key, text in parts.items()}).decode()
        if parts
        else None
    )


def _reserved(text: str) -> str | None:
    """A reserved key in JSON text, None if there is none."""
    if not may_have_reserved_keys(text.encode()):
        return None
    try:
        return reserved_key(msgspec.json.decode(text))
    except (
        msgspec.DecodeError
    ):  # a number that is out of range: its digits are kept, so it must be read by another way
        return reserved_key(json.loads(text, parse_int=str, parse_float=str))


def _reserved_among(parts: dict[str, str]) -> str | None:
    """The key of a part that is reserved, or has a reserved key inside."""
    return next((key for key, text in parts.items() if key == "__proto__" or _reserved(text)), None)


def _object(body: bytes) -> dict[str, str]:
    try:
        return _decode_object(body)
    except msgspec.ValidationError as error:
        raise Invalid("Expected a JSON object.") from error
    except msgspec.DecodeError as error:
        raise Invalid(f"Not JSON: {str(error).removeprefix('JSON is malformed: ')}.") from error


def _id_of(text: str | None) -> str | None:
    """`{"id": "…"}` → the id; None for anything else."""
    try:
        return _decode_string(_decode_object(text or "null")["id"])
    except (msgspec.DecodeError, KeyError):
        return None


class _Careful:
    """One request, taken apart."""

    def __init__(self, envelope: dict[str, str], request_id: str, received: Moment) -> None:
        self.envelope = envelope
        self.request_id = request_id
        self.received = received
        self.events: list[Event] = []
        self.rejected: list[Rejection] = []
        self.warnings: list[Note] = []
        self.source_id = _id_of(envelope.get("source"))
        self.skew = skew_of(self._sent(), received)

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
            utm_of(context),
            passed_profile(context),
        )

    def _given(self, key: str) -> str | None:
        text = self.envelope.get(key)
        return None if text == "null" else text

    def _part(self, key: str) -> str:
        text = self._given(key) or "{}"
        if text[0] != "{":
            raise self._wrong(f"/{key}: expected an object.")
        if found := _reserved(text):
            raise self._wrong(f"/{key}: the key {found} is reserved.")
        return text

    def _sent(self) -> datetime | None:
        """When the request was sent, by the sender's clock; what nobody can read is as good as
        nothing."""
        try:
            return _decode_time(self._given("sentAt") or "null")
        except (msgspec.DecodeError, OverflowError):
            return None

    def _list(self, key: str, decode: Callable[[str], list[str]]) -> list[str]:
        text = self._given(key)
        try:
            return decode(text) if text else []
        except msgspec.DecodeError as error:
            raise self._wrong(
                f"/{key}: expected an array{'' if key == 'events' else ' of strings'}."
            ) from error

    def _ref(self, key: str) -> str | None:
        text = self._given(key)
        if text is None:
            return None
        try:
            inner = _decode_object(text).get("id", "null")
            value = _decode_string(inner) if inner != "null" else ""
        except msgspec.DecodeError as error:
            raise self._wrong(f"/{key}: expected an object with a string id.") from error
        if value and not usable_id(value):
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
        if found := _reserved_among(kept):
            raise self._wrong(f"/{found}: this key is reserved.")
        return _encode(kept)

    def _event(self, index: int, text: str) -> None:
        kind = identity = None
        try:
            item = self._event_object(text)
            identity = self._event_id(item, index)
            kind = self._event_type(item)
            properties, context, options = (
                self._event_part(item, key) for key in ("properties", "context", "options")
            )
            tags = item.get("tags", "")
            if tags not in _NO_TAGS and tags[0] != "[":
                raise _Wrong("/tags: expected an array")
            extra = {key: value for key, value in item.items() if key not in _EVENT_KEYS}
            if found := _reserved_among(extra):
                raise _Wrong(f"/{found}: this key is reserved")
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
        if found := _reserved(text):
            raise _Wrong(f"/{key}: the key {found} is reserved")
        return text

    def _event_id(self, item: dict[str, str], index: int) -> str:
        text = item.get("id", "null")
        if text == "null":
            return event_id(self.request_id, index)
        try:
            value = _decode_string(text)
        except msgspec.DecodeError as error:
            raise _Wrong("/id: expected a string") from error
        if not usable_id(value):
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
        if len(kind) > MAX_TYPE or not is_plain(kind):
            raise _Wrong(f"/type: expected at most {MAX_TYPE} printable characters")
        return kind

    def _event_time(
        self, item: dict[str, str], index: int, identity: str, extra: dict[str, str]
    ) -> str:
        """When it happened. A clock that is wrong is corrected by `sentAt`; a time that cannot be
        costs a warning, not the event. What the sender said stays in `extra` where something else
        is stored."""
        text = item.get("time", "null")
        if text == "null":
            return self.received.text
        try:
            parts = _decode_object(text)
            if set(parts) - {"create"}:
                extra["time"] = text
            created = _decode_time(parts.get("create", "null"))
            if created is None:
                return self.received.text
            at = utc(created)
            if self.skew:
                extra["time"] = text
                at += self.skew
            if is_sane(at, self.received):
                return iso(at)
            detail = "no event can have happened then"
        except (msgspec.DecodeError, OverflowError):
            detail = "not an ISO 8601 time"
        extra["time"] = text
        self.warnings.append(
            Note(index, identity, "invalid", f"/time/create: {detail}, the time of arrival is used")
        )
        return self.received.text
