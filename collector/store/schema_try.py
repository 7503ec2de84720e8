"""Trying a schema: what it would say of the latest events of a type. Nothing is stored."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import Any, NamedTuple

import msgspec

from ..event.json_schema import Validator, Work, compile_schema
from .event_schemas import trimmed_type
from .keys import source_key
from .rejected import RejectedEvent, iter_rejected, parsed_again
from .rejected_groups import split_detail

LIMIT = 100  # events that a schema is tried on
MAX_LIMIT = 10_000
# Events of the type, of whatever source, among which those of the source are searched: it takes
# tenths of a second at most.
LOOKED_AT = 100_000


class _Tried(NamedTuple):
    """An event that is judged: `properties` as JSON text, or what was wrong with it before its
    properties were looked at. Both are None if it cannot be judged."""

    received_at: str
    is_stored: bool
    seq: int
    properties: str | None
    fault: str | None = None


@dataclass(kw_only=True)
class TriedFault:
    """What events would be rejected for. `seq`: of the latest one, in `events` or in `rejected`."""

    pointer: str
    cause: str
    events: int = 0
    seq: int
    is_stored: bool

    def as_dict(self) -> dict[str, Any]:
        """The fault as JSON-ready data."""
        return asdict(self)


@dataclass(kw_only=True)
class SchemaTry:
    """What a schema would say of the latest events of a type, stored and rejected ones together.

    `stored_would_fail`: of those that are stored. `rejected_would_pass`: of those that were
    rejected. `unjudged`: rejected ones whose payload was cut. `faults`: the most frequent first.
    """

    passed: int = 0
    failed: int = 0
    unjudged: int = 0
    stored_would_fail: int = 0
    rejected_would_pass: int = 0
    faults: list[TriedFault] = field(default_factory=list)

    @property
    def events(self) -> int:
        """How many events were looked at."""
        return self.passed + self.failed + self.unjudged

    def as_dict(self) -> dict[str, Any]:
        """The result as JSON-ready data."""
        return {
            "events": self.events,
            **asdict(self),
            "faults": [fault.as_dict() for fault in self.faults],
        }


def try_schema(
    connection: sqlite3.Connection,
    source_id: str,
    event_type: str,
    schema: str,
    limit: int = LIMIT,
) -> SchemaTry:
    """Judges the latest events of a type by a schema that is not set. `limit`: how many events, at
    most MAX_LIMIT. Raises StoreError for what is no schema, or no type."""
    validator, event_type = compile_schema(schema), trimmed_type(event_type)
    limit = min(limit, MAX_LIMIT)
    latest = sorted(
        [
            *_stored(connection, source_id, event_type, limit),
            *_rejected(connection, source_id, event_type, limit),
        ],
        key=lambda event: (event.received_at, event.seq),
        reverse=True,
    )
    found = SchemaTry()
    faults: dict[tuple[str, str], TriedFault] = {}
    for event in latest[:limit]:
        _judge(found, faults, event, validator)
    found.faults = sorted(faults.values(), key=lambda fault: -fault.events)
    return found


def _judge(
    found: SchemaTry,
    faults: dict[tuple[str, str], TriedFault],
    event: _Tried,
    validator: Validator,
) -> None:
    if event.properties is None and event.fault is None:
        found.unjudged += 1
        return
    detail = event.fault or _fault_of(validator, event.properties or "{}")
    if detail is None:
        found.passed += 1
        found.rejected_would_pass += not event.is_stored
        return
    found.failed += 1
    found.stored_would_fail += event.is_stored
    pointer, cause = split_detail(detail)
    fault = faults.setdefault(
        (pointer, cause),
        TriedFault(pointer=pointer, cause=cause, seq=event.seq, is_stored=event.is_stored),
    )
    fault.events += 1


def _fault_of(validator: Validator, properties: str) -> str | None:
    """As a collector finds it when the event comes alone."""
    try:
        return Work().fault(validator, properties)
    except msgspec.DecodeError:
        return "/properties: a number is out of range"


def _stored(
    connection: sqlite3.Connection, source_id: str, event_type: str, limit: int
) -> Iterator[_Tried]:
    source = source_key(connection, source_id)
    of_type = connection.execute(
        "SELECT seq, source FROM event_rows"
        " WHERE type = (SELECT key FROM event_types WHERE name = ?) ORDER BY seq DESC LIMIT ?",
        [event_type, LOOKED_AT],
    )
    with closing(of_type):  # read up to the last that is wanted
        numbers = [*islice((seq for seq, of_source in of_type if of_source == source), limit)]
    rows = connection.execute(
        "SELECT e.seq, e.properties, r.received_at FROM json_each(?) j"
        " CROSS JOIN event_rows e ON e.seq = j.value CROSS JOIN request_rows r ON r.key = e.request"
        " WHERE r.run IS NULL",
        [json.dumps(numbers)],
    )
    for seq, properties, received_at in rows.fetchall():
        yield _Tried(received_at, True, seq, properties)


def _rejected(
    connection: sqlite3.Connection, source_id: str, event_type: str, limit: int
) -> Iterator[_Tried]:
    for row in iter_rejected(connection, source_id=source_id, type=event_type, limit=limit):
        yield _Tried(row.received_at, False, row.seq, *_what_is_left(row))


def _what_is_left(row: RejectedEvent) -> tuple[str | None, str | None]:
    parsed = parsed_again(row)
    if parsed and parsed.events:
        return parsed.events[0].properties, None
    return None, parsed.rejected[0].detail if parsed and parsed.rejected else None
