"""What workers and the writer process say to each other: frames of msgpack on a Unix socket."""

import struct
from collections.abc import Iterator
from typing import Generic, TypeVar

import msgspec
from msgspec import Struct

from .payload import Payload

_LENGTH = struct.Struct("!I")

T = TypeVar("T")


class Job(Struct, frozen=True, array_like=True):
    """One admitted request on its way to the disk. `number` is the worker's, to recognise the
    result by."""

    number: int
    source_id: str
    static_profiles: bool
    rate_limit: int | None  # events a minute
    request_id: str
    received_at: str
    origin: str | None
    ip: str | None  # as the source wants it stored
    bot: bool
    payload: Payload


class Result(Struct, frozen=True, array_like=True):
    """What became of a job. `refused` is a reason word if nothing was stored, and then the rest is
    empty."""

    number: int
    session_id: str | None = None
    profile_id: str | None = None
    duplicates: tuple[str, ...] = ()  # ids that were stored before
    missing: tuple[str, ...] = ()  # of the ids the sender asked about, those that are not stored
    refused: str | None = None
    retry_after: int = 0  # seconds, if refused for its rate
    forged_profile: bool = False  # it named the profile of another site that does not exist


class Frames(Generic[T]):
    """Lists of `T` to bytes, and back from whatever pieces the socket delivers."""

    def __init__(self, kind: type[T]) -> None:
        self._buffer = bytearray()
        self._decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]

    @staticmethod
    def pack(items: list[T]) -> bytes:
        """One frame."""
        body = msgspec.msgpack.encode(items)
        return _LENGTH.pack(len(body)) + body

    def feed(self, data: bytes) -> Iterator[T]:
        """The items of all frames that are complete now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            frame = bytes(self._buffer[_LENGTH.size : end])
            del self._buffer[:end]
            yield from self._decode(frame)
