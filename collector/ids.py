"""Ids the collector makes."""

import os
import re
import threading
import time
import uuid

# random bytes fetched at a time: a call for each id gives up the interpreter lock each time
_POOL = 4096


class _Pool(threading.local):
    """Random bytes of the operating system as hexadecimal digits, kept per thread."""

    def __init__(self) -> None:
        self.digits = ""
        self.at = 0

    def take(self, count: int) -> str:
        at = self.at
        if at + count > len(self.digits):
            self.digits, at = os.urandom(_POOL).hex(), 0
        self.at = at + count
        return self.digits[at : self.at]


_pool = _Pool()
# A fork must not give the ids that its parent gives.
os.register_at_fork(after_in_child=lambda: setattr(_pool, "digits", ""))
_UUID8 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
"""The digit of a UUID that has the variant, for each digit that two bits of it come from."""


def uuid7() -> str:
    """A UUIDv7: 48 bits of milliseconds, 74 random ones.

    Not uuid-utils' version, which counts up within a millisecond: a profile id must not be guessed
    from its neighbour.
    """
    r = _pool.take(19)
    t = f"{time.time_ns() // 1_000_000:012x}"
    return f"{t[:8]}-{t[8:]}-7{r[:3]}-{VARIANT[r[3]]}{r[4:7]}-{r[7:]}"


def event_id(request_id: str, index: int) -> str:
    """The id of an event that came without one: the same for the same place in the same request."""
    return str(uuid.uuid5(uuid.UUID(request_id), str(index)))


def time_of_uuid7(text: str) -> float | None:
    """When a UUIDv7 was made, in seconds since 1970; None if it is none."""
    try:
        found = uuid.UUID(text)
    except ValueError:
        return None
    return (found.int >> 80) / 1000 if found.version == 7 else None


def is_uuid8(text: str) -> bool:
    """Whether a text is a UUIDv8 as the collector writes it: with small letters and dashes."""
    return _UUID8.fullmatch(text) is not None
