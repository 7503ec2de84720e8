"""What two runs of tests have sent differently."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

Event = Mapping[str, Any]
"""An event as `/qa/runs/{run}/events` answers it: `type`, `properties` and others."""

NOTHING = "(nothing)"
"""Stands for a value that one of the two does not have."""


@dataclass(frozen=True)
class Change:
    """An event whose properties differ. `number`: which of its type in each run, from 1; `fields`: by
    path, what the first run has, and what the second has."""

    type: str
    number: int
    fields: dict[str, tuple[Any, Any]]


@dataclass(frozen=True)
class RunDiff:
    """The differences. `only_first` and `only_second`: events that the other run has no partner for,
    in their order."""

    only_first: list[dict[str, Any]] = field(default_factory=list)
    only_second: list[dict[str, Any]] = field(default_factory=list)
    changed: list[Change] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.only_first or self.only_second or self.changed)

    def as_dict(self) -> dict[str, Any]:
        """The differences as JSON-ready data."""
        return asdict(self)


def compare_runs(first: Iterable[Event], second: Iterable[Event]) -> RunDiff:
    """Compares the events of two runs: the first of a type in one with the first of that type in the
    other, and so on."""
    found = RunDiff()
    ones, others = _by_type(first), _by_type(second)
    for kind in {**ones, **others}:
        one, other = ones.get(kind, []), others.get(kind, [])
        for number, (a, b) in enumerate(zip(one, other, strict=False), 1):
            if fields := dict(_differences(a["properties"], b["properties"], "")):
                found.changed.append(Change(kind, number, fields))
        found.only_first.extend(map(_short, one[len(other) :]))
        found.only_second.extend(map(_short, other[len(one) :]))
    return found


def _by_type(events: Iterable[Event]) -> dict[str, list[Event]]:
    found: defaultdict[str, list[Event]] = defaultdict(list)
    for event in events:
        found[event["type"]].append(event)
    return found


def _short(event: Event) -> dict[str, Any]:
    return {"type": event["type"], "properties": event["properties"]}


def _differences(one: Any, other: Any, path: str) -> list[tuple[str, tuple[Any, Any]]]:
    if isinstance(one, dict) and isinstance(other, dict):
        return [
            found
            for key in {**one, **other}
            for found in _differences(
                one.get(key, NOTHING), other.get(key, NOTHING), f"{path}.{key}" if path else key
            )
        ]
    if isinstance(one, list) and isinstance(other, list):
        return _differences(_numbered(one), _numbered(other), path)
    is_same = one == other and isinstance(one, bool) == isinstance(other, bool)
    return [] if is_same else [(path, (one, other))]


def _numbered(values: Sequence[Any]) -> dict[str, Any]:
    return {str(index): value for index, value in enumerate(values)}
