"""Rejected events by what is wrong with them: reason, type and the JSON pointer of what fails."""

import json
import re
import sqlite3
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import msgspec

from ..errors import REASONS, StoreError
from ..event.json_pointer import Marked, escape, mark, value_at
from ..event.json_schema import compile_schema, find_fault
from .rejected import RejectedEvent, get_rejected, iter_rejected, parsed_again
from .rows import Term

MAX_GROUPS = 200  # in an answer
MAX_CAUSES = 5  # of a group
# So that counting reads an index instead of payloads. It has the order of the counting. runs.py
# leaves out events of runs.
INDEX = """
    CREATE INDEX rejected_groups
    ON rejected(source_id, reason, type, detail, received_at, last_seen_at, seen)
"""
_REQUIRED = re.compile(r'"(.+)" is a required property')
_INDEX = re.compile(r"/[0-9]+(?=/|$)")


@dataclass(kw_only=True)
class RejectedGroup:
    """Rejected events of a source that fail in the same place.

    `pointer`: of what fails, with `*` for the numbers of arrays; empty if it is the whole event.
    `causes`: the first MAX_CAUSES of what is wrong there, the most frequent first. `events`: how
    many; `seen`: how often they came. `latest`: the `seq` of the last one that came first.
    """

    source_id: str
    reason: str
    type: str | None
    pointer: str
    causes: list[str] = field(default_factory=list)
    events: int = 0
    seen: int = 0
    first_seen_at: str = ""
    last_seen_at: str = ""
    latest: int = 0

    @property
    def cure(self) -> str:
        """What to do, in Markdown without links."""
        known = REASONS.get(self.reason)
        return known.cure if known else ""

    def as_dict(self) -> dict[str, Any]:
        """The group as JSON-ready data."""
        return {**asdict(self), "cure": self.cure}


