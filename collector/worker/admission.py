"""Who may send what: verdicts, before any disk write. No I/O beyond the cached sources."""

import time
from math import ceil
from typing import NamedTuple

import msgspec
from msgspec import Raw, structs

from ..errors import (
    AddressQuota,
    BridgeNotAllowed,
    DisabledSource,
    Invalid,
    OriginNotAllowed,
    Overloaded,
    RateLimited,
    ReplacedDatabase,
    UnknownSource,
)
from ..event.json_schema import Validator, Work
from ..event.session_context import passed_source, referrer_origin
from ..event.types import Event, Payload, Rejection, Warned
from ..store import Source, SourceCache, is_listed

NOT_PASSED = (
    "/context/__tt_pid: it does not come from a page whose origin the source of __tt_src lists, so it"
    " is ignored"
)
MAX_LIMITED = 10_000  # sources and addresses that are refused without asking the writer
_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


class _Limited(NamedTuple):
    """Who may not send for a while: until when (monotonic seconds), why, and the source's limits
    that this comes from."""

    until: float
    detail: str
    limits: tuple[int | None, int | None] | None


class Admission:
    """One per worker."""

    def __init__(self, sources: SourceCache) -> None:
        self._sources = sources
        self._limited: dict[str, _Limited] = {}  # by source id, or address

    def knows(self, source_id: str) -> bool:
        """Whether there is such a source, enabled or not. Raises Overloaded as `find`."""
        return self._get(source_id) is not None

    def find(self, source_id: str | None) -> Source:
        """The source a request names. Raises UnknownSource, and Overloaded if the database is not
        the one that it was."""
        source = self._get(source_id) if source_id else None
        if source is None:
            raise UnknownSource
        return source

    def _get(self, source_id: str) -> Source | None:
        try:
            return self._sources.get(source_id)
        except ReplacedDatabase as error:
            raise Overloaded from error

    def admit(self, source: Source, *, bridge: str, origin: str | None) -> None:
        """Raises DisabledSource, BridgeNotAllowed, or OriginNotAllowed if the source lists origins
        and `origin`, the request's header, is none of them."""
        if not source.enabled:
            raise DisabledSource
        if bridge not in source.bridges:
            raise BridgeNotAllowed
        # Servers and navigations send no origin; what a page sends by script always has one.
        if source.origins and (origin or bridge == "rest") and not is_listed(origin or "", source):
            raise OriginNotAllowed

    def check_limits(self, source: Source, address: str) -> None:
        """Raises RateLimited while what the writer has said of the source or the address holds.

        `address`: as `sender.limited_address`.
        """
        if not self._limited:
            return
        for key in (source.id, address):
            if known := self._limited.get(key):
                wait = known.until - time.monotonic()
                if wait > 0 and known.limits == _limits_of(source, key):
                    raise RateLimited(known.detail, retry_after=ceil(wait))
                del self._limited[key]

    def remember_limit(self, source: Source, address: str, refusal: RateLimited) -> None:
        """Remembers that the writer, who counts for all workers, has refused a source or an address
        for its rate."""
        key = address if refusal.detail == AddressQuota.detail else source.id
        if not refusal.retry_after or key in self._limited:
            return
        now = time.monotonic()
        if len(self._limited) >= MAX_LIMITED:
            self._limited = {k: known for k, known in self._limited.items() if known.until > now}
        if len(self._limited) < MAX_LIMITED:  # else the writer says it again
            limits = _limits_of(source, key)
            self._limited[key] = _Limited(now + refusal.retry_after, refusal.detail, limits)

    def _is_passed_on(self, payload: Payload, to: Source) -> bool:
        """Whether a visitor's profile comes by a link of a listed site: from a page of an origin
        that the source named by `__tt_src`, one of the same scope, lists. Anybody else could write
        such a link, and have its visitors counted as one."""
        name = passed_source(payload.context)
        source = self._get(name) if name else None
        if source is None or not source.enabled or source.profile_scope != to.profile_scope:
            return False
        origins = (referrer_origin(event.context) for event in payload.events)
        return any(origin and is_listed(origin, source) for origin in origins)

    def judge(self, payload: Payload, source: Source) -> Payload:
        """Moves events that fail the source's schema for their type to the rejected ones, and drops
        a profile that no listed site has passed on."""
        if payload.passed_profile and not self._is_passed_on(payload, source):
            warning = Warned(0, "", Invalid.code, NOT_PASSED)
            payload = structs.replace(
                payload, passed_profile=None, warnings=(*payload.warnings, warning)
            )
        schemas = self._sources.schemas(source.id)
        if not schemas:
            return payload
        work = Work()
        rejected = [
            Rejection(e.index, e.id, Invalid.code, fault, e.type, event_text(e))
            for e in payload.events
            if (fault := _fault(work, schemas.get(e.type), e.properties))
        ]
        if not rejected:
            return payload
        gone = {r.index for r in rejected}
        return structs.replace(
            payload,
            events=tuple(e for e in payload.events if e.index not in gone),
            rejected=tuple(sorted((*payload.rejected, *rejected), key=lambda r: r.index)),
        )


def _limits_of(source: Source, key: str) -> tuple[int | None, int | None] | None:
    """The limits of a source, which may change; None for an address."""
    return (source.rate_limit, source.quota_mb) if key == source.id else None


def _fault(work: Work, validator: Validator | None, properties: str) -> str | None:
    if validator is None:
        return None
    try:
        return work.fault(validator, properties)
    except msgspec.DecodeError:
        return "/properties: a number is out of range"


def event_text(event: Event) -> str:
    """An event as the JSON it could have come as, so that it can be replayed."""
    extra = _decode_object(event.extra) if event.extra else {}
    extra.pop("time", None)  # what the sender said; the corrected time is in occurred_at
    parts = {
        "id": event.id,
        "type": event.type,
        "time": {"create": event.occurred_at},
        "properties": Raw(event.properties.encode()),
        "context": Raw(event.context.encode()),
        **({"options": Raw(event.options.encode())} if event.options else {}),
        **({"tags": Raw(event.tags.encode())} if event.tags else {}),
        **extra,
    }
    return msgspec.json.encode(parts).decode()
