"""`POST /track`: the events of a page."""

import re
from time import perf_counter
from typing import Any, Protocol

from sanic import HTTPResponse, Request, Sanic

from ...errors import Refused, UnknownSource
from ...event import parse
from ...event.types import Payload
from ..answer import Answer
from ..pipeline import Incoming, Pipeline
from ..sender import address_of, readable
from . import openapi
from .body import inflated
from .responses import IngestionResponse
from .routes import Route, add_routes

_UNKNOWN = UnknownSource()
# How the tracker's requests begin. Others are parsed first, and refused then.
_SOURCE = re.compile(rb'\{"source":\{"id":"([0-9A-Za-z-]{1,64})"\}')


class Headers(Protocol):
    """The headers of a request, whoever has read it. Names are in lower case."""

    def get(self, key: str, /) -> str | None:
        """The first line of this header."""
        ...

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """All of its lines."""
        ...


def incoming_of(
    headers: Headers, peer: str, size: int, bridge: str, proxies: int, **known: Any
) -> Incoming:
    """A request as the pipeline takes it. `peer`: the address it came from; `size`: bytes of its
    body; `known`: other fields of Incoming."""
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


class Track:
    """What becomes of `POST /track`, whether Sanic or a `Connection` has read it."""

    def __init__(self, pipeline: Pipeline, proxies: int) -> None:
        """`proxies`: how many of our own stand before the collector."""
        self._pipeline = pipeline
        self._proxies = proxies

    async def answer(self, headers: Headers, body: bytes, peer: str) -> Answer:
        """Stores the events of a request. `body`: as it came; `peer`: the address it came from."""
        started = perf_counter()
        pipeline = self._pipeline
        size = len(body)
        try:
            body = inflated(body, headers.get("content-encoding"))
            # Requests of unknown sources must cost least, so they are not even parsed.
            named = _SOURCE.match(body)
            if named and not pipeline.admission.knows(named[1].decode()):
                return pipeline.refuse(_UNKNOWN, started)
        except Refused as refusal:
            return pipeline.refuse(refusal, started)
        incoming = incoming_of(
            headers, peer, size, "rest", self._proxies, body=body, started=started
        )
        del headers, body  # what a request holds while it waits is counted
        return await pipeline.run(incoming, _parse)


def add(app: Sanic[Any, Any], track: Track) -> list[Route]:
    """Adds /track to the app."""

    async def handle(request: Request) -> HTTPResponse:
        answer = await track.answer(request.headers, request.body, request.ip)
        return IngestionResponse(request, answer)

    routes = [
        Route(
            "POST",
            "/track",
            handle,
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
