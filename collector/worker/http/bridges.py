"""The other routes in: webhook, pixel and redirect. Each makes one event of a request."""

import asyncio
from base64 import b64decode
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw, structs
from sanic import HTTPResponse, Request, Sanic

from ...errors import Invalid, Overloaded
from ...event import parse
from ...event.types import Payload, is_valid_id
from ...store import SourceCache
from ..answer import Answer
from ..inflate import inflated
from ..pipeline import Incoming, Pipeline
from . import openapi
from .cors import cors_headers
from .forms import URLENCODED, form_fields
from .responses import NO_STORE, IngestionResponse
from .routes import Route, add_routes

# 43 bytes, transparent.
PIXEL = b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAICRAEAOw==")
REDIRECT_TIMEOUT = 2.0  # seconds a visitor waits for their event to be stored

_decode_object = msgspec.json.Decoder(dict[str, Raw]).decode


def add(app: Sanic[Any, Any], pipeline: Pipeline, sources: SourceCache) -> list[Route]:
    """Adds /collect and /redirect to the app."""

    async def store(
        request: Request,
        bridge: str,
        event_type: str,
        source_id: str,
        session_id: str | None,
        fixed: dict[str, Raw] | None = None,
    ) -> Answer:
        """Stores a request as one event. `fixed`: properties that override the sender's."""
        incoming = pipeline.incoming(
            request.headers,
            request.ip,
            len(request.body),
            bridge,
            source_id=source_id,
            events=1,
        )
        read = partial(_parse, request, event_type, session_id, fixed or {}, pipeline.hidden)
        await pipeline.wait_turn(request.headers, len(request.body))
        return await pipeline.run(incoming, read)

    async def webhook(
        request: Request, event_type: str, source_id: str, session_id: str | None = None
    ) -> HTTPResponse:
        answer = await store(request, "webhook", event_type, source_id, session_id)
        return IngestionResponse(request, answer)

    async def pixel(request: Request, event_type: str, source_id: str) -> HTTPResponse:
        headers = {**cors_headers(request), **NO_STORE}
        if request.method == "GET":
            answer = await store(request, "webhook", event_type, source_id, None)
            if answer.status != 200:
                return IngestionResponse(request, answer)
            headers["X-Collector-Reason"] = answer.code
        return HTTPResponse(PIXEL, headers=headers, content_type="image/gif")

    async def redirect(
        request: Request, redirect_id: str, session_id: str | None = None
    ) -> HTTPResponse:
        found = sources.redirect(redirect_id)
        headers = cors_headers(request)
        if found is None:
            return HTTPResponse('{"detail": "Not found."}', 404, headers, "application/json")
        headers |= {"Location": found.target, **NO_STORE}
        if request.method == "GET":
            encode = msgspec.json.encode
            fixed = {"redirect": Raw(encode(found.id)), "target": Raw(encode(found.target))}
            storing = asyncio.ensure_future(
                store(request, "redirect", found.event_type, found.source_id, session_id, fixed)
            )
            try:
                # The visitor goes on, stored or not. What takes longer is stored afterwards.
                answer = await asyncio.wait_for(asyncio.shield(storing), REDIRECT_TIMEOUT)
                headers["X-Collector-Reason"] = answer.code
            except TimeoutError:
                headers["X-Collector-Reason"] = Overloaded.code
        return HTTPResponse(status=307, headers=headers)

    routes = [*_webhook_routes(webhook), _pixel_route(pixel), *_redirect_routes(redirect)]
    add_routes(app, routes)
    return routes


COLLECT = "/collect/{event_type}/{source_id}"


def _webhook_routes(handler: Callable[..., Any]) -> list[Route]:
    body = openapi.body(openapi.ANY, types=("application/json", URLENCODED))
    return [
        Route(
            method,
            path,
            handler,
            f"Store one event; {what} its properties.",
            "Ingestion",
            body=body if method == "POST" else None,
            responses=openapi.INGESTION_RESPONSES,
            cors=True,
        )
        for path in (COLLECT, f"{COLLECT}/{{session_id}}")
        for method, what in (("GET", "the query becomes"), ("POST", "query and body become"))
    ]


def _pixel_route(handler: Callable[..., Any]) -> Route:
    gif = {"image/gif": {"schema": {"type": "string", "format": "binary"}}}
    return Route(
        "GET",
        f"{COLLECT}/pixel.gif",
        handler,
        "Store one event, answer a transparent pixel.",
        "Ingestion",
        responses={
            **openapi.INGESTION_RESPONSES,
            "200": {"description": "On disk.", "content": gif},
        },
        head=True,
    )


def _redirect_routes(handler: Callable[..., Any]) -> list[Route]:
    answers = {
        "307": {"description": "To the stored target, whether or not the event could be stored."},
        **openapi.errors({"404": "There is no such redirect."}),
    }
    return [
        Route(
            "GET",
            path,
            handler,
            "Store one event and redirect.",
            "Ingestion",
            responses=answers,
            head=True,
        )
        for path in ("/redirect/{redirect_id}", "/redirect/{redirect_id}/{session_id}")
    ]


def _parse(
    request: Request,
    event_type: str,
    session_id: str | None,
    fixed: dict[str, Raw],
    hidden: Sequence[str],
    incoming: Incoming,
) -> Payload:
    """A request as the payload that the tracker would have sent. `hidden`: what is no property in a
    query. Raises Invalid, TooLarge."""
    if not is_valid_id(session_id):
        raise Invalid("The session id in the address: expected up to 128 printable characters.")
    query = _as_json(request.args)
    for name in hidden:
        query.pop(name, None)
    properties = {**query, **_body(request), **fixed}
    wire = {
        "source": {"id": incoming.source_id},
        "session": {"id": session_id} if session_id else None,
        "events": [{"type": event_type, "properties": properties}],
    }
    body = msgspec.json.encode(wire)
    incoming.size = max(incoming.size, len(body))
    payload = parse.parse(body, incoming.request_id, incoming.received)
    return structs.replace(payload, anonymous=True)


def _body(request: Request) -> dict[str, Raw]:
    if request.method != "POST" or not request.body:
        return {}
    body = inflated(request.body, request.headers.get("content-encoding"))
    fields = form_fields(body, request.headers.get("content-type", ""))
    if fields is not None:
        return _as_json(fields)
    if parse.is_too_deep(body):
        raise Invalid("The body is nested too deep.")
    try:
        return _decode_object(parse.sanitize(body))
    except msgspec.DecodeError as error:
        raise Invalid(
            "The body is not a JSON object. Forms are understood too, with their own content type."
        ) from error
    except UnicodeDecodeError as error:
        raise Invalid("The body is not UTF-8.") from error


def _as_json(fields: Any) -> dict[str, Raw]:
    """Query or form fields: one value as a string, several as an array."""
    found = {
        name: values if len(values) > 1 else values[0] for name, values in fields.items() if values
    }
    try:
        return {
            name: Raw(msgspec.json.encode(value)) for name, value in found.items() if name.encode()
        }
    except UnicodeEncodeError as error:
        raise Invalid("A field is not UTF-8.") from error
