"""Analyses as people write them, save them and share them: texts that stand in a form, a file of
JSON, an address or a command line. Each makes the query of a moment, and says the command for it."""

import shlex
from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar

import msgspec
from msgspec import Struct

from ..errors import NotFound, StoreError
from ..event.timestamps import OLDEST, iso, stored
from .cohorts import INTERVALS as COHORT_INTERVALS
from .cohorts import CohortQuery, number_of, retention_sql
from .conditions import parse_condition
from .explore import COUNT, INTERVALS, MAX_GROUPS, MEASURES, OF_NUMBERS, Query
from .explore_sql import sql_of
from .funnels import MAX_STEPS, FunnelQuery, funnel_sql
from .json_values import NAMES, JsonPath
from .moments import length_of, time_ago
from .reports import MAX_DAYS, last_days
from .selection import Selection
from .steps import ANY, parse_step

_NEVER = "9000-01-01T00:00:00.000Z"  # no event happens later
MAX_TEXT = 2000  # characters of a path, a condition or a step
MAX_LIST = 50  # types, or conditions
MAX_PERIODS = 400  # of retention


class Analysis(
    Struct,
    frozen=True,
    kw_only=True,
    forbid_unknown_fields=True,
    omit_defaults=True,
    tag_field="kind",
):
    """What all kinds have. The time: `days`, today among them; or `since` and `until`, as
    `moments.time_ago` reads them, either of which may be missing; or the kind's own number of days.
    `source`: the id of the only source, empty for all."""

    DAYS: ClassVar[int] = 7

    source: str = ""
    days: int = 0
    since: str = ""
    until: str = ""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready data: `kind`, and what is not as by default."""
        found: dict[str, Any] = msgspec.to_builtins(self)
        return found

    def times(self) -> tuple[str | None, str | None]:
        """The stored form of the times between which events are looked at, as of now, the second
        excluded; None for no end. Raises StoreError."""
        if not 0 <= self.days <= MAX_DAYS:
            raise StoreError(f"days must be from 1 to {MAX_DAYS}, not {self.days}.")
        if not self.since and not self.until:
            first, last = last_days(self.days or self.DAYS)
            return _midnight(first), _midnight(last + timedelta(days=1))
        if self.days:
            raise StoreError("Give days, or since and until, but not both.")
        since = min(time_ago(self.since), _NEVER) if self.since else None
        until = time_ago(self.until) if self.until else None
        if None not in (since, until) and str(until) <= str(since):
            raise StoreError("until is not after since, so no event can match.")
        return since, until

    def sources(self, reach: Sequence[str] | None) -> tuple[str, ...] | None:
        """The ids of the sources, of those that may be seen; None for all. Raises NotFound."""
        if not self.source:
            return None if reach is None else tuple(reach)
        if reach is not None and self.source not in reach:
            raise NotFound(f"There is no event source {self.source!r}.")
        return (self.source,)

    def check(self) -> None:
        """Raises StoreError for what no query can be made of."""
        for text in _texts(msgspec.to_builtins(self)):
            if not text.isascii() and any("\ud800" <= char <= "\udfff" for char in text):
                raise StoreError(f"{text!r} is not valid Unicode text.")
            if len(text) > MAX_TEXT:
                raise StoreError(f"A text has more than {MAX_TEXT} characters. Shorten it.")
        self.query()

    def query(self, reach: Sequence[str] | None = None) -> Any:
        """The query as of now. `reach`: the sources that may be seen, None for all. Raises
        StoreError."""
        raise NotImplementedError

    def sql(self, reach: Sequence[str] | None = None) -> str:
        """A statement over the view `events` that finds the same. Raises StoreError."""
        raise NotImplementedError

    def command(self) -> str:
        """The command line that finds the same, for a shell."""
        words = ["thamesthrive", "stats", str(self.__struct_config__.tag)]
        for name, value in self.as_dict().items():
            if name not in ("kind", *self._arguments()):
                option = "--" + _FLAGS.get(name, name)
                for one in value if isinstance(value, list | tuple) else [value]:
                    # One word, because a value may begin with a dash.
                    words.append(f"{option}={one}")
        if arguments := [one for name in self._arguments() for one in getattr(self, name)]:
            words += ["--", *arguments]
        return shlex.join(words)

    def _arguments(self) -> tuple[str, ...]:
        """The fields that are arguments of the command, not options."""
        return ()


_FLAGS = {"types": "type", "back": "return"}


class Explore(Analysis, frozen=True, kw_only=True, tag="explore"):
    """A measure of events, by group and over time. See `explore.Query`."""

    types: tuple[str, ...] = ()
    measure: str = COUNT
    of: str = ""
    by: str = ""
    where: tuple[str, ...] = ()
    interval: str = ""
    limit: int = 10

    def query(self, reach: Sequence[str] | None = None) -> Query:
        _choose("a measure", self.measure, MEASURES)
        _choose("an interval", self.interval, ("", *INTERVALS))
        if not 1 <= self.limit <= MAX_GROUPS:
            raise StoreError(f"limit must be from 1 to {MAX_GROUPS}, not {self.limit}.")
        if max(len(self.types), len(self.where)) > MAX_LIST:
            raise StoreError(f"Give at most {MAX_LIST} types and {MAX_LIST} conditions.")
        if (self.measure in OF_NUMBERS) != bool(self.of):
            raise StoreError(
                f"{self.measure} needs a numeric property: name it with `of`, as in price."
                if self.measure in OF_NUMBERS
                else f"{self.measure} is of no property. Leave `of` out, or choose another measure:"
                f" {', '.join(OF_NUMBERS)}."
            )
        where = tuple(parse_condition(text) for text in self.where)
        return Query(
            Selection(self.sources(reach), self.types, *self.times(), where),
            self.measure,
            JsonPath.of(self.of) if self.of else None,
            self.by if self.by in NAMES else JsonPath.of(self.by) if self.by else None,
            self.interval or None,
            self.limit,
        )

    def sql(self, reach: Sequence[str] | None = None) -> str:
        return sql_of(self.query(reach))


class Funnel(Analysis, frozen=True, kw_only=True, tag="funnel"):
    """Steps of visitors, one after the other. See `funnels`."""

    DAYS: ClassVar[int] = 30

    steps: tuple[str, ...] = ()
    within: str = "7d"

    def _arguments(self) -> tuple[str, ...]:
        return ("steps",)

    def query(self, reach: Sequence[str] | None = None) -> FunnelQuery:
        if not 2 <= len(self.steps) <= MAX_STEPS:
            raise StoreError(
                f"A funnel has 2 to {MAX_STEPS} steps, as in: page-view purchase-order"
            )
        steps = tuple(parse_step(text) for text in self.steps)
        within = length_of(self.within) // timedelta(milliseconds=1)
        return FunnelQuery(steps, within, self.sources(reach), *self.times())

    def sql(self, reach: Sequence[str] | None = None) -> str:
        return funnel_sql(self.query(reach))


class Retention(Analysis, frozen=True, kw_only=True, tag="retention"):
    """Who returns, by when they began. See `cohorts`."""

    DAYS: ClassVar[int] = 84

    first: str = ANY
    back: str = ANY
    interval: str = "week"

    def query(self, reach: Sequence[str] | None = None) -> CohortQuery:
        _choose("an interval", self.interval, COHORT_INTERVALS)
        first, back = parse_step(self.first), parse_step(self.back)
        since, until = self.times()
        today = datetime.now(UTC).date()
        # No event is later, and a column for each period until then would have no end.
        end = min(until or _NEVER, _midnight(today + timedelta(days=1)))
        length_of_all = timedelta(days=self.DAYS)
        start = since or iso(max(stored(end).at, OLDEST + length_of_all) - length_of_all)
        length = number_of(end, self.interval) - number_of(start, self.interval)
        if length > MAX_PERIODS:
            raise StoreError(
                f"These are {length:,} {self.interval}s; a table has at most {MAX_PERIODS}."
                " Choose a longer interval, or a later since."
            )
        return CohortQuery(first, back, self.interval, start, end, self.sources(reach))

    def sql(self, reach: Sequence[str] | None = None) -> str:
        return retention_sql(self.query(reach))


AnyAnalysis = Explore | Funnel | Retention


def read_analysis(data: Any) -> AnyAnalysis:
    """An analysis from JSON-ready data, checked. Raises StoreError."""
    try:
        found: AnyAnalysis = msgspec.convert(data, type=AnyAnalysis)
    except msgspec.ValidationError as error:
        raise StoreError(f"This is no definition of a report: {error}.") from error
    found.check()
    return found


def _texts(data: Any) -> Iterator[str]:
    """All texts in a definition."""
    if isinstance(data, str):
        yield data
    elif isinstance(data, dict):
        for value in data.values():
            yield from _texts(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from _texts(value)


def _choose(name: str, value: str, words: Sequence[str]) -> None:
    if value not in words:
        shown = ", ".join(word for word in words if word)
        raise StoreError(f"{value!r} is not {name}. Choose from {shown}.")


def _midnight(day: date) -> str:
    return iso(datetime(day.year, day.month, day.day, tzinfo=UTC))
