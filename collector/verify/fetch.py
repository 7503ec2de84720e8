"""Requests of a verification: by httpx, over connections that are judged, within bounds."""

import ssl
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from urllib.parse import urljoin

import brotli
import httpcore
import httpx

from .guard import Guard
from .network import CHUNK, Network, trust

USER_AGENT = "Mozilla/5.0 (compatible; ThamesThrive verify)"
_ACCEPTED = "gzip, deflate, br"
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Response:
    """An answer, read to its end or to the limit. `url`: what was asked for; `body`: inflated;
    `is_whole`: whether it ended within the limit."""

    url: str
    status: int
    headers: httpx.Headers
    body: bytes
    is_whole: bool = True

    @property
    def kind(self) -> str:
        """The media type, as in text/html; empty if none was given."""
        given: str = self.headers.get("content-type", "")
        return given.partition(";")[0].strip().lower()

    @property
    def text(self) -> str:
        """The body as text; what is no UTF-8 is replaced."""
        return self.body.decode("utf-8", "replace")


class TooManyRedirects(Exception):
    """Redirects do not end. `chain`: the answers until then."""

    def __init__(self, chain: tuple[Response, ...]) -> None:
        super().__init__(f"more than {len(chain)} redirects")
        self.chain = chain


class Client:
    """Asks for pages and files. Keeps no cookies, and knows no proxies of the environment."""

    def __init__(self, guard: Guard) -> None:
        self.guard = guard
        self.network = Network(guard)
        self.trust = trust()
        self._client = httpx.Client(
            transport=_Transport(self.network, self.trust),
            follow_redirects=False,
            trust_env=False,
            timeout=guard.bounds.answer_seconds,
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": _ACCEPTED},
        )

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()

    def request(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> Response:
        """One request. Raises httpx.TransportError, httpx.InvalidURL, and Refusal."""
        address = httpx.URL(url)
        port = address.port or (443 if address.scheme == "https" else 80)
        self.guard.check_url(address.scheme, address.host, port)
        address = address.copy_with(username=None, password=None, fragment=None)
        asked = self._client.build_request(method, address, headers=headers, content=content)
        for cookie in [*self._client.cookies.jar]:
            self._client.cookies.jar.clear(cookie.domain, cookie.path, cookie.name)
        with closing(self._client.send(asked, stream=True)) as response:
            body, is_whole = self._read(response)
            return Response(url, response.status_code, response.headers, body, is_whole)

    def follow(self, url: str, headers: Mapping[str, str] | None = None) -> tuple[Response, ...]:
        """Asks for a page, and for what it redirects to: all answers, the last one is the page's.
        Raises TooManyRedirects, and what `request` raises."""
        chain: list[Response] = []
        while len(chain) <= self.guard.bounds.redirects:
            chain.append(self.request("GET", url, headers))
            target = chain[-1].headers.get("location")
            if chain[-1].status not in _REDIRECTS or not target:
                return tuple(chain)
            url = urljoin(url, target)
        raise TooManyRedirects(tuple(chain))

    def _read(self, response: httpx.Response) -> tuple[bytes, bool]:
        limit = self.guard.bounds.size
        raw, is_whole = _head_of(response.iter_raw(CHUNK), limit)
        for name in reversed(response.headers.get("content-encoding", "").split(",")):
            raw, fits = _inflated(raw, name.strip().lower(), limit)
            is_whole = is_whole and fits
        return raw, is_whole


def _head_of(parts: Iterator[bytes], limit: int) -> tuple[bytes, bool]:
    """What comes first, at most `limit` bytes, and whether that was all."""
    found = bytearray()
    for part in parts:
        found += part
        if len(found) > limit:
            return bytes(found[:limit]), False
    return bytes(found), True


def _inflated(body: bytes, encoding: str, limit: int) -> tuple[bytes, bool]:
    """At most `limit` bytes, whatever they would inflate to, and whether that was all. What does not
    inflate stays as it is."""
    try:
        if encoding in ("gzip", "x-gzip"):
            return _unzipped(body, 31, limit)
        if encoding == "deflate":
            return _unzipped(body, 15 if body[:1] == b"\x78" else -15, limit)
        if encoding == "br":
            return _unbrotlied(body, limit)
    except (zlib.error, brotli.error):
        pass
    return body, True


def _unzipped(body: bytes, window: int, limit: int) -> tuple[bytes, bool]:
    inflater = zlib.decompressobj(wbits=window)
    found = inflater.decompress(body, limit)
    return found, inflater.eof


def _unbrotlied(body: bytes, limit: int) -> tuple[bytes, bool]:
    inflater = brotli.Decompressor()
    found, rest = bytearray(), body
    while not inflater.is_finished() and len(found) < limit:
        part = inflater.process(rest, output_buffer_limit=limit)
        if not part and not rest:
            break
        rest = b""
        found += part
    return bytes(found[:limit]), inflater.is_finished() and len(found) <= limit


class _Transport(httpx.BaseTransport):
    """httpx over httpcore's public parts: httpx's own transport takes no network of others."""

    def __init__(self, network: Network, trusted: ssl.SSLContext) -> None:
        # None is kept: a server may close one just when it is used again.
        self._pool = httpcore.ConnectionPool(
            ssl_context=trusted, network_backend=network, max_keepalive_connections=0
        )

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        asked = httpcore.Request(
            method=request.method,
            url=httpcore.URL(
                scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
            ),
            headers=request.headers.raw,
            content=request.stream,
            extensions=request.extensions,
        )
        try:
            answer = self._pool.handle_request(asked)
        except httpcore.TimeoutException as error:
            raise httpx.TimeoutException(str(error)) from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise httpx.TransportError(str(error)) from error
        return httpx.Response(
            answer.status,
            headers=answer.headers,
            stream=_Stream(answer),
            extensions=answer.extensions,
        )

    def close(self) -> None:
        self._pool.close()


class _Stream(httpx.SyncByteStream):
    def __init__(self, answer: httpcore.Response) -> None:
        self._answer = answer

    def __iter__(self) -> Iterator[bytes]:
        try:
            yield from self._answer.iter_stream()
        except httpcore.TimeoutException as error:
            raise httpx.TimeoutException(str(error)) from error
        except (httpcore.NetworkError, httpcore.ProtocolError) as error:
            raise httpx.TransportError(str(error)) from error

    def close(self) -> None:
        self._answer.close()


def cause_of(error: BaseException) -> BaseException:
    """What is at the bottom of a failed request: a name that is unknown, a certificate that is not
    valid, a connection that is refused."""
    while (cause := error.__cause__ or _carried(error)) is not None:
        error = cause
    return error


def _carried(error: BaseException) -> BaseException | None:
    """httpcore takes causes off, but has them as arguments."""
    first = error.args[0] if error.args else None
    return first if isinstance(first, BaseException) else None


def explain(error: Exception) -> str:
    """A failed request, for people."""
    cause = cause_of(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {cause.verify_message}"
    if isinstance(error, httpx.TimeoutException):
        return "it did not answer in time"
    return str(cause) or type(cause).__name__


def header_lines(headers: httpx.Headers, name: str) -> list[str]:
    """The values of a header, one for each time that it was sent."""
    return [value for key, value in headers.multi_items() if key.lower() == name.lower()]
