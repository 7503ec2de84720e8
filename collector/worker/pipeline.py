"""Parse → admit → judge → store → answer: what becomes of a request, by whatever route it came.

Nothing here knows who has parsed a request, a `Connection` or Sanic, and what becomes of the `Answer`.
A replayed event takes the same way in `replay.py`, but for admission and answer: its request had
both when it came.
"""

import logging
import re
from collections.abc import Callable
from time import perf_counter
from typing import Any

from msgspec import Struct, field

from .. import metrics
from ..countries import Countries
from ..errors import (
    BridgeNotAllowed,
    DisabledSource,
    Internal,
    InvalidEnvelope,
    OriginNotAllowed,
    RateLimited,
    Refused,
    UnknownSource,
)
from ..event import parse
from ..event.timestamps import Timestamp, current
from ..event.types import Payload, Rejection
from ..ids import uuid7
from ..ipc import SenderInfo, WriteRequest, WriteResult
from ..store import Source
from .admission import Admission
from .answer import Answer, refused, stored
from .inflate import inflated
from .log_limit import LogLimit
from .refused_sender import describe_sender
from .sender import Headers, address_of, is_bot, limited_address, readable, stored_address
from .sightings import Sightings
from .turns import LARGE, Turns
from .writer_client import WriterClient

log = logging.getLogger("collector.ingestion")

_UNKNOWN = UnknownSource()
# Refusals that the site's owner can do something about, and would not hear of otherwise.
_SEEN = (UnknownSource, DisabledSource, BridgeNotAllowed, OriginNotAllowed, RateLimited)
# How the tracker's requests begin. Others are parsed first, and refused then.
_SOURCE = re.compile(rb'\{"source":\{"id":"([0-9A-Za-z-]{1,64})"\}')
# What a waiting request takes, in bytes; tests/unit/test_memory_of.py measures the worst of each.
REQUEST_BYTES = 8 * 1024
ITEM_BYTES = 640  # an event, a rejection, a warning
KNOWN_BYTES = 80  # an id that is asked about
ASCII_FACTOR = 2  # a body's text, and its copy on the way to the writer
OTHER_FACTOR = 6  # Python keeps a text with an emoji as four bytes a character, and its UTF-8
MAX_CAUSE = 200  # characters of an exception in the log's line
_known_failures: set[tuple[str, int]] = set()  # places in our code whose traceback was logged
NO_SOURCE = ""  # the metrics' label for requests of unknown sources: senders cannot invent series


class Incoming(Struct, gc=False):
    """A request that brings events. `size`: bytes of its body as they came, or what they inflate to
    if that is not in `body`.

    `source_id`: where the address names the source. It is admitted before the body is read then,
    and the request counts as `events` events if it is refused.
    """

    bridge: str
    origin: str | None
    address: str
    user_agent: str
    size: int
    body: bytes = b""  # inflated
    source_id: str | None = None
    events: int = 0
    started: float = field(default_factory=perf_counter)
    request_id: str = field(default_factory=uuid7)
    received: Timestamp = field(default_factory=current)
    source: Source | None = None  # once it is admitted
    payload: Payload | None = None  # once it is parsed
    run: str | None = None  # the run of tests that it belongs to

    @property
    def named_source(self) -> str | None:
        """The id of a source that the address or the payload names."""
        return self.payload.source_id if self.payload else self.source_id


