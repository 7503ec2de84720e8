"""HTTP responses of answers."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from sanic import HTTPResponse, Request

from ..answer import Answer
from .cors import cors_for

NO_STORE = {"Cache-Control": "no-store"}


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> HTTPResponse:
    """JSON that nobody may keep."""
    content = msgspec.json.encode(body)
    return HTTPResponse(content, status, {**NO_STORE, **(headers or {})}, "application/json")


class IngestionResponse(HTTPResponse):
    """The response to an ingestion request.

    Its headers differ by origin, reason and pause only, and are made once for each.
    """

    def __init__(self, request: Request, answer: Answer) -> None:
        super().__init__(answer.body, answer.status, content_type="application/json")
        self.code = answer.code
        self._prepared = _prepare(request.headers.get("origin"), answer.code, answer.retry_after)

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Header names and values as bytes; content length and connection are the framework's."""
        own: Any = self.headers
        yield b"content-length", b"%d" % own["content-length"]
        yield b"connection", own["connection"].encode()
        yield from self._prepared


@lru_cache(maxsize=4096)
def _prepare(
    origin: str | None, code: str, retry_after: int | None
) -> tuple[tuple[bytes, bytes], ...]:
    headers = {
        "content-type": "application/json",
        **cors_for(origin),
        "X-Collector-Reason": code,
    }
    if retry_after is not None:
        headers["Retry-After"] = str(retry_after)
    return tuple(
        (name.encode("ascii"), value.encode("utf-8", "surrogateescape"))
        for name, value in headers.items()
    )
