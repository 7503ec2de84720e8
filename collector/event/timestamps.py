"""Times as they are stored and answered: ISO 8601, UTC, milliseconds.

They always have 24 characters, so text sorts as time.
"""

import time
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import NamedTuple

# Between `sentAt` and arrival. More than a slow network explains is a wrong clock.
SKEW = timedelta(seconds=30)
FUTURE = timedelta(minutes=5)  # how far ahead of the arrival an event may be
# What is older comes from a clock that was never set.
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)
OLDEST_TEXT = "2000-01-01T00:00:00.000Z"


class Timestamp(NamedTuple):
    """A time for calculating, and as it is stored."""

    at: datetime
    text: str


def current() -> Timestamp:
    """The present, to the millisecond. It is made once for all requests of a millisecond."""
    return _timestamp(time.time_ns() // 1_000_000)


@lru_cache(maxsize=2)
def _timestamp(millis: int) -> Timestamp:
    at = datetime.fromtimestamp(millis // 1000, UTC).replace(microsecond=millis % 1000 * 1000)
    return Timestamp(at, iso(at))


def stored(text: str) -> Timestamp:
    """A time that was stored."""
    return Timestamp(datetime.fromisoformat(text), text)


def now() -> str:
    """The present, e.g. `2026-11-23T10:00:00.000Z`."""
    return iso(datetime.now(UTC))


def iso(at: datetime) -> str:
    """A time as stored text. A time without a zone is taken as UTC."""
    if at.tzinfo is not UTC and at.tzinfo is not None:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def utc(at: datetime) -> datetime:
    """A time in UTC. A time without a zone is taken as UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def is_stored_form(text: str) -> bool:
    """Whether a text is a time in exactly the stored form. Most senders write it like that."""
    if len(text) != 24 or text[10] != "T" or text[23] != "Z" or text[5] not in "01":
        return False
    if text[13] != ":" or text[19] != ".":  # Python reads other forms of this length
        return False
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return False
    return True


def skew_of(sent: datetime | None, received: Timestamp) -> timedelta | None:
    """How far the sender's clock is behind, if it is wrong."""
    if sent is None:
        return None
    skew = received.at - utc(sent)
    return skew if abs(skew) > SKEW else None


def is_plausible(at: datetime, received: Timestamp) -> bool:
    """Whether an event can have happened then."""
    return OLDEST <= at <= received.at + FUTURE
