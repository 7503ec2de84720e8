"""The head of a request, read by llhttp in its strict mode and by what that leaves open.

Proxies and servers that read a request differently can be made to see different requests in the
same bytes (request smuggling). So whatever has two readings is refused, for every route.
"""

import re

from httptools import (
    HttpParserError,
    HttpParserInvalidURLError,
    HttpParserUpgrade,
    HttpRequestParser,
    parse_url,
)
from msgspec import Struct

from ...errors import MalformedRequest

HEAD_END = b"\r\n\r\n"
MAX_HEAD = 16 * 1024  # bytes, the blank line at its end included; Sanic takes no more

# llhttp takes several blanks, other protocols, and the versions 0.9 and 2.0.
_REQUEST_LINE = re.compile(rb"([A-Z-]+) ((?:/|https?://|\*)[!-~]*) HTTP/1\.([01])\r\n")
# What says where a body ends; `with_length` replaces it.
_FRAMING = re.compile(rb"\r\n(?:content-length|transfer-encoding|expect):[^\r]*", re.IGNORECASE)
_KEPT = {
    name.encode(): name
    for name in (
        "connection",
        "content-encoding",
        "content-length",
        "expect",
        "host",
        "origin",
        "transfer-encoding",
        "user-agent",
        "x-forwarded-for",
    )
}

_LISTS = ("connection", "expect", "transfer-encoding", "x-forwarded-for")  # may have several lines


class Headers(dict[str, str]):
    """The headers that matter here, by their names in lower case."""

    def getall(self, name: str, default: list[str]) -> list[str]:
        """All lines of a header, joined to one."""
        return [self[name]] if name in self else default


class Head(Struct, frozen=True):
    """A request line and its headers. `raw`: all of it as it came, with the blank line."""

    raw: bytes
    method: bytes
    target: bytes
    version: int  # of HTTP/1
    headers: Headers
    length: int  # bytes of the body, 0 if it is chunked
    chunked: bool

    @property
    def keep_alive(self) -> bool:
        """Whether the sender wants to use the connection again."""
        connection = self.headers.get("connection")
        if connection is None:
            return self.version == 1
        return "close" not in [token.strip().lower() for token in connection.split(",")]

    def with_length(self, length: int) -> bytes:
        """The head as bytes, for a body that has been read and has this length."""
        return b"%b\r\nContent-Length: %d\r\n\r\n" % (_FRAMING.sub(b"", self.raw[:-4]), length)


class _HeaderReader:
    """What the parser calls."""

    def __init__(self) -> None:
        self.headers = Headers()
        self.hosts = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        kept = _KEPT.get(name.lower())
        if kept is None:
            return
        text = value.decode("utf-8", "surrogateescape")
        if kept == "host":
            self.hosts += 1
        if kept not in self.headers:
            self.headers[kept] = text
        elif kept in _LISTS:
            self.headers[kept] += f",{text}"


def parse_head(raw: bytes) -> Head:
    """Parses a head, up to and with the blank line. Raises MalformedRequest."""
    reader = _HeaderReader()
    _feed(HttpRequestParser(reader), raw)
    line = _REQUEST_LINE.match(raw)
    if line is None:
        raise MalformedRequest("Invalid request line")
    _check_target(line[2])
    version = int(line[3])
    if reader.hosts != 1 and (version or reader.hosts):
        raise MalformedRequest("Exactly one Host header is required")
    headers = reader.headers
    coding = headers.get("transfer-encoding")
    if coding is not None and (coding.strip(" \t").lower() != "chunked" or not version):
        raise MalformedRequest("The only Transfer-Encoding is chunked, in HTTP/1.1")
    length = int(headers.get("content-length", 0))
    return Head(raw, line[1], line[2], version, headers, length, coding is not None)


def _check_target(target: bytes) -> None:
    """Raises MalformedRequest for a whole address without a path, or that is none."""
    if target.startswith(b"/"):
        return
    try:
        path = parse_url(target).path
    except HttpParserInvalidURLError as error:
        raise MalformedRequest("Invalid request target") from error
    if not path:
        raise MalformedRequest("Invalid request target")


def check_beginning(raw: bytes | bytearray) -> None:
    """Raises MalformedRequest if this cannot become a head, whatever follows."""
    _feed(HttpRequestParser(None), raw)


def _feed(parser: HttpRequestParser, raw: bytes | bytearray) -> None:
    try:
        parser.feed_data(raw)
    except HttpParserError as error:
        raise MalformedRequest(str(error)) from error
    except HttpParserUpgrade:
        pass  # an offer that nobody has to accept, such as h2c
