"""`POST /track`: the events of a page."""

import re
from time import perf_counter
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ...errors import Refused, UnknownSource
from ...event import parse
from ...event.types import Payload
from ..pipeline import Incoming, Pipeline
from ..sender import address_of, readable
from . import openapi
from .body import body_of
from .responses import IngestionResponse
from .routes import Route, add_routes

_UNKNOWN = UnknownSource()
# How the tracker's requests begin. Others are parsed first, and refused then.
_SOURCE = re.compile(rb'\{"source":\{"id":"([0-9A-Za-z-]{1,64})"\}')


def incoming_of(request: Request, bridge: str, proxies: int, **known: Any) -> Incoming:
    """A request as the pipeline takes it. `known`: other fields of Incoming."""
    headers = request.headers
    return Incoming(
        bridge=bridge,
        origin=readable(headers.get("origin")),
        address=address_of(request, proxies),
        user_agent=headers.get("user-agent") or "",
        size=len(request.body),
        **known,
    )


def add(app: Sanic[Any, Any], pipeline: Pipeline, proxies: int) -> list[Route]:
    """Adds /track to the app."""

    async def track(request: Request) -> HTTPResponse:
        started = perf_counter()
        try:
            body = body_of(request)
            # Requests of unknown sources must cost least, so they are not even parsed.
            named = _SOURCE.match(body)
            if named and not pipeline.admission.knows(named[1].decode()):
                return IngestionResponse(request, pipeline.refuse(_UNKNOWN, started))
        except Refused as refusal:
            return IngestionResponse(request, pipeline.refuse(refusal, started))
        incoming = incoming_of(request, "rest", proxies, body=body, started=started)
        return IngestionResponse(request, await pipeline.run(incoming, _parse))

    routes = [
        Route(
            "POST",
            "/track",
            track,
            "Store the events of a page.",
            "Ingestion",
            body=openapi.body(
                openapi.ref("Payload"), types=("application/json", "text/plain"), required=True
            ),
            responses=openapi.INGESTION_RESPONSES,
            cors=True,
        )
    ]
    add_routes(app, routes)
    return routes


def _parse(incoming: Incoming) -> Payload:
    return parse.parse(incoming.body, incoming.request_id, incoming.received)
