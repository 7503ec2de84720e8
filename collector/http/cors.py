"""Who may read an answer. Ingestion routes answer any page, errors included; nothing else sends a
CORS header."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from sanic import HTTPResponse, Request

INGESTION = ("/track", "/tracker/", "/collect/", "/redirect/")
MAX_AGE = "7200"  # seconds a browser may remember a preflight


def is_ingestion(path: str) -> bool:
    """Whether a path belongs to the routes that pages of other origins use."""
    return path.startswith(INGESTION)


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


class StoredAnswer(HTTPResponse):
    """The answer to nearly every request. Its headers differ by origin and reason only, and are
    made once for each."""

    def __init__(self, request: Request, body: bytes, reason: str, status: int = 200) -> None:
        super().__init__(body, status, content_type="application/json")
        self.reason = reason
        self._prepared = _prepare(request.headers.get("origin"), reason)

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Header names and values as bytes, content length and connection first, as the framework
        has set them."""
        own: Any = self.headers
        yield b"content-length", b"%d" % own["content-length"]
        yield b"connection", own["connection"].encode()
        yield from self._prepared


@lru_cache(maxsize=4096)
def _prepare(origin: str | None, reason: str) -> tuple[tuple[bytes, bytes], ...]:
    headers = {"content-type": "application/json", **cors_for(origin), "X-Collector-Reason": reason}
    return tuple(
        (name.encode("ascii"), value.encode("utf-8", "surrogateescape"))
        for name, value in headers.items()
    )
