"""`POST /track`: the events of a page. A `Connection` serves all but what Sanic must refuse."""

from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ..pipeline import Pipeline
from . import openapi
from .responses import IngestionResponse
from .routes import Route, add_routes


def add(app: Sanic[Any, Any], pipeline: Pipeline) -> list[Route]:
    """Adds /track to the app."""

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
    add_routes(app, routes)
    return routes
