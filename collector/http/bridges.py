"""The other ways in: webhook, pixel and redirect. Each makes one event of a request and goes the
way of `/track`."""

import asyncio
from base64 import b64decode
from time import perf_counter
from typing import Any

import msgspec
from msgspec import Raw, structs
from sanic import HTTPResponse, Request, Sanic

from .. import event
from ..clock import moment
from ..errors import Invalid, Refused
from ..ids import uuid7
from ..jobs import Result
from ..payload import Payload, usable_id
from ..store import Registry, Source
from .body import body_of
from .cors import StoredAnswer, cors_headers, preflight_headers
from .ingest import Ingest

PIXEL = b64decode(
    "R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw=="
)  # 43 bytes, transparent
REDIRECT_PATIENCE = 2.0  # seconds a visitor waits for their event to be stored
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


def add_routes(app: Sanic[Any, Any], ingest: Ingest, registry: Registry) -> None:
    """Adds /collect and /redirect to the app."""

    async def webhook(
        request: Request, event_type: str, source_id: str, session_id: str | None = None
    ) -> HTTPResponse:
        return await _Bridge(ingest, "webhook", request).respond(event_type, source_id, session_id)

    async def pixel(request: Request, event_type: str, source_id: str) -> HTTPResponse:
        headers = {**cors_headers(request), "Cache-Control": "no-store"}
        if request.method == "GET":
            answer = await _Bridge(ingest, "webhook", request).respond(event_type, source_id, None)
            if answer.status != 200:
                return answer
            headers["X-Collector-Reason"] = _reason(answer)
        return HTTPResponse(PIXEL, headers=headers, content_type="image/gif")

    async def redirect(
        request: Request, redirect_id: str, session_id: str | None = None
    ) -> HTTPResponse:
        found = registry.redirect(redirect_id)
        if found is None:
            return HTTPResponse(
                '{"detail": "Not found."}', 404, cors_headers(request), "application/json"
            )
        headers = {**cors_headers(request), "Location": found.target, "Cache-Control": "no-store"}
        if request.method == "GET":
            own = {
                "redirect": Raw(msgspec.json.encode(found.id)),
                "target": Raw(msgspec.json.encode(found.target)),
            }
            storing = _Bridge(ingest, "redirect", request).respond(
                found.event_type, found.source_id, session_id, own
            )
            try:
                # The visitor goes on, stored or not; what takes longer is stored behind their back.
                answer = await asyncio.wait_for(
                    asyncio.shield(asyncio.ensure_future(storing)), REDIRECT_PATIENCE
                )
                headers["X-Collector-Reason"] = _reason(answer)
            except TimeoutError:
                headers["X-Collector-Reason"] = "overloaded"
        return HTTPResponse(status=307, headers=headers)

    async def preflight(request: Request, **_: str) -> HTTPResponse:
        return HTTPResponse(status=204, headers=preflight_headers(request, "GET, POST, OPTIONS"))

    collect = "/collect/<event_type:str>/<source_id:str>"
    for path, name in ((collect, "webhook"), (f"{collect}/<session_id:str>", "webhook_session")):
        app.add_route(webhook, path, methods=["GET", "POST"], name=name, unquote=True)
        app.add_route(preflight, path, methods=["OPTIONS"], name=f"{name}_preflight", unquote=True)
    app.add_route(
        pixel, f"{collect}/pixel.gif", methods=["GET", "HEAD"], name="pixel", unquote=True
    )
    for path, name in (
        ("/redirect/<redirect_id:str>", "redirect"),
        ("/redirect/<redirect_id:str>/<session_id:str>", "redirect_s"),
    ):
        app.add_route(redirect, path, methods=["GET", "HEAD"], name=name, unquote=True)


class _Bridge:
    """One request on its way to one event."""

    def __init__(self, ingest: Ingest, name: str, request: Request) -> None:
        self._ingest = ingest
        self._name = name
        self._request = request

    async def respond(
        self,
        event_type: str,
        source_id: str,
        session_id: str | None,
        own: dict[str, Raw] | None = None,
    ) -> HTTPResponse:
        """Stores the event, and answers as /track does. `own` goes before what the sender says."""
        started = perf_counter()
        request, ingest = self._request, self._ingest
        request_id, received, source = uuid7(), moment(), None
        try:
            source = ingest.gate.find(source_id)
            ingest.gate.admit(source, bridge=self._name, origin=request.headers.get("origin"))
            payload = self._payload(event_type, source, session_id, own or {}, request_id)
            payload = ingest.gate.judge(payload, source)
            if source.transitional:
                result = Result(0, session_id)
            else:
                result = await ingest.take(request, payload, source, request_id, received)
            return ingest.answer(request, payload, source, result, request_id)
        except Refused as refusal:
            return ingest.refuse(request, refusal, request_id, source, events=1)
        finally:
            ingest.times.add(started)

    def _payload(
        self,
        event_type: str,
        source: Source,
        session_id: str | None,
        own: dict[str, Raw],
        request_id: str,
    ) -> Payload:
        """The request as the payload that the tracker would have sent. Raises Invalid, TooLarge."""
        if not usable_id(session_id):
            raise Invalid("The session id in the address: expected up to 128 printable characters.")
        properties = {**_texts(self._request.args), **self._body(), **own}
        wire = {
            "source": {"id": source.id},
            "session": {"id": session_id} if session_id else None,
            "events": [{"type": event_type, "properties": properties}],
        }
        payload = event.parse(msgspec.json.encode(wire), request_id, moment())
        return structs.replace(payload, anonymous=True)

    def _body(self) -> dict[str, Raw]:
        request = self._request
        if request.method != "POST" or not request.body:
            return {}
        if (request.content_type or "").split(";")[0].strip().lower() in FORMS:
            return _texts(request.form or {})
        body = body_of(request)
        if event.too_deep(body):
            raise Invalid("The body is nested too deep.")
        try:
            return _decode_object(event.mend(body))
        except msgspec.DecodeError as error:
            raise Invalid(
                "The body is not a JSON object. Forms are understood too, with their own content type."
            ) from error
        except UnicodeDecodeError as error:
            raise Invalid("The body is not UTF-8.") from error


def _texts(fields: Any) -> dict[str, Raw]:
    """Query or form fields: one value as a text, several as an array."""
    found = {
        name: values if len(values) > 1 else values[0] for name, values in fields.items() if values
    }
    try:
        return {
            name: Raw(msgspec.json.encode(value)) for name, value in found.items() if name.encode()
        }
    except UnicodeEncodeError as error:
        raise Invalid("A field is not UTF-8.") from error


def _reason(answer: HTTPResponse) -> str:
    return (
        answer.reason
        if isinstance(answer, StoredAnswer)
        else str(answer.headers["X-Collector-Reason"])
    )
