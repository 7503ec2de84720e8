"""HTTP responses of answers."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import msgspec
from sanic import HTTPResponse, Request
from sanic.headers import format_http1_response

from ..answer import Answer
from .cors import cors_for

MAX_ORIGIN = 300  # characters; a name of a host has 253 at most
NO_STORE = {"Cache-Control": "no-store"}


def json_response(status: int, body: Any, headers: dict[str, str] | None = None) -> HTTPResponse:
    """JSON that nobody may keep."""
    return json_text_response(status, msgspec.json.encode(body), headers)


def json_text_response(
    status: int, text: bytes, headers: dict[str, str] | None = None
) -> HTTPResponse:
    """The same of a text that is JSON already."""
    return HTTPResponse(text, status, {**NO_STORE, **(headers or {})}, "application/json")


class IngestionResponse(HTTPResponse):
    """The response to an ingestion request.

    Its headers differ by origin, reason and pause only, and are made once for each.
    """

    def __init__(self, request: Request, answer: Answer) -> None:
        super().__init__(answer.body, answer.status, content_type="application/json")
        self.code = answer.code
        origin = request.headers.get("origin")
        prepare = _prepare if _is_short(origin) else _prepare.__wrapped__
        self._prepared = prepare(origin, answer.code, answer.retry_after)

    @property
    def processed_headers(self) -> Iterator[tuple[bytes, bytes]]:
        """Header names and values as bytes; content length and connection are the framework's."""
        own: Any = self.headers
        yield b"content-length", b"%d" % own["content-length"]
        yield b"connection", own["connection"].encode()
        yield from self._prepared


def response_bytes(origin: str | None, answer: Answer, *, keep_alive: bool) -> bytes:
    """The response to an ingestion request as it travels."""
    prepare = _prepare_head if _is_short(origin) else _prepare_head.__wrapped__
    head = prepare(origin, answer.status, answer.code, answer.retry_after, keep_alive)
    return b"%bcontent-length: %d\r\n\r\n%b" % (head, len(answer.body), answer.body)


def refusal_bytes(status: int, detail: str, cors: dict[str, str]) -> bytes:
    """The response to a request that is not served, as it travels. It is the connection's last."""
    body = json.dumps({"detail": detail}).encode()
    headers = {
        "content-length": str(len(body)),
        "connection": "close",
        "content-type": "application/json",
        **cors,
    }
    return format_http1_response(status, _encode(headers)) + body


def _is_short(origin: str | None) -> bool:
    """Whether the headers for an origin are worth remembering."""
    return origin is None or len(origin) <= MAX_ORIGIN


@lru_cache(maxsize=4096)
def _prepare_head(
    origin: str | None, status: int, code: str, retry_after: int | None, keep_alive: bool
) -> bytes:
    connection = (b"connection", b"keep-alive" if keep_alive else b"close")
    prepared = (connection, *_prepare.__wrapped__(origin, code, retry_after))
    return format_http1_response(status, prepared).removesuffix(b"\r\n")


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
    return _encode(headers)


def _encode(headers: dict[str, str]) -> tuple[tuple[bytes, bytes], ...]:
    return tuple(
        (name.encode("ascii"), value.encode("utf-8", "surrogateescape"))
        for name, value in headers.items()
    )
