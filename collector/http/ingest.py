"""Ingestion: one request in, one answer after its rows are on disk. `POST /track` here, the other
bridges in bridges.py."""

import json
import logging
import re
from collections import Counter
from collections.abc import Sequence
from time import perf_counter
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic

from .. import client, event, metrics
from ..clock import Moment, moment
from ..errors import Refused, UnknownSource, WrongEnvelope
from ..gate import Gate
from ..ids import uuid7
from ..jobs import Result
from ..outbox import Outbox
from ..payload import Event, Payload, Rejection
from ..store import Source
from .body import body_of
from .cors import StoredAnswer, cors_headers, preflight_headers

log = logging.getLogger("collector.ingest")

NO_SOURCE = (
    ""  # the metrics' label for requests of sources there are not: senders cannot invent series
)

_encode = msgspec.json.encode
_UNKNOWN = json.dumps({"detail": UnknownSource.detail}).encode()
# How the tracker's requests begin. Others are parsed first, and refused then.
_SOURCE = re.compile(rb'\{"source":\{"id":"([0-9A-Za-z-]{1,64})"\}')


class Ingest:
    """What every bridge does with a request: judge, store, answer. One per worker."""

    def __init__(self, gate: Gate, outbox: Outbox, *, proxies: int) -> None:
        self.gate = gate
        self.times = metrics.Times()
        self._outbox = outbox
        self._proxies = proxies

    async def take(
        self, request: Request, payload: Payload, source: Source, request_id: str, received: Moment
    ) -> Result:
        """Stores what is good of an admitted request. Raises Refused if nothing of it could be
        stored."""
        headers = request.headers
        return await self._outbox.submit(
            payload,
            source,
            request_id,
            received.text,
            len(request.body),
            origin=headers.get("origin"),
            ip=client.stored_address(self._address(request), source.ip_policy),
            bot=client.is_bot(headers.get("user-agent") or ""),
        )

    async def note_wrong_envelope(
        self,
        request: Request,
        body: bytes,
        wrong: WrongEnvelope,
        source: Source,
        request_id: str,
        received: Moment,
    ) -> None:
        """Puts a request of another shape into the rejected lane of its source, where the site's
        owner finds it."""
        text = body.decode("utf-8", "replace")
        rejected = Rejection(0, request_id, wrong.reason, wrong.detail, None, text)
        await self.take(
            request,
            Payload(source.id, rejected=(rejected,), anonymous=True),
            source,
            request_id,
            received,
        )

    def refuse(
        self,
        request: Request,
        refusal: Refused,
        request_id: str,
        source: Source | None = None,
        events: int = 0,
    ) -> HTTPResponse:
        """Counts a refusal, and answers it."""
        label = source.id if source else NO_SOURCE
        metrics.count_request(label, refusal.reason)
        metrics.count_events(label, refusal.reason, events)
        self.gate.learn(source, refusal)
        log.debug("request %s: %s %s", request_id, refusal.status, refusal.reason)
        return refuse(request, refusal, request_id)

    def refuse_unknown(self, request: Request) -> HTTPResponse:
        """The answer to a source that there is not, without having read on: nobody's requests must
        cost least."""
        metrics.count_request(NO_SOURCE, UnknownSource.reason)
        log.debug("a request was refused: 401 unknown_source")
        return StoredAnswer(request, _UNKNOWN, UnknownSource.reason, UnknownSource.status)

    def answer(
        self, request: Request, payload: Payload, source: Source, result: Result, request_id: str
    ) -> HTTPResponse:
        """Counts a stored request, and answers it."""
        body, reason = answer_body(payload, result, request_id)
        if source.transitional:
            body["warnings"].append(
                {
                    "reason": "stored",
                    "detail": "The source is transitional: events are checked, not kept.",
                }
            )
        metrics.count_request(source.id, reason)
        if log.isEnabledFor(logging.DEBUG):
            log.debug("request %s: 200 %s, %d events", request_id, reason, len(payload.events))
        return StoredAnswer(request, _encode(body), reason)

    def _address(self, request: Request) -> str:
        """The peer, or what the last of our own proxies was told: counted from the right, where
        senders cannot write."""
        if self._proxies:
            hops = [
                hop.strip()
                for line in request.headers.getall("x-forwarded-for", [])
                for hop in line.split(",")
            ]
            if len(hops) >= self._proxies:
                return str(hops[-self._proxies])
        return str(request.ip)


