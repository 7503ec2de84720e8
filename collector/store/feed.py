"""What has come in, stored and rejected together, in the order of its arrival: for a page that is
looked at while it grows."""

import heapq
import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from ..errors import NotFound
from .events import StoredEvent, count_events, iter_events, last_seq, seq_range
from .keys import source_key
from .rejected import RejectedEvent, iter_rejected
from .rows import ANY_RUN, Term, compared

STORED, REJECTED = "stored", "rejected"
STATUSES = (STORED, REJECTED)
MAX_LOOKED_AT = 20_000  # events, the latest, among which a page searches for a text
_TEXTS = ("type", "properties", "context")
_REJECTED_TEXTS = ("coalesce(type, '')", "detail", "payload")


class Cursor(NamedTuple):
    """How far somebody has read: the numbers of the last stored and the last rejected event."""

    stored: int
    rejected: int

    def __str__(self) -> str:
        return f"{self.stored}.{self.rejected}"


def parse_cursor(text: str) -> Cursor | None:
    """The cursor that was written as a text; None if it is none."""
    parts = text.split(".")
    if len(parts) != 2 or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    if max(map(len, parts)) > 18:
        return None
    return Cursor(*map(int, parts))


def cursor_now(connection: sqlite3.Connection) -> Cursor:
    """The cursor of somebody who has read everything."""
    (rejected,) = connection.execute("SELECT coalesce(max(seq), 0) FROM rejected").fetchone()
    return Cursor(last_seq(connection), int(rejected))


@dataclass(frozen=True)
class FeedFilter:
    """What is wanted; None stands for anything. `sources`: ids; `status`: one of STATUSES; `text`: is
    in the type, properties, context or what was sent, whatever its case; `since` and `until`: stored
    forms of times of arrival, the second excluded. `run`: only what is of this run of tests, which is
    left out otherwise."""

    sources: tuple[str, ...] | None = None
    type: str | None = None
    status: str | None = None
    text: str | None = None
    session: str | None = None
    profile: str | None = None
    since: str | None = None
    until: str | None = None
    run: str | None = None

    def terms(self, texts: Sequence[str]) -> list[Term]:
        """The sources, and a text in one of these columns, as terms of a WHERE clause."""
        terms: list[Term] = []
        if self.sources is not None:
            marks = ", ".join("?" * len(self.sources))
            terms.append((f"source_id IN ({marks})", list(self.sources)))
        if self.text is not None:
            parts = [f"instr(lower({name}), lower(?)) > 0" for name in texts]
            terms.append((f"({' OR '.join(parts)})", [self.text] * len(parts)))
        return terms


Row = StoredEvent | RejectedEvent


def latest(
    connection: sqlite3.Connection, wanted: FeedFilter, upto: Cursor, limit: int
) -> list[Row]:
    """The latest rows up to a cursor, the latest first. A text is searched for among the latest
    MAX_LOOKED_AT events."""
    after, before = 0, upto.stored + 1
    if wanted.since:
        after, end = seq_range(connection, since=wanted.since, until=wanted.until)
        before = min(before, end)
    if wanted.text:
        after = max(after, before - 1 - MAX_LOOKED_AT)
    stored = _stored(connection, wanted, after, before, limit)
    rejected = _rejected(connection, wanted, 0, upto.rejected + 1, limit)
    return _merged(stored, rejected)[:limit]


def between(
    connection: sqlite3.Connection,
    wanted: FeedFilter,
    after: Cursor,
    upto: Cursor,
    limit: int,
) -> tuple[list[Row], int]:
    """The latest rows between two cursors, the latest first, and how many there are in all."""
    stored = _stored(connection, wanted, after.stored, upto.stored + 1, limit)
    rejected = _rejected(connection, wanted, after.rejected, upto.rejected + 1)
    rows = _merged(stored, rejected)[:limit]
    if wanted.status == REJECTED or upto.stored <= after.stored:
        return rows, len(rejected)
    count = count_events(connection, after.stored, upto.stored + 1, **_filters(wanted))
    return rows, len(rejected) + count


def _merged(stored: list[Row], rejected: list[Row]) -> list[Row]:
    return [*heapq.merge(stored, rejected, key=lambda row: row.received_at, reverse=True)]


def _stored(
    connection: sqlite3.Connection, wanted: FeedFilter, after: int, before: int, limit: int
) -> list[Row]:
    """The latest stored events between two numbers, both excluded, the latest first."""
    if wanted.status == REJECTED or after >= before - 1:
        return []
    filters = _filters(wanted)
    if after:
        # Without this, a search that finds nothing goes back to the first event.
        filters["terms"] = [*filters["terms"], ("seq > ?", [after])]
    return [*iter_events(connection, before=before, limit=limit, **filters)]


def _filters(wanted: FeedFilter) -> dict[str, Any]:
    """The fields of an EventFilter."""
    return {
        "type": wanted.type,
        "session_id": wanted.session,
        "profile_id": wanted.profile,
        "run": wanted.run,
        "since": wanted.since,
        "until": wanted.until,
        "terms": wanted.terms(_TEXTS),
    }


def _rejected(
    connection: sqlite3.Connection,
    wanted: FeedFilter,
    after: int,
    before: int,
    limit: int | None = None,
) -> list[Row]:
    """The same of rejected events; all of them without a limit, as a source keeps ten thousand."""
    if wanted.status == STORED:
        return []
    terms = [
        *wanted.terms(_REJECTED_TEXTS),
        *compared("=", {"session_id": wanted.session}),
        *compared(">=", {"received_at": wanted.since}),
        *compared("<", {"received_at": wanted.until}),
        *compared(">", {"seq": after or None}),
    ]
    return [
        *iter_rejected(
            connection,
            type=wanted.type,
            profile_id=wanted.profile,
            run=wanted.run,
            before=before,
            limit=limit,
            terms=terms,
        )
    ]


def get_stored(connection: sqlite3.Connection, seq: int) -> StoredEvent:
    """One stored event. Raises NotFound."""
    for event in iter_events(connection, before=seq + 1, limit=1, run=ANY_RUN):
        if event.seq == seq:
            return event
    raise NotFound(f"There is no event {seq}. It may have been forgotten, or have become too old.")


def request_id_of(connection: sqlite3.Connection, seq: int) -> str | None:
    """The id of the request that a stored event came with, or None if there is no such event."""
    row = connection.execute("SELECT request_id FROM events WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else str(row[0])


def by_minute(
    connection: sqlite3.Connection, sources: Sequence[str] | None, first: str
) -> dict[str, int]:
    """Stored events by the minute of their arrival, as `2026-11-27T18:03`, from a minute on."""
    keys: list[Any] = (
        [key for (key,) in connection.execute("SELECT key FROM source_keys")]
        if sources is None
        else [source_key(connection, source) for source in sources]
    )
    minutes: dict[str, int] = {}
    for key in keys:
        for minute, events in connection.execute(
            "SELECT substr(received_at, 1, 16), sum(events) FROM request_rows"
            " WHERE source = ? AND received_at >= ? AND run IS NULL GROUP BY 1",
            (key, first),
        ):
            minutes[minute] = minutes.get(minute, 0) + events
    return minutes
