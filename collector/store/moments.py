"""Times as administrators write them: a date, a time, or a number of days from now."""

import re
from datetime import UTC, datetime, timedelta

from ..errors import StoreError
from ..event.timestamps import iso, utc


def time_ahead(text: str) -> str:
    """A time from now on, in the stored form: `90d` is in 90 days, a date its beginning in UTC.

    Raises StoreError for anything else, and for what is past.
    """
    found = _moment(text, 1)
    if found <= datetime.now(UTC):
        raise StoreError(f"{text} is in the past. Write a later date, or days, as in 90d.")
    return iso(found)


def time_ago(text: str) -> str:
    """A time in the stored form: `7d` is 7 days ago, a date its beginning in UTC. Raises
    StoreError."""
    return iso(_moment(text, -1))


def _moment(text: str, sign: int) -> datetime:
    try:
        if days := re.fullmatch(r"([0-9]{1,5})d", text):
            return datetime.now(UTC) + sign * timedelta(days=int(days[1]))
        return utc(datetime.fromisoformat(text)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise StoreError(
            f"{text!r} is no time. Write a date, as in 2027-01-31, or days, as in 90d."
        ) from error
