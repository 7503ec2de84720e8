"""A built site, served beside the collector."""

import gzip
from pathlib import Path
from typing import Any

from sanic import Request, Sanic
from sanic.response import BaseHTTPResponse

_TEXTS = ("text/", "application/json", "application/javascript", "image/svg+xml")


def add(app: Sanic[Any, Any], folder: Path, *, fresh: bool) -> Path:
    """Serves the folder's files. `fresh`: browsers keep none of them, for those who are changing
    them."""
    app.static("/", folder, index="index.html", name="site")

    async def finish(request: Request, response: BaseHTTPResponse) -> None:
        if fresh:
            # To ask whether a file has changed is not enough: two builds within one second have the
            # same Last-Modified.
            response.headers["Cache-Control"] = "no-store"
        if request.route and request.route.name.endswith(".site"):
            _compress(request, response)

    app.register_middleware(finish, "response")
    return folder


def _compress(request: Request, response: BaseHTTPResponse) -> None:
    """Texts travel in a third of their size."""
    if response.status == 200 and response.body and str(response.content_type).startswith(_TEXTS):
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            response.body = gzip.compress(response.body, 6, mtime=0)
            response.headers["Content-Encoding"] = "gzip"


def not_found_page(request: Request) -> bytes | None:
    """The site's own page for addresses that lead nowhere, for people."""
    folder: Path | None = getattr(request.app.ctx, "site", None)
    if not folder or "text/html" not in request.headers.get("accept", ""):
        return None
    try:
        return (folder / "404.html").read_bytes()
    except FileNotFoundError:
        return None
