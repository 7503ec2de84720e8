"""Times as they are stored and answered: ISO 8601, UTC, milliseconds, always 24 characters, so text sorts as time."""

from datetime import UTC, datetime, timedelta
from typing import NamedTuple

SKEW = timedelta(seconds=30)  # between `sentAt` and arrival; more than a slow network explains is a wrong clock
FUTURE = timedelta(minutes=5)  # how far ahead of the arrival an event may be
OLDEST = datetime(2000, 1, 1, tzinfo=UTC)  # what is older comes from a clock that was never set


class Moment(NamedTuple):
    """A time for calculating, and as it is stored."""

    at: datetime
    text: str


def moment() -> Moment:
    """The present."""
    at = datetime.now(UTC)
    return Moment(at, iso(at))


def now() -> str:
    """The present, e.g. `2026-11-23T10:00:00.000Z`."""
    return iso(datetime.now(UTC))


def iso(at: datetime) -> str:
    """A moment as stored text. A moment without a zone is taken as UTC."""
    if at.tzinfo is not UTC and at.tzinfo is not None:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="milliseconds")[:23] + "Z"


def utc(at: datetime) -> datetime:
    """A moment in UTC. A moment without a zone is taken as UTC."""
    return at.replace(tzinfo=UTC) if at.tzinfo is None else at


def skew_of(sent: datetime | None, received: Moment) -> timedelta | None:
    """How far the sender's clock is behind, if it is wrong."""
    if sent is None:
        return None
    skew = received.at - utc(sent)
    return skew if abs(skew) > SKEW else None


def is_sane(at: datetime, received: Moment) -> bool:
    """Whether an event can have happened then."""
    return OLDEST <= at <= received.at + FUTURE
