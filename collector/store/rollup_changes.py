"""What events change in the rollups, found by reading their rows. Nothing is written here.

What is counted of an event: its type, in its hour. Of one that is no bot's and belongs to a session,
also the visitor's day, and the page if it is a page-view. A session is counted once, with its entry
page and so on, on the day of its first event.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..event.visit import DECIMALS, Page, campaign_of, client_of, number_of, page_of
from .rollup_tables import BUCKETS, DAY, HOUR, LENGTHS, LIVE, MONTH, SESSION_KINDS, RollupSet

PAGE_VIEW = "page-view"
_GRAINS = {"types": (HOUR, DAY, MONTH), "visitors": (DAY,)}  # others: day and month
_VIEW_KEY = f"(SELECT key FROM event_types WHERE name = '{PAGE_VIEW}')"

Found = tuple[int, str, str, str]  # source, kind, hour or day, value
Key = tuple[int, str, str, str, str]  # source, kind, grain, period, value


class Visit(NamedTuple):
    """A session as it is counted."""

    source: int
    day: str
    entry_page: str = ""
    exit_page: str = ""
    referrer: str = ""
    campaign: str = ""
    browser: str = ""
    screen: str = ""
    language: str = ""


class Number(NamedTuple):
    """A numeric property that a source's owner wants counted, in events after number `since`."""

    key: int
    source: int
    type: str
    property: str
    since: int


@dataclass
class Changes:
    """What some events change in the counts. Negative numbers are taken off."""

    # (source, kind, hour or day, value) → count, and the part of it that is bots'
    found: dict[Found, int] = field(default_factory=lambda: defaultdict(int))
    bots: dict[Found, int] = field(default_factory=lambda: defaultdict(int))
    # (source, day, profile) → events
    visitors: dict[tuple[int, str, int], int] = field(default_factory=dict)
    visits: dict[int, Visit | None] = field(default_factory=dict)
    # (number, day, value) → events, and (number, day) → millionths
    values: dict[tuple[int, str, float], int] = field(default_factory=lambda: defaultdict(int))
    sums: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))

    def visit(self, session: int, old: Visit | None, new: Visit | None) -> None:
        """Counts a session in its new form instead of the old one."""
        if old == new:
            return
        self.visits[session] = new
        if old and new and old[:2] == new[:2]:  # mostly another page
            source, day, *_ = new
            for kind, before, after in zip(SESSION_KINDS, old[2:], new[2:], strict=True):
                if before != after:
                    self.found[source, kind, day, before] -= 1
                    self.found[source, kind, day, after] += 1
            return
        for visit, number in ((old, -1), (new, 1)):
            if visit:
                source, day, *values = visit
                self.found[source, "sessions", day, ""] += number
                for kind, value in zip(SESSION_KINDS, values, strict=True):
                    self.found[source, kind, day, value] += number

    def counts(self) -> dict[Key, tuple[int, int]]:
        """Count and bots of all that changes, in each grain that it is counted in."""
        counts: dict[Key, int] = defaultdict(int)
        for (source, kind, period, value), number in self.found.items():
            for grain in _GRAINS.get(kind, (DAY, MONTH)):
                counts[source, kind, grain, period[: LENGTHS[grain]], value] += number
        bots: dict[Key, int] = defaultdict(int)
        for (source, kind, period, value), number in self.bots.items():
            for grain in _GRAINS[kind]:
                bots[source, kind, grain, period[: LENGTHS[grain]], value] += number
        return {key: (count, bots.get(key, 0)) for key, count in counts.items() if count}


class _Rows(NamedTuple):
    """Some events: what to select from, with `e` for an event and `r` for its request."""

    tables: str
    where: str
    values: tuple[Any, ...]


def changes_between(
    connection: sqlite3.Connection, after: int, upto: int, names: RollupSet = LIVE
) -> Changes:
    """What the events numbered from `after` + 1 to `upto` change in a set that has counted all
    before them."""
    tally = Tally(connection, names)
    tally.read(after, upto, numbers_wanted(connection, names, after))
    return tally.changes()


def changes_of_removal(
    connection: sqlite3.Connection, names: RollupSet, requests: Sequence[int], mark: int
) -> Changes:
    """What changes in a set when these requests are removed, of which it has counted the events up
    to the mark. Their sessions are for `change_sessions`, when they are gone."""
    rows = _Rows(
        "json_each(?) j CROSS JOIN request_rows r ON r.key = j.value CROSS JOIN event_rows e"
        " ON e.seq BETWEEN r.key AND r.key + r.events - 1 AND e.request = r.key",
        "e.seq <= ?",
        (json.dumps(list(requests)), mark),
    )
    tally = Tally(connection, names, sign=-1)
    tally.add(rows, numbers_of(connection, names))
    return tally.changes(with_sessions=False)


def change_sessions(
    connection: sqlite3.Connection,
    names: RollupSet,
    sessions: Iterable[int],
    mark: int,
    changes: Changes,
) -> None:
    """Adds to `changes` what sessions are now, by their events up to the mark."""
    for session, old in known_visits(connection, names, sessions).items():
        changes.visit(session, old, visit_of(connection, session, mark))


