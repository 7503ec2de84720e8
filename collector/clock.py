"""Times as they are stored and answered: ISO 8601, UTC, milliseconds, always 24 characters, so text sorts as time."""

from datetime import UTC, datetime


def now() -> str:
    """The present, e.g. `2026-11-23T10:00:00.000Z`."""
    return iso(datetime.now(UTC))


def iso(moment: datetime) -> str:
    """A moment as stored text. A moment without a zone is taken as UTC."""
    if moment.tzinfo is not UTC and moment.tzinfo is not None:
        moment = moment.astimezone(UTC)
    return moment.isoformat(timespec="milliseconds")[:23] + "Z"
