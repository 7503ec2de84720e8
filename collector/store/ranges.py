"""Ranges of time that an overview shows. All of them are in UTC and of whole minutes, hours or days."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from ..errors import StoreError
from ..event.timestamps import OLDEST, iso
from .rollup_tables import DAY, HOUR, LENGTHS, MONTH

MINUTE = "minute"
TEXTS = {MINUTE: 16, **LENGTHS}  # how much of a time's text names its minute, hour, day or month
TODAY, YESTERDAY = "today", "yesterday"
NAMED = ("30min", "24h", TODAY, YESTERDAY, "7d", "30d", "12mo")
CUSTOM = "custom"
MAX_DAYS = 3660
FIRST_YEAR, LAST_YEAR = OLDEST.year, 9998
MAX_POINTS = 92  # days in a chart; of more, it shows months
_STEPS = {
    MINUTE: timedelta(minutes=1),
    HOUR: timedelta(hours=1),
    DAY: timedelta(days=1),
}


@dataclass(frozen=True)
class Range:
    """From `start` to before `end`. `grain`: the length of its periods, the points of a chart."""

    name: str
    start: datetime
    end: datetime
    grain: str

    @property
    def first(self) -> date:
        """The first day."""
        return self.start.date()

    @property
    def last(self) -> date:
        """The last day."""
        return (self.end - timedelta(microseconds=1)).date()

    @property
    def times(self) -> tuple[str, str]:
        """Its ends in the stored form, the second excluded."""
        return iso(self.start), iso(self.end)

    @property
    def is_days(self) -> bool:
        """Whether it is made of whole days."""
        return self.grain in (DAY, MONTH) or self.name in (CUSTOM, YESTERDAY)

    def before(self) -> "Range":
        """The range of the same length that ends where this one begins; before 12 months, 12 others;
        before today, yesterday up to the same hour."""
        length = self.end - self.start
        if self.name == TODAY:
            return Range(self.name, self.start - _STEPS[DAY], self.end - _STEPS[DAY], self.grain)
        if self.name == "12mo":
            return Range(self.name, _year_before(self.start), self.start, self.grain)
        return Range(self.name, self.start - length, self.start, self.grain)

    def periods(self) -> list[str]:
        """The names of its periods, as in `2026-11-27T09:41`, `2026-11-27T09`, `2026-11-27` or
        `2026-11`."""
        return [start.isoformat()[: TEXTS[self.grain]] for start, _ in self.parts()]

    def parts(self) -> Iterator[tuple[datetime, datetime]]:
        """Its periods: start and end, of which the second is excluded. Months may be in part."""
        start = self.start
        while start < self.end:
            after = _next_month(start) if self.grain == MONTH else start + _STEPS[self.grain]
            yield start, min(after, self.end)
            start = after


def named_range(name: str, now: datetime | None = None) -> Range:
    """One of NAMED: the last 30 minutes, 24 hours, 7 or 30 days, or 12 months, of which the present
    one is the last; today up to the present hour, or yesterday. Raises StoreError."""
    now = (now or datetime.now(UTC)).replace(second=0, microsecond=0)
    if name == "30min":
        end = now + _STEPS[MINUTE]
        return Range(name, end - timedelta(minutes=30), end, MINUTE)
    end = now.replace(minute=0) + _STEPS[HOUR]
    if name == "24h":
        return Range(name, end - timedelta(hours=24), end, HOUR)
    midnight = now.replace(minute=0, hour=0)
    if name == TODAY:
        return Range(name, midnight, end, HOUR)
    if name == YESTERDAY:
        return Range(name, midnight - _STEPS[DAY], midnight, HOUR)
    end = midnight + _STEPS[DAY]
    if name in ("7d", "30d"):
        return Range(name, end - timedelta(days=int(name[:-1])), end, DAY)
    if name == "12mo":
        end = _next_month(now.replace(minute=0, hour=0))
        return Range(name, _year_before(end), end, MONTH)
    raise StoreError(f"{name!r} is not a range. Choose from {', '.join(NAMED)}.")


def _next_month(at: datetime) -> datetime:
    """The first day of the next month."""
    return (at.replace(day=28) + timedelta(days=4)).replace(day=1)


def _year_before(first: datetime) -> datetime:
    """The same first day of a month in the year before."""
    return first.replace(year=first.year - 1)


def custom_range(first: date, last: date) -> Range:
    """Some days, both of them included. Raises StoreError if they are none, or more than MAX_DAYS."""
    days = (last - first).days + 1
    if not 0 < days <= MAX_DAYS or not FIRST_YEAR <= first.year <= last.year <= LAST_YEAR:
        raise StoreError(
            f"From {first} to {last} is no range. The second day must not be before the first, both"
            f" between {FIRST_YEAR} and {LAST_YEAR}, and at most {MAX_DAYS:,} days are shown."
        )
    start = datetime(first.year, first.month, first.day, tzinfo=UTC)
    grain = HOUR if days == 1 else DAY if days <= MAX_POINTS else MONTH
    return Range(CUSTOM, start, start + timedelta(days=days), grain)
