"""`POST /track`: one request in, one answer after its rows are on disk."""

import json
import zlib
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic

from .. import event
from ..clock import now
from ..errors import Invalid, Refused, TooLarge, WrongEnvelope
from ..gate import admit
from ..ids import uuid7
from ..jobs import Result
from ..outbox import Outbox
from ..payload import Payload
from ..store import Registry
from .cors import StoredAnswer, cors_headers, preflight_headers

MAX_INFLATED = 1024 * 1024

_encode = msgspec.json.encode


def add_routes(app: Sanic[Any, Any], registry: Registry, outbox: Outbox) -> None:
    """Adds /track to the app."""

    @app.post("/track", name="track")
    async def track(request: Request) -> HTTPResponse:
        request_id = uuid7()
        try:
            body = _body_of(request)
            received_at = now()
            origin = request.headers.get("origin")
            try:
                payload = event.parse(body, request_id, received_at)
            except WrongEnvelope as wrong:
                # A sender whose source is refused is told that first, whatever else is wrong.
                admit(registry, wrong.source_id, bridge="rest", origin=origin)
                raise
            source = admit(registry, payload.source_id, bridge="rest", origin=origin)
            result = await outbox.submit(payload, source, request_id, received_at, len(body))
        except Refused as refusal:
            return refuse(request, refusal, request_id)
        return _answer(request, payload, result, request_id)

    @app.options("/track", name="track_preflight")
    async def preflight(request: Request) -> HTTPResponse:
        return HTTPResponse(status=204, headers=preflight_headers(request, "POST, OPTIONS"))


def refuse(request: Request, refusal: Refused, request_id: str) -> HTTPResponse:
    """The answer to a refused request: status, reason header, and the detail as the contract words it."""
    headers = {**cors_headers(request), "X-Collector-Reason": refusal.reason}
    if refusal.retry_after is not None:
        headers["Retry-After"] = str(refusal.retry_after)
    body = {"detail": refusal.detail}
    if refusal.status == 500:
        body["request"] = request_id
    return HTTPResponse(json.dumps(body), refusal.status, headers, "application/json")


def _body_of(request: Request) -> bytes:
    """The body, inflated. Raises TooLarge, and Invalid for what does not inflate."""
    body: bytes = request.body
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding in ("identity", ""):
        return body
    if encoding not in ("gzip", "x-gzip"):
        raise Invalid("Content-Encoding: only gzip is understood.")
    inflater = zlib.decompressobj(wbits=31)
    try:
        inflated = inflater.decompress(body, MAX_INFLATED + 1)
    except zlib.error as error:
        raise Invalid("Content-Encoding: the body is not gzip.") from error
    if len(inflated) > MAX_INFLATED:
        raise TooLarge("More than 1 MB inflated.")
    if not inflater.eof:
        raise Invalid("Content-Encoding: the gzip body is cut short.")
    return inflated


def _answer(request: Request, payload: Payload, result: Result, request_id: str) -> HTTPResponse:
    duplicates = result.duplicates
    warnings = [{"index": n.index, "id": n.id, "reason": n.reason, "detail": n.detail} for n in payload.warnings]
    if duplicates:
        warnings += [
            {"index": e.index, "id": e.id, "reason": "duplicate", "duplicate": True} for e in payload.events if e.id in duplicates
        ]
    body: dict[str, Any] = {
        "task": [request_id],
        "ux": [],
        "response": {},
        "events": [e.id for e in payload.events],
        "profile": {"id": result.profile_id},
        "session": {"id": result.session_id},
        "errors": [{"index": r.index, "id": r.id, "reason": r.reason, "detail": r.detail} for r in payload.rejected],
        "warnings": warnings,
    }
    repeated = bool(duplicates) and len(duplicates) == len(payload.events)
    if repeated:
        body["duplicate"] = True
    if payload.known:
        body["missing"] = result.missing
    reason = "duplicate" if repeated else "invalid" if payload.rejected and not payload.events else "stored"
    return StoredAnswer(request, _encode(body), reason)