@dataclass(frozen=True)
class Rule:
    """What an event breaks. `cause`: in words. `pointer` and `part`: of the source's schema as it is
    today, and its JSON text; None where it is not a schema that is broken. `is_valid_now`: whether
    the schema of today has nothing against the event's properties."""

    cause: str
    pointer: str | None = None
    part: str | None = None
    is_valid_now: bool = False

    def as_dict(self) -> dict[str, Any]:
        """The rule as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True)
class Sample:
    """A rejected event that stands for a group: with what fails in it, and the rule it breaks."""

    event: RejectedEvent
    pointer: str
    payload: Marked
    rule: Rule


def split_detail(detail: str) -> tuple[str, str]:
    """The pointer and the cause in `detail` of a rejected event; the pointer is empty where the whole
    event is wrong. A required property that is missing is what the pointer leads to."""
    pointer, colon, cause = detail.partition(": ")
    if not colon or not pointer.startswith("/"):
        return "", detail
    if missing := _REQUIRED.fullmatch(cause):
        pointer += f"/{escape(missing[1])}"
    return pointer, cause


def list_rejected_groups(
    connection: sqlite3.Connection,
    *,
    sources: Sequence[str] | None = None,
    reason: str | None = None,
    type: str | None = None,  # noqa: A002 - the column's name
    pointer: str | None = None,
    limit: int | None = MAX_GROUPS,
) -> list[RejectedGroup]:
    """Groups of rejected events, the largest first. `sources`: ids; None for all. `limit`: how many,
    None for all. `pointer`: only
    the group of this one, as `RejectedGroup` has it."""
    groups: dict[tuple[Any, ...], RejectedGroup] = {}
    for row in _count_by_detail(connection, sources, reason, type):
        found, cause = _place(row[3]), split_detail(row[3])[1]
        if pointer not in (None, found):
            continue
        key = (*row[:3], found)
        known = groups.get(key)
        if known is None:
            known = groups[key] = RejectedGroup(
                source_id=row[0], reason=row[1], type=row[2], pointer=found, first_seen_at=row[6]
            )
        _add(known, cause, row)
    ordered = sorted(groups.values(), key=lambda group: (-group.events, -group.latest))
    return ordered[:limit]


def get_rejected_group(
    connection: sqlite3.Connection, source_id: str, reason: str, kind: str | None, pointer: str
) -> RejectedGroup | None:
    """The group of a source with this reason, type and pointer; None if there are no such events."""
    found = list_rejected_groups(
        connection, sources=[source_id], reason=reason, type=kind, pointer=pointer
    )
    return next((group for group in found if group.type == kind), None)


def iter_group(connection: sqlite3.Connection, group: RejectedGroup) -> Iterator[RejectedEvent]:
    """The events of a group, the latest first."""
    for row in iter_rejected(
        connection, source_id=group.source_id, type=group.type, reason=group.reason
    ):
        if row.type == group.type and _place(row.detail) == group.pointer:
            yield row


def _place(detail: str) -> str:
    return _INDEX.sub("/*", split_detail(detail)[0])


def _count_by_detail(
    connection: sqlite3.Connection,
    sources: Sequence[str] | None,
    reason: str | None,
    kind: str | None,
) -> list[tuple[Any, ...]]:
    """Source, reason, type, detail, events, times they came, first, last, the latest number; those
    with the most events first."""
    terms: list[Term] = [
        (f"{name} = ?", [value])
        for name, value in (("reason", reason), ("type", kind))
        if value is not None
    ]
    if sources is not None:
        terms.append((f"source_id IN ({', '.join('?' * len(sources))})", sources))
    where = " AND ".join([*(term for term, _ in terms), "run IS NULL"])
    return connection.execute(
        "SELECT source_id, reason, type, detail, count(*) AS events, sum(seen), min(received_at),"
        " max(last_seen_at), max(seq) FROM rejected INDEXED BY rejected_groups"
        f" WHERE {where} GROUP BY source_id, reason, type, detail ORDER BY events DESC, 9 DESC",
        [value for _, values in terms for value in values],
    ).fetchall()


def _add(group: RejectedGroup, cause: str, row: Sequence[Any]) -> None:
    if cause not in group.causes and len(group.causes) < MAX_CAUSES:
        group.causes.append(cause)
    group.events += row[4]
    group.seen += row[5]
    group.first_seen_at = min(group.first_seen_at, row[6])
    group.last_seen_at = max(group.last_seen_at, row[7])
    group.latest = max(group.latest, row[8])


def sample_of(connection: sqlite3.Connection, seq: int) -> Sample:
    """A rejected event with the place that fails, and the rule that it breaks. Raises NotFound."""
    event = get_rejected(connection, seq)
    pointer, cause = split_detail(event.detail)
    payload = mark(event.payload, pointer)
    return Sample(event, pointer, payload, _rule(connection, event, cause))


def _rule(connection: sqlite3.Connection, event: RejectedEvent, cause: str) -> Rule:
    parsed = parsed_again(event)
    if parsed is None or not parsed.events:
        return Rule(cause)
    row = connection.execute(
        "SELECT schema FROM schemas WHERE source_id = ? AND type = ?", [event.source_id, event.type]
    ).fetchone()
    if row is None:
        return Rule(cause, is_valid_now=True)
    try:
        check = compile_schema(row[0]).check
        properties = msgspec.json.decode(parsed.events[0].properties)
        fault = find_fault(check, properties) if check else None
    except (StoreError, msgspec.DecodeError):  # a schema by another program, a number out of range
        return Rule(cause)
    if fault is None:
        return Rule(cause, is_valid_now=True)
    return Rule(fault.cause, fault.keyword, _part(row[0], fault.keyword))


def _part(schema: str, pointer: str) -> str | None:
    try:
        return json.dumps(value_at(json.loads(schema), pointer), ensure_ascii=False)
    except (LookupError, ValueError):  # the keyword is a reference's target
        return None
