"""`/health`: the process is up."""

from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import json

from .. import __version__


def add_routes(app: Sanic[Any, Any]) -> None:
    """Adds /health to the app."""

    @app.route("/health", methods=["GET", "HEAD"], name="health")
    async def health(_: Request) -> HTTPResponse:
        return json({"status": "ok", "version": __version__}, headers={"Cache-Control": "no-store"})
