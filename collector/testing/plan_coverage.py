"""How much of a tracking plan the tests have seen stored: type × property × test."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import floor
from typing import Any

from ..plan.paths import paths_of_event, paths_of_schema
from .record import TestRecord


@dataclass
class Row:
    """A type of event, or a property of one. `path`: empty for the type itself. `tests`: how many
    events of each test had it, by the test's node id. `in_plan`: whether the plan has it."""

    type: str
    path: str
    in_plan: bool
    tests: Counter[str] = field(default_factory=Counter)

    @property
    def is_seen(self) -> bool:
        """Whether any test has stored it."""
        return bool(self.tests)


@dataclass(frozen=True)
class Coverage:
    """What of a plan was seen. `rows`: each type, followed by its properties; those that the plan
    does not have come last. `has_plan`: without one, nothing is missing."""

    rows: list[Row]
    has_plan: bool

    @property
    def planned(self) -> list[Row]:
        """The types and properties of the plan."""
        return [row for row in self.rows if row.in_plan]

    @property
    def unseen(self) -> list[Row]:
        """Those of the plan that no test has stored."""
        return [row for row in self.planned if not row.is_seen]

    @property
    def percent(self) -> float:
        """The share of the plan's types and properties that were seen, 0 to 100."""
        planned = self.planned
        seen = sum(row.is_seen for row in planned)
        return 100 * seen / len(planned) if planned else 100.0

    @property
    def shown_percent(self) -> str:
        """The same as people read it, never rounded up."""
        return f"{floor(10 * self.percent) / 10:g} %"


def coverage_of(records: Iterable[TestRecord], plan: Mapping[str, str] | None) -> Coverage:
    """Compares what tests have stored with a plan: types with their schemas' JSON text."""
    rows: dict[tuple[str, str], Row] = {}
    for event_type, schema in (plan or {}).items():
        for path in ("", *paths_of_schema(schema)):
            rows[event_type, path] = Row(event_type, path, in_plan=True)
    planned = [*rows]
    for record in records:
        for event in record.events:
            _count(rows, record.node_id, event)
    others = sorted(rows.keys() - set(planned))
    return Coverage([rows[key] for key in _in_order(planned, others)], plan is not None)


def _count(rows: dict[tuple[str, str], Row], test: str, event: Mapping[str, Any]) -> None:
    event_type = str(event["type"])
    for path in {"", *paths_of_event(event["properties"])}:
        key = event_type, path
        rows.setdefault(key, Row(*key, in_plan=False)).tests[test] += 1


def _in_order(
    planned: list[tuple[str, str]], others: list[tuple[str, str]]
) -> Iterable[tuple[str, str]]:
    """The plan's in its order, each type's other properties after those; then other types."""
    types = dict.fromkeys(event_type for event_type, _ in [*planned, *others])
    for wanted in types:
        yield from (key for key in planned if key[0] == wanted)
        yield from (key for key in others if key[0] == wanted)
