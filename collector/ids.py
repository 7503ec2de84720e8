"""Ids the collector makes."""

import os
import threading
import time
import uuid

_POOL = 4096  # random bytes fetched at a time: a call for each id gives up the interpreter lock each time


class _Pool(threading.local):
    """Random bytes of the operating system, kept per thread."""

    def __init__(self) -> None:
        self.bytes = b""

    def take(self, count: int) -> int:
        if len(self.bytes) < count:
            self.bytes = os.urandom(_POOL)
        taken, self.bytes = self.bytes[:count], self.bytes[count:]
        return int.from_bytes(taken, "big")


_pool = _Pool()


def uuid7() -> str:
    """A UUIDv7: 48 bits of milliseconds, 74 random ones.

    Not uuid-utils' version, which counts up within a millisecond: a profile id must not be guessed from its neighbour.
    """
    random = _pool.take(10)
    digits = f"{time.time_ns() // 1_000_000:012x}7{random >> 62 & 0xFFF:03x}{random & (1 << 62) - 1 | 1 << 63:016x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def event_id(request_id: str, index: int) -> str:
    """The id of an event that came without one: the same for the same place in the same request."""
    return str(uuid.uuid5(uuid.UUID(request_id), str(index)))