class Pipeline:
    """One per worker. `hidden`: names in the query of a bridge that are no properties."""

    hidden: tuple[str, ...] = ()

    def __init__(
        self,
        admission: Admission,
        writer: WriterClient,
        sightings: Sightings,
        proxies: int,
        countries: Countries | None = None,
    ) -> None:
        """`proxies`: how many of our own stand before the collector. `countries`: of addresses, if
        the owner has named a file."""
        self.admission = admission
        self.times = metrics.RequestTimes()
        self.log_limit = LogLimit()
        self._turns = Turns()
        self._writer = writer
        self._sightings = sightings
        self._proxies = proxies
        self._countries = countries

    def incoming(
        self, headers: Headers, peer: str, size: int, bridge: str, **known: Any
    ) -> Incoming:
        """A request as it is taken in. `peer`: the address it came from; `size`: bytes of its
        body; `known`: other fields of Incoming."""
        proxies = self._proxies
        return Incoming(
            bridge=bridge,
            origin=readable(headers.get("origin")),
            address=address_of(peer, headers.getall("x-forwarded-for", []), proxies)
            if proxies
            else peer,
            user_agent=headers.get("user-agent") or "",
            size=size,
            **known,
        )

    async def wait_turn(self, headers: Headers, size: int) -> None:
        """Waits for others that take long to read, if this request may. `size`: of its body."""
        if size > LARGE or headers.get("content-encoding") is not None:
            await self._turns.take()

    async def track(self, headers: Headers, body: bytes, peer: str) -> Answer:
        """Stores the events of a `POST /track`, and answers it. `body`: as it came; `peer`: the
        address it came from."""
        started = perf_counter()
        size = len(body)
        await self.wait_turn(headers, size)
        try:
            body = inflated(body, headers.get("content-encoding"))
            # Requests of unknown sources must cost least, so they are not even parsed.
            named = _SOURCE.match(body)
            if named and not self.admission.knows(source_id := named[1].decode()):
                origin = readable(headers.get("origin"))
                return self.refuse(_UNKNOWN, started, source_id=source_id, origin=origin)
        except Refused as refusal:
            return self.refuse(refusal, started)
        incoming = self.incoming(headers, peer, size, "rest", body=body, started=started)
        del headers, body  # what a request holds while it waits is counted
        return await self.run(incoming, _parse)

    async def run(self, incoming: Incoming, read: Callable[[Incoming], Payload]) -> Answer:
        """Stores what is valid of a request, and answers it. `read` may raise Refused."""
        try:
            if incoming.source_id is not None:
                self._admit(incoming, incoming.source_id)
            payload = parsed(incoming, read)
            if isinstance(payload, InvalidEnvelope):
                await self._keep_invalid_envelope(incoming, payload)
                raise payload
            incoming.payload = payload
            source = incoming.source or self._admit(incoming, payload.source_id)
            payload = incoming.payload = self.admission.judge(payload, source)
            result = await self._store(incoming, payload, source)
            return self._answer(incoming, payload, source, result)
        except Refused as refusal:
            return self.refuse(refusal, incoming.started, incoming)

    def refuse(
        self,
        refusal: Refused,
        started: float,
        incoming: Incoming | None = None,
        *,
        source_id: str | None = None,
        origin: str | None = None,
    ) -> Answer:
        """Counts a refusal, and answers it.

        `started`: when the request came (perf_counter). `incoming`: None if it was not even read;
        `source_id` and `origin` are what is known of it then.
        """
        source = incoming.source if incoming else None
        label = source.id if source else NO_SOURCE
        metrics.count_request(label, refusal.code)
        if incoming:
            metrics.count_events(label, refusal.code, _events_in(incoming))
            if isinstance(refusal, RateLimited) and source:
                address = limited_address(incoming.address)
                self.admission.remember_limit(source, address, refusal)
            source_id, origin = incoming.named_source, incoming.origin
        if isinstance(refusal, _SEEN):
            self._note_sighting(source.id if source else source_id, origin, refusal.code)
        sender = describe_sender(refusal, source, source_id, origin)
        is_said = sender is not None and self.log_limit.note_sender(refusal.status, sender)
        self._log(refusal, incoming, is_said=is_said)
        self.times.add(started)
        # The log has the cause of an internal error under this id.
        if incoming and refusal.code == Internal.code:
            return refused(refusal, incoming.request_id)
        return refused(refusal)

    def _note_sighting(self, source_id: str | None, origin: str | None, code: str) -> None:
        self._sightings.note(source_id, origin, code)

    def _log(self, refusal: Refused, incoming: Incoming | None, *, is_said: bool) -> None:
        """`is_said`: whether the log has a line on the sender."""
        is_news = not is_said and self.log_limit.is_first(refusal.code)
        level = logging.INFO if is_news else logging.DEBUG
        if log.isEnabledFor(level):
            name = incoming.request_id if incoming else "(not read)"
            log.log(level, "request %s: %s %s", name, refusal.status, refusal.code)

    def _admit(self, incoming: Incoming, source_id: str | None) -> Source:
        source = incoming.source = self.admission.find(source_id)
        self.admission.admit(source, bridge=incoming.bridge, origin=incoming.origin)
        self.admission.check_limits(source, limited_address(incoming.address))
        return source

    async def _keep_invalid_envelope(self, incoming: Incoming, invalid: InvalidEnvelope) -> None:
        """Stores a request of another shape among the rejected events, for the site's owner.

        Raises Refused if its source is refused: a sender learns that first, whatever else is wrong.
        """
        source = self._admit(incoming, invalid.source_id)
        rejection = Rejection(
            index=0,
            id=incoming.request_id,
            reason=invalid.code,
            detail=invalid.detail,
            type=None,
            payload=incoming.body.decode("utf-8", "replace"),
        )
        payload = Payload(source.id, rejected=(rejection,), anonymous=True)
        await self._store(incoming, payload, source)

    async def _store(self, incoming: Incoming, payload: Payload, source: Source) -> WriteResult:
        """Has the writer store a request. Raises Refused if nothing of it could be stored."""
        if source.validate_only:
            return _unstored(payload)
        sender = SenderInfo(
            origin=incoming.origin,
            ip=stored_address(incoming.address, source.ip_policy),
            bot=is_bot(incoming.user_agent),
            country=self._countries.of(incoming.address) if self._countries else None,
        )
        request = write_request(
            source, payload, incoming.request_id, incoming.received.text, sender
        )
        request.address = limited_address(incoming.address)
        request.run = incoming.run
        size = max(incoming.size, len(incoming.body))  # inflated, as it waits
        held = memory_of(incoming, payload, size)
        incoming.body = b""  # it waits as text
        return await self._writer.submit(request, size, held)

    def _answer(
        self, incoming: Incoming, payload: Payload, source: Source, result: WriteResult
    ) -> Answer:
        answer = stored(payload, result, incoming.request_id, validate_only=source.validate_only)
        metrics.count_request(source.id, answer.code)
        if log.isEnabledFor(logging.DEBUG):
            count = len(payload.events)
            log.debug("request %s: 200 %s, %d events", incoming.request_id, answer.code, count)
        self.times.add(incoming.started)
        return answer


