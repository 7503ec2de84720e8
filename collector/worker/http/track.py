"""`POST /track`, also under aliases: the events of a page. A `Connection` serves all but what Sanic
must refuse."""

from collections.abc import Iterable
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ...alias import Alias
from ..pipeline import Pipeline
from . import openapi
from .responses import IngestionResponse
from .routes import Route, add_routes


def targets(aliases: Iterable[Alias]) -> tuple[bytes, ...]:
    """What is asked for by requests with events."""
    return (b"/track", *(alias.endpoint_path.encode() for alias in aliases))


def add(app: Sanic[Any, Any], pipeline: Pipeline, aliases: Iterable[Alias]) -> list[Route]:
    """Adds /track to the app, and the same under aliases, which are not documented."""

    async def handle(request: Request) -> HTTPResponse:
        answer = await pipeline.track(request.headers, request.body, request.ip)
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
    routes += [Route("POST", alias.endpoint_path, handle, cors=True) for alias in aliases]
    add_routes(app, routes)
    return routes
