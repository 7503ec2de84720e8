"""Events: writing them in groups, reading them back."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..event.types import Event
from ..ipc import WriteRequest
from .conditions import Condition
from .keys import Keys, source_key
from .rows import (
    ANY_RUN,
    Search,
    Term,
    compared,
    insert_rows,
    load_json,
    nth_latest,
    of_run,
    select_rows,
)

_INSERT_REQUESTS = """INSERT INTO request_rows
    (key, events, source, session, request_id, received_at, ip, bot, request, context, run)"""
_INSERT_EVENTS = """INSERT INTO event_rows
    (seq, request, source, type, id, occurred_at, properties, context, options, tags, extra)"""


class Repeated(Exception):
    """Some ids were stored before. Roll the transaction back, and run it again without them."""


class EventWriter:
    """Gathers the rows of a group, and stores them together."""

    def __init__(self, connection: sqlite3.Connection, keys: Keys) -> None:
        self._connection = connection
        self._keys = keys
        self._seq = next_seq(connection)
        self._requests: list[tuple[Any, ...]] = []
        self._events: list[tuple[Any, ...]] = []

    def add(self, request: WriteRequest, session: int, events: Sequence[Event]) -> None:
        """Adds the new events of a request. `session`: the key of its session, 0 for none."""
        if not events:
            return
        connection, keys, seq = self._connection, self._keys, self._seq
        source = keys.source(connection, request.source_id)
        # Events of a page mostly have the same context: it is stored once.
        context = events[0].context
        sender = request.sender
        self._requests.append(
            (
                seq, len(events), source, session, request.request_id, request.received_at,
                sender.ip, sender.bot, request.payload.request, context, request.run,
            )
        )  # fmt: skip
        rows = self._events
        for number, event in enumerate(events, seq):
            rows.append(
                (
                    number, seq, source, keys.type(connection, event.type), event.id,
                    event.occurred_at, event.properties,
                    None if event.context == context else event.context,
                    event.options, event.tags, event.extra,
                )
            )  # fmt: skip
        self._seq = seq + len(events)

    def write(self) -> None:
        """Stores what was added, inside the caller's transaction.

        Repeats are rare, so all rows are simply tried. Raises Repeated if an id of a source is
        stored already, or twice among them.
        """
        insert_rows(self._connection, _INSERT_REQUESTS, self._requests)
        ignore = "ON CONFLICT (id, source) DO NOTHING"
        if insert_rows(self._connection, _INSERT_EVENTS, self._events, ignore) != len(self._events):
            raise Repeated


def next_seq(connection: sqlite3.Connection) -> int:
    """The number of the next event. None is ever used again, even if the newest was forgotten."""
    find = "SELECT seq FROM sqlite_sequence WHERE name = 'event_rows'"
    row = connection.execute(find).fetchone()
    return (int(row[0]) if row else last_seq(connection)) + 1


class MissingSource(Exception):
    """A source was removed while its request waited."""


def stored_ids(connection: sqlite3.Connection, source_id: str, ids: Iterable[str]) -> set[str]:
    """Which of these ids are stored for a source."""
    (found,) = connection.execute(
        "SELECT json_group_array(e.id) FROM json_each(?) j"
        " CROSS JOIN event_rows e ON e.id = j.value AND e.source = ?",
        (json.dumps(list(ids)), source_key(connection, source_id)),
    ).fetchone()
    return set(json.loads(found))


@dataclass(frozen=True)
class StoredEvent:
    """One row of `events`, with its JSON columns decoded."""

    seq: int
    id: str
    type: str
    source_id: str
    session_id: str | None
    profile_id: str | None
    properties: dict[str, Any]
    context: dict[str, Any]
    occurred_at: str
    received_at: str
    ip: str | None
    bot: bool
    run: str | None

    def as_dict(self) -> dict[str, Any]:
        """The event as JSON-ready data."""
        return asdict(self)


_NAMES = tuple(StoredEvent.__dataclass_fields__)
_DECODE: dict[str, Callable[[Any], Any]] = {
    "properties": load_json,
    "context": load_json,
    "bot": bool,
}


# Numbers that one statement looks at where events are searched by what is in their JSON: it takes
# tenths of a second.
WINDOW = 20_000


@dataclass(frozen=True)
class EventFilter:
    """Which events are wanted; None stands for any. `since` and `until`: the stored form of times
    between which they were received, the second excluded. `terms`: others, over the view `events`.
    `run`: only the events of this run of tests, which are left out otherwise; ANY_RUN for events of
    any and of none."""

    type: str | None = None
    source_id: str | None = None
    session_id: str | None = None
    profile_id: str | None = None
    since: str | None = None
    until: str | None = None
    where: Sequence[Condition] = ()
    terms: Sequence[Term] = ()
    run: str | None = None

    def times(self) -> list[Term]:
        """The terms of a WHERE clause that are about times."""
        since, until = {"received_at": self.since}, {"received_at": self.until}
        return [*compared(">=", since), *compared("<", until)]

    def search(self) -> Search:
        """The search in `events`. A visitor's events are found by an index."""
        names = ("type", "source_id", "session_id", "profile_id")
        terms = [
            *compared("=", {name: getattr(self, name) for name in names}),
            *self.times(),
            *(condition.sql() for condition in self.where),
            *self.terms,
            *of_run(self.run),
        ]
        if self.session_id or self.profile_id or self.run not in (None, ANY_RUN):
            return Search("events", terms, has_index=True)
        is_long = bool(self.where or self.terms or self.since or self.until)
        return Search("events", terms, window=WINDOW if is_long else None)