def _parse(incoming: Incoming) -> Payload:
    return parse.parse(incoming.body, incoming.request_id, incoming.received)


def failed(error: BaseException) -> Answer:
    """Logs a mistake of our own, and answers the request that met it.

    Each place in the code that fails has one traceback in a worker's log, so a sender who found it
    cannot fill the disk.
    """
    request_id = uuid7()
    place = _place_of(error)
    log.error(
        "request %s failed: %s",
        request_id,
        repr(error)[:MAX_CAUSE],
        exc_info=None if place in _known_failures else error,
    )
    _known_failures.add(place)
    metrics.count_request(NO_SOURCE, Internal.code)
    return refused(Internal(), request_id)


def _place_of(error: BaseException) -> tuple[str, int]:
    """File and line of where an exception was raised."""
    last = error.__traceback__
    while last and last.tb_next:
        last = last.tb_next
    return (last.tb_frame.f_code.co_filename, last.tb_lineno) if last else ("", 0)


def write_request(
    source: Source,
    payload: Payload,
    request_id: str,
    received_at: str,
    sender: SenderInfo,
    replays: int | None = None,
) -> WriteRequest:
    """What the writer is to store. `replays`: a rejected event, which was counted when it came."""
    return WriteRequest(
        source_id=source.id,
        request_id=request_id,
        received_at=received_at,
        sender=sender,
        payload=payload,
        static_profiles=source.static_profiles,
        profile_scope=source.profile_scope,
        rate_limit=source.rate_limit,
        quota_mb=source.quota_mb,
        replays=replays,
    )


def parsed(incoming: Incoming, read: Callable[[Incoming], Payload]) -> Payload | InvalidEnvelope:
    """What was parsed, or what is wrong with the request's shape. Raises Refused for all else.

    The error is a new one: that which was raised holds all that the parser held, and this one waits
    for the disk.
    """
    try:
        return read(incoming)
    except InvalidEnvelope as error:
        return InvalidEnvelope(error.detail, error.source_id)


def memory_of(incoming: Incoming, payload: Payload, size: int) -> int:
    """Bytes of memory that a request takes while it waits, at most. `size`: bytes of its body."""
    items = len(payload.events) + len(payload.rejected) + len(payload.warnings)
    is_ascii = incoming.body and incoming.body.isascii()  # a bridge's body is not looked at
    factor = ASCII_FACTOR if is_ascii else OTHER_FACTOR
    headers = len(incoming.user_agent) + len(incoming.address) + len(incoming.origin or "")
    return (
        REQUEST_BYTES
        + 4 * headers
        + ITEM_BYTES * items
        + KNOWN_BYTES * len(payload.known)
        + factor * (size + len(payload.utm or ""))  # a second copy of a part of the context
    )


def _events_in(incoming: Incoming) -> int:
    payload = incoming.payload
    return len(payload.events) + len(payload.rejected) if payload else incoming.events


def _unstored(payload: Payload) -> WriteResult:
    """What a source that only validates is answered with."""
    if payload.anonymous:
        return WriteResult(0, payload.session_id)
    return WriteResult(0, payload.session_id or uuid7(), payload.profile_id or uuid7())