def change_facts(connection: sqlite3.Connection, changes: Changes, names: RollupSet = LIVE) -> None:
    """Adds to `changes` what sessions that were counted say otherwise now."""
    known = known_visits(connection, names, changed_sessions(connection))
    facts = _facts(connection, known)
    for session, visit in known.items():
        # What the same changes have already made of it.
        now = changes.visits.get(session, visit)
        if now and session in facts:
            changes.visit(session, now, _with(now, facts[session]))


def changed_sessions(connection: sqlite3.Connection) -> list[int]:
    """Sessions that may say something else than when they were counted."""
    return [key for (key,) in connection.execute("SELECT session FROM changed_sessions")]


def with_facts_of(visit: Visit, other: Visit) -> Visit:
    """A visit with what the session said when another form of it was counted."""
    return _with(visit, _Facts(other.campaign, other.browser, other.screen, other.language))


@dataclass
class _Part:
    """What some events say of their session: source and day of the first, first and last page."""

    source: int
    day: str
    entry: Page | None = None
    exit: Page | None = None


class Tally:
    """Adds up events as their rows are read, a sum in memory for each thing that is counted.

    Grouping in SQLite costs twice as much, and a pass for each thing. What a set has counted before
    is looked up at the end, so the reading may be done in pieces, between other work.
    """

    def __init__(self, connection: sqlite3.Connection, names: RollupSet, sign: int = 1) -> None:
        self._connection = connection
        self._names = names
        self._sign = sign
        self._changes = Changes()
        self._hours: dict[tuple[int, int, str, int], int] = defaultdict(int)
        self._visitors: dict[tuple[int, str, int], int] = defaultdict(int)
        self._sessions: dict[int, _Part] = {}

    @property
    def rows(self) -> int:
        """How many rows of rollups it takes to write this, about."""
        counts = len(self._hours) + len(self._changes.found)
        return len(self._sessions) + len(self._visitors) + counts

    def read(self, after: int, upto: int, numbers: Iterable[Number]) -> None:
        """Adds the events numbered from `after` + 1 to `upto`, and these numbers of them."""
        self.add(
            _Rows(
                "event_rows e CROSS JOIN request_rows r ON r.key = e.request",
                "e.seq > ? AND e.seq <= ?",
                (after, upto),
            ),
            numbers,
        )

    def add(self, rows: _Rows, numbers: Iterable[Number]) -> None:
        """Adds some events, and these numbers of them."""
        hours, visitors, sessions = self._hours, self._visitors, self._sessions
        found, sign = self._changes.found, self._sign
        for source, kind, hour, bot, session, profile, context in self._connection.execute(
            f"""SELECT e.source, e.type, substr(e.occurred_at, 1, 13), r.bot, r.session, s.profile,
                CASE WHEN e.type = {_VIEW_KEY} THEN coalesce(e.context, r.context) END
            FROM {rows.tables} CROSS JOIN session_rows s ON s.key = r.session
            WHERE {rows.where} ORDER BY e.seq""",
            rows.values,
        ):
            hours[source, kind, hour, bot] += sign
            if bot or not session:
                continue
            day = hour[:10]
            visitors[source, day, profile] += sign
            part = sessions.get(session)
            if part is None:
                part = sessions[session] = _Part(source, day)
            if context and (page := page_of(context)):
                found[source, "pages", day, page.path] += sign
                part.exit = page
                part.entry = part.entry or page
        for number in numbers:
            self._add_number(number, rows)

    def _add_number(self, number: Number, rows: _Rows) -> None:
        for day, properties in self._connection.execute(
            f"""SELECT substr(e.occurred_at, 1, 10), e.properties FROM {rows.tables}
            WHERE {rows.where} AND e.source = ? AND e.seq > ?
                AND e.type = (SELECT key FROM event_types WHERE name = ?)""",
            (*rows.values, number.source, number.since, number.type),
        ):
            value = number_of(properties, number.property)
            if value is not None:
                self._changes.values[number.key, day, float(value)] += self._sign
                self._changes.sums[number.key, day] += self._sign * int(value.scaleb(DECIMALS))

    def changes(self, *, with_sessions: bool = True) -> Changes:
        """What all of it changes in the set as it is now. Called once."""
        changes = self._changes
        # Not all types there are: a sender may make up any number of them.
        kinds = json.dumps(sorted({kind for _, kind, _, _ in self._hours}))
        find = "SELECT t.key, t.name FROM json_each(?) j JOIN event_types t ON t.key = j.value"
        types = dict(self._connection.execute(find, [kinds]))
        for (source, kind, hour, bot), events in self._hours.items():
            changes.found[source, "types", hour, types[kind]] += events
            if bot:
                changes.bots[source, "types", hour, types[kind]] += events
        self._change_visitors()
        if with_sessions:
            self._change_sessions()
        return changes

    def _change_visitors(self) -> None:
        known = {
            (source, day, profile): events
            for source, day, profile, events in self._connection.execute(
                f"""SELECT v.source, v.day, v.profile, v.events FROM json_each(?) j
                CROSS JOIN {self._names.visitors} v ON v.source = j.value ->> 0
                    AND v.bucket = (j.value ->> 2) % {BUCKETS} AND v.day = j.value ->> 1
                    AND v.profile = j.value ->> 2""",
                [json.dumps([*self._visitors])],
            )
        }
        changes = self._changes
        for key, events in self._visitors.items():
            source, day, _ = key
            before = known.get(key, 0)
            if not before or before + events == 0:
                changes.found[source, "visitors", day, ""] += 1 if events > 0 else -1
            changes.visitors[key] = events

    def _change_sessions(self) -> None:
        connection, seen = self._connection, self._sessions
        known = known_visits(connection, self._names, seen)
        facts = _facts(connection, [session for session in seen if session not in known])
        for session, part in seen.items():
            old = known.get(session)
            new = old or _with(Visit(part.source, part.day), facts.get(session))
            if part.entry and part.exit:
                if not new.entry_page:
                    new = new._replace(entry_page=part.entry.path, referrer=part.entry.referrer)
                new = new._replace(exit_page=part.exit.path)
            self._changes.visit(session, old, new)


