"""Bodies with `Transfer-Encoding: chunked`."""

import re

from ...errors import MalformedRequest, TooLarge
from ...event.limits import MAX_WIRE
from .head import Head

MAX_CHUNKS = 10_000  # of one body: each costs time, however small
MAX_LINE = 80  # bytes of a line with a chunk's size

# Exactly hexadecimal digits, and an extension that says nothing to us.
_SIZE = re.compile(rb"([0-9A-Fa-f]{1,8})(?:;[\t -~\x80-\xff]*)?\r\n")
_END = b"\r\n"


class ChunkedBody:
    """A body, put together as it arrives."""

    def __init__(self) -> None:
        self.body = bytearray()
        self._count = 0

    def take(self, buffer: bytearray) -> bool:
        """Moves whole chunks from the buffer to the body; whether the body is complete now.

        Raises MalformedRequest, also for trailers, which nobody reads, and TooLarge as soon as a
        size says so.
        """
        while (line := _SIZE.match(buffer, 0, MAX_LINE)) is not None:
            size, start = int(line[1], 16), line.end()
            if len(self.body) + size > MAX_WIRE or self._count == MAX_CHUNKS:
                raise TooLarge
            ending = bytes(buffer[start + size : start + size + 2])
            if not _END.startswith(ending):
                raise MalformedRequest("A chunk is longer than its size, or there are trailers")
            if len(ending) < 2:
                return False
            self.body += buffer[start : start + size]
            del buffer[: start + size + 2]
            if size == 0:
                return True
            self._count += 1
        if len(buffer) >= MAX_LINE or b"\n" in buffer:
            raise MalformedRequest("Invalid size of a chunk")
        return False


def take_body(head: Head, chunked: ChunkedBody | None, buffer: bytearray) -> bytes | None:
    """Takes the body of a request out of a buffer, None if it is incomplete. Raises
    MalformedRequest, TooLarge."""
    if chunked:
        return bytes(chunked.body) if chunked.take(buffer) else None
    if head.length > MAX_WIRE:
        raise TooLarge
    if len(buffer) < head.length:
        return None
    body = bytes(buffer[: head.length])
    del buffer[: head.length]
    return body
