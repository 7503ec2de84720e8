"""Which events an analysis is about, and how their rows are read: a window of numbers at a time.

The same selection is written in two ways: over the view `events`, for people, and over the tables,
joining only what is needed.
"""

import json
import sqlite3
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import NamedTuple

from ..event.timestamps import FUTURE, iso, stored
from .conditions import Condition
from .events import last_seq
from .json_values import CAMPAIGN, MAX_LABEL, SOURCE, TYPE
from .rollup_tables import LIVE, MONTH
from .rows import Term, compared
from .runs import has_runs

WINDOW_ROWS = 50_000  # about as many rows does a statement read: a tenth of a second
MAX_WINDOW = 2_000_000  # numbers
FEW = 0.2  # of all events: an index finds them faster than reading all does
VISITOR = "profile_id"

# What stands for a name in each of the two ways, as SQL over `e`.
_CAMPAIGN = (
    "nullif(iif(json_type({0}, '$.campaign') = 'text' AND json_extract({0}, '$.campaign') <> '',"
    " json_extract({0}, '$.campaign'), iif(json_type({0}, '$.source') = 'text',"
    " json_extract({0}, '$.source'), '')), '')"
)
_VIEW_LABELS = {
    TYPE: "e.type",
    SOURCE: "e.source_id",
    CAMPAIGN: f"(SELECT substr({_CAMPAIGN.format('s.first_utm')}, 1, {MAX_LABEL}) FROM sessions s"
    " WHERE s.id = e.session_id AND s.source_id = e.source_id)",
}
_ROW_LABELS = {
    TYPE: "(SELECT name FROM event_types WHERE key = e.type)",
    SOURCE: "(SELECT id FROM source_keys WHERE key = e.source)",
    CAMPAIGN: f"substr({_CAMPAIGN.format('e.utm')}, 1, {MAX_LABEL})",
}
_NEEDS = {CAMPAIGN: "utm"}


@dataclass(frozen=True)
class Selection:
    """Which events are wanted.

    `sources`: ids; None for all. `types`: none for all. `since` and `until`: the stored form of
    times between which they happened, the second excluded; None for no end. `where`: all are met.
    """

    sources: tuple[str, ...] | None = None
    types: tuple[str, ...] = ()
    since: str | None = None
    until: str | None = None
    where: tuple[Condition, ...] = ()

    def of_view(self) -> Term:
        """A WHERE clause over `events e`."""
        terms: list[Term] = []
        if self.types:
            terms.append((f"e.type IN ({_marks(self.types)})", self.types))
        if self.sources is not None:
            terms.append((f"e.source_id IN ({_marks(self.sources)})", self.sources))
        terms += [("e.run IS NULL", []), *self.times()]
        return joined([*terms, *self.conditions()])

    def conditions(self) -> list[Term]:
        return [condition.sql() for condition in self.where]

    def times(self) -> list[Term]:
        since, until = {"e.occurred_at": self.since}, {"e.occurred_at": self.until}
        return [*compared(">=", since), *compared("<", until)]


def joined(terms: Sequence[Term], word: str = " AND ") -> Term:
    """Terms as one that is met if all are, or any if the word is OR."""
    text = word.join(text for text, _ in terms) or "1"
    return text, [value for _, values in terms for value in values]


def _marks(values: Collection[object]) -> str:
    return ", ".join("?" * len(values))


def label_of_view(name: str) -> str:
    """One of NAMES as SQL over `events e`."""
    return _VIEW_LABELS[name]


def label_of_rows(name: str) -> tuple[str, str]:
    """One of NAMES as SQL over rows, and the column that this needs."""
    return _ROW_LABELS[name], _NEEDS.get(name, "")


class _Plan(NamedTuple):
    """How rows are found, and how many numbers a statement looks at."""

    by: str  # an index, or empty
    window: int


