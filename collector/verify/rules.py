"""How rules decide: a table of groups, in each of which the first match wins."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from .codes import CODES
from .findings import Evidence, Finding

F = TypeVar("F")


@dataclass(frozen=True)
class Match:
    """A rule fits: what shows it, and values for its code's texts, besides those that all have."""

    evidence: tuple[Evidence, ...] = ()
    values: Mapping[str, str] | None = None


@dataclass(frozen=True)
class Rule(Generic[F]):
    """`find` returns None where the rule does not fit the facts."""

    code: str
    find: Callable[[F], Match | None]


@dataclass(frozen=True)
class Group(Generic[F]):
    """Rules on one subject. `ends`: whether a match leaves nothing for later groups to judge."""

    subject: str
    rules: Sequence[Rule[F]]
    ends: bool = False


def judge(groups: Sequence[Group[F]], facts: F, values: Mapping[str, str]) -> Iterator[Finding]:
    """Yields the first match of each group. `values`: what all texts may name."""
    for group in groups:
        found = next(_matches(group, facts, values), None)
        if found is not None:
            yield found
            if group.ends:
                return


def _matches(group: Group[F], facts: F, values: Mapping[str, str]) -> Iterator[Finding]:
    for rule in group.rules:
        match = rule.find(facts)
        if match is not None:
            yield Finding(CODES[rule.code], match.evidence, {**values, **(match.values or {})})