def iter_events(
    connection: sqlite3.Connection,
    *,
    after: int | None = None,
    before: int | None = None,
    limit: int | None = None,
    **filters: Any,
) -> Iterator[StoredEvent]:
    """Stored events, the latest first; with `after`, those with a higher sequence number, oldest
    first. Read in small pieces, however many there are: see `select_rows`. `filters`: the fields of
    `EventFilter`."""
    search = EventFilter(**filters).search()
    if search.window and before is None:
        before = last_seq(connection) + 1
    rows = select_rows(connection, search, _NAMES, after=after, before=before, limit=limit)
    for row in rows:
        yield StoredEvent(
            **{
                name: decode(value) if (decode := _DECODE.get(name)) else value
                for name, value in zip(_NAMES, row, strict=True)
            }
        )


def list_events(
    connection: sqlite3.Connection, *, limit: int = 50, **filters: Any
) -> list[StoredEvent]:
    """Some events, all in memory. `filters`: see `iter_events`."""
    return list(iter_events(connection, limit=limit, **filters))


def count_events(connection: sqlite3.Connection, after: int, before: int, **filters: Any) -> int:
    """How many events are wanted with numbers between two, both excluded. It looks at each of them.
    `filters`: see `iter_events`."""
    search = EventFilter(**filters).search()
    if search.terms == EventFilter().search().terms:
        return _count_all(connection, after, before)
    where, values = search.where(after, before)
    row = connection.execute(f"SELECT count(*) FROM {search.table} {where}", values).fetchone()
    return int(row[0])


def _count_all(connection: sqlite3.Connection, after: int, before: int) -> int:
    """How many events of no run there are between two numbers. Counted over the table, which is
    cheaper than over the view."""
    of_runs = (
        "request_rows r INDEXED BY requests_of_run CROSS JOIN event_rows e"
        " ON e.seq BETWEEN r.key AND r.key + r.events - 1 AND e.request = r.key"
    )
    row = connection.execute(
        "SELECT (SELECT count(*) FROM event_rows WHERE seq > ?1 AND seq < ?2)"
        f" - (SELECT count(*) FROM {of_runs} WHERE r.run IS NOT NULL AND e.seq > ?1 AND e.seq < ?2)",
        [after, before],
    ).fetchone()
    return int(row[0])


def first_of_latest(
    connection: sqlite3.Connection,
    count: int,
    after: int,
    before: int,
    progress: Callable[[int, int], object] = lambda _, __: None,
    **filters: Any,
) -> int:
    """The sequence number with which the latest `count` events begin, or all if there are fewer; 0
    if there is none. `after` and `before`: see `seq_range`; `progress`: see `nth_latest`;
    `filters`: see `iter_events`."""
    search = EventFilter(**filters).search()
    return nth_latest(connection, search, count, after, before, progress)


def seq_range(connection: sqlite3.Connection, **filters: Any) -> tuple[int, int]:
    """Two sequence numbers between which all events are that are wanted and stored. `filters`: see
    `iter_events`."""
    wanted = EventFilter(**filters)
    if not wanted.times() or wanted.search().has_index:
        (first,) = connection.execute("SELECT min(seq) FROM event_rows").fetchone()
        return (first or 1) - 1, last_seq(connection) + 1
    # The clock may have been put back, so a later number is no proof of a later time.
    source = compared("=", {"id": wanted.source_id})
    sources = "SELECT key FROM source_keys" + "".join(f" WHERE {term}" for term, _ in source)
    terms = [(f"source IN ({sources})", [wanted.source_id][: len(source)]), *wanted.times()]
    first, last = connection.execute(
        f"SELECT min(key), max(key) FROM request_rows WHERE {' AND '.join(t for t, _ in terms)}",
        [value for _, values in terms for value in values],
    ).fetchone()
    if first is None:
        return 0, 0
    find = "SELECT key + events FROM request_rows WHERE key = ?"
    row = connection.execute(find, [last]).fetchone()
    return first - 1, row[0] if row else last + 1


def last_seq(connection: sqlite3.Connection) -> int:
    """The sequence number of the latest event; 0 if there is none."""
    return int(connection.execute("SELECT coalesce(max(seq), 0) FROM event_rows").fetchone()[0])
