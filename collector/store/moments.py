"""Times as administrators write them: a date, a time, or a length of time from now."""

import re
from datetime import UTC, datetime, timedelta

from ..errors import StoreError
from ..event.timestamps import iso, utc

_UNITS = {"min": "minutes", "h": "hours", "d": "days"}
_LENGTH = r"([0-9]{1,5})(min|h|d)"
_DAYS = {"today": 0, "yesterday": 1}


def time_ahead(text: str) -> str:
    """A time from now on, in the stored form: `90d` is in 90 days, `12h` in 12 hours, a date its
    beginning in UTC.

    Raises StoreError for anything else, and for what is past.
    """
    found = _moment(text, 1)
    if found <= datetime.now(UTC):
        raise StoreError(
            f"{text} is in the past. Write a later time, or a length of time, as in 90d."
        )
    return iso(found)


def time_ago(text: str) -> str:
    """A time in the stored form: `15min`, `2h` and `7d` are so long ago; a date is its beginning in
    UTC, and so are `today` and `yesterday`. A time without a zone is in UTC, too. Raises StoreError."""
    return iso(_moment(text, -1))


def length_of(text: str) -> timedelta:
    """A length of time: `15min`, `2h` or `7d`. Raises StoreError."""
    found = re.fullmatch(_LENGTH, text)
    if not found or not int(found[1]):
        raise StoreError(f"{text!r} is not a length of time. Write one as in 7d, 2h or 15min.")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def length_text(seconds: float) -> str:
    """A length of time in the largest unit of which there is one: `1.5 h`."""
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.1f} s"


def _moment(text: str, sign: int) -> datetime:
    if text in _DAYS:
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        return midnight - timedelta(days=_DAYS[text])
    try:
        if length := re.fullmatch(_LENGTH, text):
            unit = _UNITS[length[2]]
            return datetime.now(UTC) + sign * timedelta(**{unit: int(length[1])})
        return utc(datetime.fromisoformat(text)).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise StoreError(
            f"{text!r} is not a time. Write a date, as in 2027-01-31, a time, as in 2027-01-31T18:00Z,"
            " today, yesterday, or a length of time, as in 90d, 2h or 15min."
        ) from error