class Rows:
    """The rows of a selection, at the moment of the caller's snapshot; none of runs of tests.

    `columns`: what is needed of `properties`, `context`, `bot`, `utm` and `profile_id`, besides
    `seq`, `type`, `source` (keys) and `occurred_at`. Visitors are numbers here, one for each id; 0
    stands for none.
    """

    def __init__(
        self, connection: sqlite3.Connection, selection: Selection, columns: Collection[str]
    ) -> None:
        self._connection = connection
        self._selection = selection
        self._types = self._keys("event_types", "name", selection.types or None)
        self._sources = self._keys("source_keys", "id", selection.sources)
        self._plan = self._planned()
        self._has_runs = has_runs(connection)
        self._select, self._joins = self._shaped(columns)

    def _keys(self, table: str, column: str, names: Sequence[str] | None) -> dict[str, int] | None:
        """Keys by name; None for any."""
        if names is None:
            return None
        find = (
            f"SELECT {column}, key FROM {table} WHERE {column} IN (SELECT value FROM json_each(?))"
        )
        return dict(map(tuple, self._connection.execute(find, [json.dumps(names)])))

    def type_is(self, name: str) -> Term:
        """A term that is met by events of a type."""
        return "e.type = ?", [(self._keys("event_types", "name", [name]) or {}).get(name, -1)]

    def windows(self) -> Iterator[tuple[int, int]]:
        """Ranges of numbers, both ends included, that together have all events in them."""
        if self._types == {} or self._sources == {}:
            return
        last = last_seq(self._connection)
        first = max(1, self._first())
        for low in range(first, last + 1, self._plan.window):
            yield low, min(low + self._plan.window - 1, last)

    def read(self, low: int, high: int) -> Term:
        """What to select from, as `e`, to have the rows of a window."""
        terms: list[Term] = [("v.seq BETWEEN ? AND ?", [low, high])]
        for column, keys in (("v.type", self._types), ("v.source", self._sources)):
            if keys is not None:
                terms.append((f"{column} IN ({_marks(keys)})", [*keys.values()]))
        terms += [(text.replace("e.", "v."), values) for text, values in self._selection.times()]
        if self._has_runs:
            terms.append(("r.run IS NULL", []))
        where, values = joined(terms)
        index = f" INDEXED BY {self._plan.by}" if self._plan.by else ""
        return (
            f"(SELECT {self._select} FROM event_rows v{index} {self._joins} WHERE {where}) e",
            values,
        )

    def where(self) -> Term:
        """The conditions, over `e`."""
        return joined(self._selection.conditions())

    def _shaped(self, columns: Collection[str]) -> tuple[str, str]:
        """The columns of a row, and the tables that they come from."""
        found = {
            "properties": "v.properties AS properties",
            "context": "coalesce(v.context, r.context) AS context",
            "bot": "r.bot AS bot",
            "utm": "s.first_utm AS utm",
            VISITOR: f"{self._visitor()} AS {VISITOR}",
        }
        used = {condition.column for condition in self._selection.where} | set(columns)
        select = ["v.seq AS seq", "v.type AS type", "v.source AS source"]
        select += ["v.occurred_at AS occurred_at", *(found[name] for name in found if name in used)]
        joins = ""
        if self._has_runs or used & {"context", "bot", "utm", VISITOR}:
            joins += " CROSS JOIN request_rows r ON r.key = v.request"
        if used & {"utm", VISITOR}:
            joins += " CROSS JOIN session_rows s ON s.key = r.session"
        return ", ".join(select), joins

    def _visitor(self) -> str:
        """A number for each profile id. Groups of sources may know an id each, as a profile each."""
        if not has_scopes(self._connection):
            return "s.profile"
        return (
            "coalesce((SELECT min(o.key) FROM profile_rows p JOIN profile_rows o ON o.id = p.id"
            " WHERE p.key = s.profile), 0)"
        )

    def _planned(self) -> _Plan:
        """How rows are found. How many there are is an estimate from the rollups."""
        share, index = 1.0, ""
        if self._types is not None:
            share, index = self._share("value", self._types), "events_of_type"
        if self._sources is not None:
            of_sources = self._share("source", self._sources.values())
            if of_sources < share:
                share, index = of_sources, "events_of_source"
        if share >= FEW:
            return _Plan("", WINDOW_ROWS)
        window = MAX_WINDOW if share <= 0 else int(WINDOW_ROWS / share)
        return _Plan(index, min(MAX_WINDOW, window))

    def _share(self, column: str, values: Collection[object]) -> float:
        """How many of all events have one of these values, about."""
        return self._part(f"{column} IN (SELECT value FROM json_each(?))", json.dumps([*values]))

    def _part(self, test: str, value: str) -> float:
        all_, some = self._connection.execute(
            f"""SELECT coalesce(sum(count), 0), coalesce(sum(iif({test}, count, 0)), 0)
            FROM {LIVE.counts} WHERE source IN (SELECT key FROM source_keys)
                AND kind = 'types' AND grain = '{MONTH}'""",
            [value],
        ).fetchone()
        return some / all_ if all_ else 1.0

    def _first(self) -> int:
        """A number before which no event is wanted: it would have come before it happened.

        Numbers follow the arrival, but for a clock that was put back, so all later requests are
        looked at. Where these are most, all events are read.
        """
        since = self._selection.since
        if since is None or self._part("period >= ?", since[:7]) > 1 - FEW:
            return 1
        try:
            arrival = iso(stored(since).at - FUTURE - timedelta(milliseconds=1))
        except OverflowError:
            return 1
        # Without the sign, SQLite would look for the first one from the beginning of the table on.
        (first,) = self._connection.execute(
            "SELECT min(+key) FROM request_rows WHERE source IN (SELECT key FROM source_keys)"
            " AND received_at >= ?",
            [arrival],
        ).fetchone()
        return last_seq(self._connection) + 1 if first is None else int(first)


def has_scopes(connection: sqlite3.Connection) -> bool:
    """Whether sources have profiles of their own, so that several profiles may have an id."""
    find = "SELECT EXISTS (SELECT 1 FROM profile_rows WHERE scope <> '')"
    return bool(connection.execute(find).fetchone()[0])
