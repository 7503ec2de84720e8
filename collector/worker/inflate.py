"""The body of a request, inflated within bounds."""

import zlib
from collections.abc import Callable

import brotli

from ..errors import Invalid, TooLarge
from ..event.limits import MAX_ENCODINGS, MAX_INFLATED, MAX_RATIO


def inflated(body: bytes, header: str | None) -> bytes:
    """The body as the sender meant it: inflated as `header`, Content-Encoding, says, or as gzip if
    it looks like that.

    Raises TooLarge as soon as the limit is passed, whatever is left, and Invalid for what does not
    inflate.
    """
    if header is None:
        return _gunzip(body) if body[:2] == b"\x1f\x8b" else body
    encodings = [name.strip().lower() for name in header.split(",")]
    if len(encodings) > MAX_ENCODINGS:
        raise Invalid(f"Content-Encoding: at most {MAX_ENCODINGS} encodings.")
    for encoding in reversed(encodings):
        inflate = _INFLATERS.get(encoding)
        if inflate is None:
            raise Invalid(
                f"Content-Encoding: only {', '.join(known for known in _INFLATERS if known)} are understood."
            )
        body = inflate(body)
    return body


def _limit(body: bytes) -> int:
    return min(MAX_INFLATED, max(len(body) * MAX_RATIO, 4096))


def _gunzip(body: bytes) -> bytes:
    return _zlib(body, "gzip", 31)


def _deflate(body: bytes) -> bytes:
    # With the zlib header that the standard asks for, or without, as some senders do.
    return _zlib(body, "deflate", 15 if body[:1] == b"\x78" else -15)


def _zlib(body: bytes, name: str, window: int) -> bytes:
    inflater = zlib.decompressobj(wbits=window)
    limit = _limit(body)
    try:
        inflated = inflater.decompress(body, limit + 1)
    except zlib.error as error:
        raise Invalid(f"Content-Encoding: the body is not {name}.") from error
    if len(inflated) > limit:
        raise TooLarge("More than 1 MB inflated.")
    if not inflater.eof:
        raise Invalid(f"Content-Encoding: the {name} body is cut short.")
    return inflated


def _brotli(body: bytes) -> bytes:
    inflater = brotli.Decompressor()
    limit = _limit(body)
    parts, size, rest = [], 0, body
    try:
        while not inflater.is_finished():
            part = inflater.process(rest, output_buffer_limit=limit + 1)
            if not part and not rest:
                raise Invalid("Content-Encoding: the br body is cut short.")
            rest = b""
            parts.append(part)
            size += len(part)
            if size > limit:
                raise TooLarge("More than 1 MB inflated.")
    except brotli.error as error:
        raise Invalid("Content-Encoding: the body is not br.") from error
    return b"".join(parts)


def _plain(body: bytes) -> bytes:
    return body


_INFLATERS: dict[str, Callable[[bytes], bytes]] = {
    "": _plain,
    "identity": _plain,
    "gzip": _gunzip,
    "x-gzip": _gunzip,
    "deflate": _deflate,
    "br": _brotli,
}
