"""Who may read an answer. Ingestion routes answer any page, errors included; nothing else sends a
CORS header."""

from collections.abc import Iterable
from typing import Any

from sanic import Request, Sanic

from ...alias import Alias

INGESTION = ("/track", "/tracker/", "/collect/", "/redirect/")
"""What their paths begin with, besides those of aliases."""
MAX_AGE = "7200"  # seconds a browser may remember a preflight


def is_ingestion(path: str, app: Sanic[Any, Any]) -> bool:
    """Whether a path belongs to the routes that pages of other origins use."""
    return path.startswith(app.ctx.ingestion_paths)


def ingestion_paths(aliases: Iterable[Alias]) -> tuple[str, ...]:
    """What the paths of those routes begin with: `app.ctx.ingestion_paths`."""
    return (*INGESTION, *(f"{alias.prefix}/" for alias in aliases))


def cors_headers(request: Request) -> dict[str, str]:
    """The CORS headers of the answer to a request."""
    return cors_for(request.headers.get("origin"))


def cors_for(origin: str | None) -> dict[str, str]:
    """The CORS headers for a page of this origin; only `Vary` where there is none."""
    if not origin:
        return {"Vary": "Origin"}
    return {
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Allow-Credentials": "true",
        "Access-Control-Expose-Headers": "Retry-After, X-Collector-Reason",
        "Vary": "Origin",
    }


def preflight_headers(request: Request, methods: str) -> dict[str, str]:
    """The CORS headers of an OPTIONS answer: any request header is allowed, none of them
    matters."""
    return {
        **cors_headers(request),
        "Access-Control-Allow-Methods": methods,
        "Access-Control-Allow-Headers": request.headers.get("access-control-request-headers", "*"),
        "Access-Control-Max-Age": MAX_AGE,
    }