def add_routes(app: Sanic[Any, Any], ingest: Ingest) -> None:
    """Adds /track to the app."""
    gate = ingest.gate

    @app.post("/track", name="track")
    async def track(request: Request) -> HTTPResponse:
        started = perf_counter()
        source, payload, request_id = None, None, ""
        try:
            body = body_of(request)
            named = _SOURCE.match(body)
            if named and not gate.knows(named[1].decode()):
                return ingest.refuse_unknown(request)
            request_id, received = uuid7(), moment()
            origin = request.headers.get("origin")
            try:
                payload = event.parse(body, request_id, received)
            except WrongEnvelope as wrong:
                # A sender whose source is refused is told that first, whatever else is wrong.
                source = gate.find(wrong.source_id)
                gate.admit(source, bridge="rest", origin=origin)
                if not source.transitional:
                    await ingest.note_wrong_envelope(
                        request, body, wrong, source, request_id, received
                    )
                raise
            source = gate.find(payload.source_id)
            gate.admit(source, bridge="rest", origin=origin)
            payload = gate.judge(payload, source)
            if source.transitional:
                result = Result(0, payload.session_id or uuid7(), payload.profile_id or uuid7())
            else:
                result = await ingest.take(request, payload, source, request_id, received)
            return ingest.answer(request, payload, source, result, request_id)
        except Refused as refusal:
            request_id = request_id or uuid7()
            events = len(payload.events) + len(payload.rejected) if payload else 0
            return ingest.refuse(request, refusal, request_id, source, events)
        finally:
            ingest.times.add(started)

    @app.options("/track", name="track_preflight")
    async def preflight(request: Request) -> HTTPResponse:
        return HTTPResponse(status=204, headers=preflight_headers(request, "POST, OPTIONS"))


def refuse(request: Request, refusal: Refused, request_id: str) -> HTTPResponse:
    """The answer to a refused request: status, reason header, and the detail as the contract words
    it."""
    headers = {**cors_headers(request), "X-Collector-Reason": refusal.reason}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    body = {"detail": refusal.detail}
    if refusal.status == 500:
        body["request"] = request_id
    return HTTPResponse(json.dumps(body), refusal.status, headers, "application/json")


def _repeats(payload: Payload, duplicates: Sequence[str]) -> list[Event]:
    """The events that were not stored again. If an id came several times in one request, the first
    may have been stored."""
    left = Counter(duplicates)
    repeats = []
    for e in reversed(payload.events):
        if left[e.id]:
            left[e.id] -= 1
            repeats.append(e)
    return repeats[::-1]


def answer_body(payload: Payload, result: Result, request_id: str) -> tuple[dict[str, Any], str]:
    """The answer to a stored request, and its reason word."""
    duplicates = result.duplicates
    warnings: list[dict[str, Any]] = [
        {"index": n.index, "id": n.id, "reason": n.reason, "detail": n.detail}
        for n in payload.warnings
    ]
    if duplicates:
        warnings += [
            {"index": e.index, "id": e.id, "reason": "duplicate", "duplicate": True}
            for e in _repeats(payload, duplicates)
        ]
    if result.forged_profile:
        warnings.append(
            {
                "reason": "invalid",
                "detail": "/context/__tt_pid: there is no such profile, it is ignored",
            }
        )
    body: dict[str, Any] = {
        "task": [request_id],
        "ux": [],
        "response": {},
        "events": [e.id for e in payload.events],
        "profile": {"id": result.profile_id} if result.profile_id else None,
        "session": {"id": result.session_id} if result.session_id else None,
        "errors": [
            {"index": r.index, "id": r.id, "reason": r.reason, "detail": r.detail}
            for r in payload.rejected
        ],
        "warnings": warnings,
    }
    repeated = bool(duplicates) and len(duplicates) == len(payload.events)
    if repeated:
        body["duplicate"] = True
    if payload.known:
        body["missing"] = result.missing
    return (
        body,
        "duplicate"
        if repeated
        else "invalid"
        if payload.rejected and not payload.events
        else "stored",
    )