def numbers_of(connection: sqlite3.Connection, names: RollupSet) -> list[Number]:
    """The numbers that a set counts."""
    find = f"SELECT key, source, type, property, since FROM {names.numbers}"
    return [Number(*row) for row in connection.execute(find)]


def numbers_wanted(connection: sqlite3.Connection, names: RollupSet, mark: int) -> list[Number]:
    """The numbers that the owners of sources want counted. Those that a set does not count yet have
    a negative key, and are counted from the mark on."""
    known = {(n.source, n.type, n.property): n for n in numbers_of(connection, names)}
    wanted = [
        (source, *number.rsplit(":", 1))
        for source, number in connection.execute(
            "SELECT k.key, j.value FROM sources s JOIN source_keys k ON k.id = s.id,"
            " json_each(s.numbers) j ORDER BY 1, 2"
        )
    ]
    return [
        known.get((source, kind, name)) or Number(-index, source, kind, name, mark)
        for index, (source, kind, name) in enumerate(wanted, 1)
    ]


def known_visits(
    connection: sqlite3.Connection, names: RollupSet, sessions: Iterable[int]
) -> dict[int, Visit]:
    """Sessions as a set has counted them."""
    rows = connection.execute(
        f"SELECT v.* FROM json_each(?) j CROSS JOIN {names.visits} v ON v.session = j.value",
        [json.dumps(list(sessions))],
    )
    return {session: Visit(*values) for session, *values in rows}


class _Facts(NamedTuple):
    """What a session, not its events, says of a visit."""

    campaign: str = ""
    browser: str = ""
    screen: str = ""
    language: str = ""


def _with(visit: Visit, facts: _Facts | None) -> Visit:
    campaign, browser, screen, language = facts or _Facts()
    return visit._replace(campaign=campaign, browser=browser, screen=screen, language=language)


def _facts(connection: sqlite3.Connection, sessions: Iterable[int]) -> dict[int, _Facts]:
    """What sessions say of campaign and browser."""
    rows = connection.execute(
        "SELECT s.key, s.context, s.first_utm FROM json_each(?) j"
        " CROSS JOIN session_rows s ON s.key = j.value",
        [json.dumps(list(sessions))],
    )
    return {key: _Facts(campaign_of(utm or ""), *client_of(context)) for key, context, utm in rows}


def visit_of(
    connection: sqlite3.Connection, session: int, upto: int, *, with_bots: bool = False
) -> Visit | None:
    """A session as its events up to a number make it; None if it has none. `with_bots`: also by
    those that are not counted."""

    def events(order: str, where: str) -> Iterator[tuple[int, str, str]]:
        return connection.execute(
            f"""SELECT e.source, substr(e.occurred_at, 1, 10), coalesce(e.context, r.context)
            FROM request_rows r CROSS JOIN event_rows e
                ON e.seq BETWEEN r.key AND r.key + r.events - 1 AND e.request = r.key
            WHERE r.session = ? AND (r.bot = 0 OR ?) AND e.seq <= ? {where}
            ORDER BY r.key {order}, e.seq {order}""",
            (session, with_bots, upto),
        )

    first = next(events("ASC", ""), None)
    if first is None:
        return None
    is_view = f"AND e.type = {_VIEW_KEY}"
    views = [
        next((page for *_, text in events(order, is_view) if (page := page_of(text))), None)
        for order in ("ASC", "DESC")
    ]
    visit = Visit(first[0], first[1])
    entry, last = views
    if entry and last:
        visit = visit._replace(entry_page=entry.path, exit_page=last.path, referrer=entry.referrer)
    return _with(visit, _facts(connection, [session]).get(session))
