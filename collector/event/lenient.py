"""Parses key by key whatever is not exactly the contract's shape.

Unknown keys are kept, parts that are wrong are named by JSON pointer, and one bad event
does not cost its neighbours.
"""

from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Raw

from ..errors import Invalid, InvalidEnvelope, TooLarge
from ..ids import event_id
from .limits import MAX_EVENTS, MAX_ID, MAX_KNOWN, MAX_TYPE
from .reserved_keys import reserved_key_among, reserved_key_in
from .session_context import passed_profile, utm_of
from .timestamps import Timestamp, is_plausible, iso, skew_of, utc
from .types import Event, Payload, Rejection, Warned, is_valid_id, is_valid_type

_NO_TAGS = ("", "[]", "null")
_EVENT_KEYS = {"id", "type", "time", "properties", "context", "options", "tags", "dropped"}
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
_decode_number = msgspec.json.Decoder(float).decode


class _InvalidPart(Exception):
    """A part of an event is not what it should be: JSON pointer and cause."""


def parse_leniently(body: bytes, request_id: str, received: Timestamp) -> Payload:
    """As `parse.parse`, for a body that is UTF-8 and not too deep."""
    return _LenientParser(_object(body), request_id, received).payload()


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


def _count(text: str) -> int:
    """A number of events. Raises ValueError if it is none."""
    try:
        number = _decode_number(text)
    except msgspec.DecodeError:
        number = 0.5
    if not number.is_integer():
        raise ValueError("expected a whole number")
    return int(max(0, min(number, 10**9)))


class _LenientParser:
    """One request, taken apart."""

    def __init__(self, envelope: dict[str, str], request_id: str, received: Timestamp) -> None:
        self.envelope = envelope
        self.request_id = request_id
        self.received = received
        self.events: list[Event] = []
        self.rejected: list[Rejection] = []
        self.warnings: list[Warned] = []
        self.dropped: list[tuple[str, int]] = []
        self.source_id = _id_of(envelope.get("source"))
        self.skew = skew_of(self._sent(), received)

    def _invalid(self, detail: str) -> InvalidEnvelope:
        return InvalidEnvelope(detail, self.source_id)

    def payload(self) -> Payload:
        items = self._list("events", _decode_list)
        if len(items) > MAX_EVENTS:
            raise TooLarge(f"More than {MAX_EVENTS} events.")
        context = self._part("context")
        for index, text in enumerate(items):
            self._event(index, text)
        known = self._list("known", _decode_strings)
        session_id = self._ref("session")
        return Payload(
            source_id=self.source_id,
            session_id=session_id,
            # A question alone makes nobody a visitor.
            anonymous=bool(known) and not items and session_id is None,
            profile_id=self._ref("profile"),
            device_id=self._ref("device"),
            context=context,
            request=self._request(),
            events=tuple(self.events),
            rejected=tuple(self.rejected),
            warnings=tuple(self.warnings),
            known=tuple(known[:MAX_KNOWN]),
            dropped=(*self._dropped(), *self.dropped),
            utm=utm_of(context),
            passed_profile=passed_profile(context),
        )

    def _given(self, key: str) -> str | None:
        text = self.envelope.get(key)
        return None if text == "null" else text

    def _part(self, key: str) -> str:
        text = self._given(key) or "{}"
        if text[0] != "{":
            raise self._invalid(f"/{key}: expected an object.")
        if found := reserved_key_in(text):
            raise self._invalid(f"/{key}: the key {found} is reserved.")
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
            raise self._invalid(
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
            raise self._invalid(f"/{key}: expected an object with a string id.") from error
        if value and not is_valid_id(value):
            raise self._invalid(f"/{key}/id: expected at most {MAX_ID} printable characters.")
        return value or None

    def _dropped(self) -> tuple[tuple[str, int], ...]:
        """What trackers of before said of a request; it counts with the request's first event."""
        try:
            number = _count(self._given("dropped") or "0")
        except ValueError as error:
            raise self._invalid(f"/dropped: {error}.") from error
        return ((self.events[0].id if self.events else "", number),) if number else ()

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
        if found := reserved_key_among(kept):
            raise self._invalid(f"/{found}: this key is reserved.")
        return _encode(kept)

    def _event(self, index: int, text: str) -> None:
        event_type = identity = None
        try:
            item = self._event_object(text)
            identity = self._event_id(item, index)
            event_type = self._event_type(item)
            properties, context, options = (
                self._event_part(item, key) for key in ("properties", "context", "options")
            )
            tags = item.get("tags", "")
            if tags not in _NO_TAGS and tags[0] != "[":
                raise _InvalidPart("/tags: expected an array")
            extra = {key: value for key, value in item.items() if key not in _EVENT_KEYS}
            if found := reserved_key_among(extra):
                raise _InvalidPart(f"/{found}: this key is reserved")
            dropped = self._event_dropped(item)
            occurred_at = self._event_time(item, index, identity, extra)
        except _InvalidPart as error:
            identity = identity or event_id(self.request_id, index)
            self.rejected.append(
                Rejection(index, identity, Invalid.code, str(error), event_type, text)
            )
            return
        if dropped:
            self.dropped.append((identity, dropped))
        self.events.append(
            Event(
                index=index,
                id=identity,
                type=event_type,
                occurred_at=occurred_at,
                properties=properties,
                context=context,
                options=None if options == "{}" else options,
                tags=None if tags in _NO_TAGS else tags,
                extra=_encode(extra),
            )
        )

    def _event_object(self, text: str) -> dict[str, str]:
        try:
            return _decode_object(text)
        except msgspec.DecodeError as error:
            raise _InvalidPart(": expected an object") from error

    def _event_part(self, item: dict[str, str], key: str) -> str:
        text = item.get(key, "null")
        if text == "null":
            return "{}"
        if text[0] != "{":
            raise _InvalidPart(f"/{key}: expected an object")
        if found := reserved_key_in(text):
            raise _InvalidPart(f"/{key}: the key {found} is reserved")
        return text

    def _event_id(self, item: dict[str, str], index: int) -> str:
        text = item.get("id", "null")
        if text == "null":
            return event_id(self.request_id, index)
        try:
            value = _decode_string(text)
        except msgspec.DecodeError as error:
            raise _InvalidPart("/id: expected a string") from error
        if not is_valid_id(value):
            raise _InvalidPart(f"/id: expected 1 to {MAX_ID} printable characters")
        return value

    def _event_type(self, item: dict[str, str]) -> str:
        if "type" not in item:
            raise _InvalidPart("/type: required")
        try:
            event_type = _decode_string(item["type"]).strip()
        except msgspec.DecodeError as error:
            raise _InvalidPart("/type: expected a string") from error
        if not event_type:
            raise _InvalidPart("/type: must not be empty")
        if not is_valid_type(event_type):
            raise _InvalidPart(f"/type: expected at most {MAX_TYPE} printable characters")
        return event_type

    def _event_dropped(self, item: dict[str, str]) -> int:
        """How many events the sender has given up before this one."""
        text = item.get("dropped", "null")
        try:
            return 0 if text == "null" else _count(text)
        except ValueError as error:
            raise _InvalidPart(f"/dropped: {error}") from error

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
            if is_plausible(at, self.received):
                return iso(at)
            detail = "no event can have happened then"
        except (msgspec.DecodeError, OverflowError):
            detail = "not an ISO 8601 time"
        extra["time"] = text
        self.warnings.append(
            Warned(
                index,
                identity,
                Invalid.code,
                f"/time/create: {detail}, the time of arrival is used",
            )
        )
        return self.received.text
