"""What an overview adds up, whatever it is counted from."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from .rollup_tables import KINDS, SESSION_KINDS

# A visit in some time, as it is read: visitor (source << 48 | profile), events and page-views in it, whether it began in it,
# whether it is a bounce, and its value of each of SESSION_KINDS.
VisitRow = Sequence[Any]
_VALUES = 5  # where the values begin


@dataclass
class Part:
    """Sums of a range. By period: its name → how many."""

    events: Counter[str] = field(default_factory=Counter)
    page_views: Counter[str] = field(default_factory=Counter)
    sessions: Counter[str] = field(default_factory=Counter)
    visitors: Counter[str] = field(default_factory=Counter)
    # Not the sums of all periods, as one may be in several.
    all_visitors: int = 0
    all_sessions: int = 0
    bounces: int = 0
    bots: int = 0
    tops: dict[str, Counter[str]] = field(
        default_factory=lambda: {kind: Counter() for kind in KINDS}
    )
    # Visitors that were seen, where they are counted one by one; of the periods that are not over.
    seen: set[int] = field(default_factory=set)
    seen_in: dict[str, set[int]] = field(default_factory=lambda: defaultdict(set))

    def add_visitors(self, period: str, visitors: Iterable[int]) -> None:
        """Adds visitors who came in a period."""
        self.seen_in[period].update(visitors)

    def end_periods(self) -> None:
        """Counts the visitors of the periods that were added to. Nothing more is added to these."""
        for period, visitors in self.seen_in.items():
            self.visitors[period] = len(visitors)
            self.seen |= visitors
        self.seen_in.clear()
        self.all_visitors = len(self.seen)

    def add_visits(self, period: str, rows: Sequence[VisitRow]) -> None:
        """Adds what visits did in a period."""
        if not rows:
            return
        visitors, events, views, *_ = zip(*rows, strict=True)
        self.add_visitors(period, visitors)
        self.events[period] += sum(events)
        self.page_views[period] += sum(views)
        self.begin_visits([period], [row for row in rows if row[3]])

    def begin_visits(self, periods: Iterable[str], rows: Sequence[VisitRow]) -> None:
        """Counts visits, in each of these periods."""
        if not rows:
            return
        columns = [*zip(*rows, strict=True)]
        for period in periods:
            self.sessions[period] += len(rows)
        self.all_sessions += len(rows)
        self.bounces += sum(columns[4])
        # They may have been left out.
        for kind, values in zip(SESSION_KINDS, columns[_VALUES:], strict=False):
            self.tops[kind].update(values)
