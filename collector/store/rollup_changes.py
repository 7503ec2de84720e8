"""What events change in the rollups, found by reading their rows. Nothing is written here.

What is counted of an event: its type, in its hour. Of one that is no bot's and belongs to a session,
also the visitor's day, the session's hour, and the page if it is a page-view. A session is counted
once, with its entry page and so on, on the day of its first event. Events of runs of tests are not
counted.
"""

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..event.visit import DECIMALS, Page, number_of, page_of
from .rollup_tables import (
    DAY,
    HOUR,
    LENGTHS,
    LIVE,
    MONTH,
    MONTHLY_RETURNS,
    RETURNS,
    SESSION_KINDS,
    RollupSet,
)
from .rollup_visits import VIEW_KEY, Visit, facts_of, known_visits, visit_of, with_facts

_GRAINS = {  # others: day and month
    "types": (HOUR, DAY, MONTH),
    "visitors": (DAY,),
    RETURNS: (DAY,),
    MONTHLY_RETURNS: (MONTH,),
}

_SUMS = {"types": "events", "pages": "page_views"}  # all values together

Found = tuple[int, str, str, str]  # source, kind, hour or day, value
Key = tuple[int, str, str, str, str]  # source, kind, grain, period, value


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
    # (source, profile, day) → events
    visitors: dict[tuple[int, int, str], int] = field(default_factory=dict)
    visits: dict[int, Visit | None] = field(default_factory=dict)
    # (source, hour, session) → profile, events, page-views
    hours: dict[tuple[int, str, int], tuple[int, int, int]] = field(default_factory=dict)
    # (number, day, value) → events, and (number, day) → millionths
    values: dict[tuple[int, str, float], int] = field(default_factory=lambda: defaultdict(int))
    sums: dict[tuple[int, str], int] = field(default_factory=lambda: defaultdict(int))

    def visit(self, session: int, old: Visit | None, new: Visit | None) -> None:
        """Counts a session in its new form instead of the old one."""
        if old == new:
            return
        self.visits[session] = new
        if old and new and old[:2] == new[:2]:  # mostly another page
            source, day = old.source, old.began[:10]
            for kind, before, after in zip(SESSION_KINDS, old.kinds, new.kinds, strict=True):
                if before != after:
                    self.found[source, kind, day, before] -= 1
                    self.found[source, kind, day, after] += 1
            if old.is_bounce != new.is_bounce:
                self.found[source, "bounces", day, ""] += 1 if new.is_bounce else -1
            return
        for visit, number in ((old, -1), (new, 1)):
            if visit:
                source, day = visit.source, visit.began[:10]
                self.found[source, "sessions", day, ""] += number
                self.found[source, "bounces", day, ""] += number * visit.is_bounce
                for kind, value in zip(SESSION_KINDS, visit.kinds, strict=True):
                    self.found[source, kind, day, value] += number

    def counts(self) -> dict[Key, tuple[int, int]]:
        """Count and bots of all that changes, in each grain that it is counted in."""
        counts: dict[Key, int] = defaultdict(int)
        for (source, kind, period, value), number in self.found.items():
            for grain in _GRAINS.get(kind, (DAY, MONTH)):
                counts[source, kind, grain, period[: LENGTHS[grain]], value] += number
                if kind in _SUMS:
                    counts[source, _SUMS[kind], grain, period[: LENGTHS[grain]], ""] += number
        bots: dict[Key, int] = defaultdict(int)
        for (source, kind, period, value), number in self.bots.items():
            for grain in _GRAINS[kind]:
                bots[source, kind, grain, period[: LENGTHS[grain]], value] += number
                bots[source, _SUMS[kind], grain, period[: LENGTHS[grain]], ""] += number
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
    """Adds to `changes` what sessions are now, by their events up to the mark. What was removed of
    them is in it already."""
    gone: dict[int, int] = defaultdict(int)
    for (_, _, session), (_, _, views) in changes.hours.items():
        gone[session] += views
    for session, old in known_visits(connection, names, sessions).items():
        new = visit_of(connection, session, mark)
        views = old.page_views + gone[session]
        changes.visit(session, old, new and new._replace(page_views=views))


def change_facts(connection: sqlite3.Connection, changes: Changes, names: RollupSet = LIVE) -> None:
    """Adds to `changes` what sessions that were counted say otherwise now."""
    known = known_visits(connection, names, changed_sessions(connection))
    facts = facts_of(connection, known)
    for session, visit in known.items():
        # What the same changes have already made of it.
        now = changes.visits.get(session, visit)
        if now and session in facts:
            changes.visit(session, now, with_facts(now, facts[session]))


def changed_sessions(connection: sqlite3.Connection) -> list[int]:
    """Sessions that may say something else than when they were counted."""
    return [key for (key,) in connection.execute("SELECT session FROM changed_sessions")]


@dataclass
class _Part:
    """What some events say of their session: source and minute of the first, first and last page."""

    source: int
    began: str
    entry: Page | None = None
    exit: Page | None = None
    page_views: int = 0


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
        # (source, hour, session) → profile, events, page-views
        self._visit_hours: dict[tuple[int, str, int], list[int]] = {}
        self._sessions: dict[int, _Part] = {}

    @property
    def rows(self) -> int:
        """How many rows of rollups it takes to write this, about."""
        counts = len(self._hours) + len(self._changes.found)
        # The hours of visits, and the days of visitors that they make.
        return len(self._sessions) + len(self._visit_hours) + counts

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
        hours, visit_hours, sessions = self._hours, self._visit_hours, self._sessions
        found, sign = self._changes.found, self._sign
        for source, kind, minute, bot, session, profile, context in self._connection.execute(
            f"""SELECT e.source, e.type, substr(e.occurred_at, 1, 16), r.bot, r.session, s.profile,
                CASE WHEN e.type = {VIEW_KEY} THEN coalesce(e.context, r.context) END
            FROM {rows.tables} CROSS JOIN session_rows s ON s.key = r.session
            WHERE {rows.where} AND r.run IS NULL ORDER BY e.seq""",
            rows.values,
        ):
            hour = minute[:13]
            hours[source, kind, hour, bot] += sign
            if bot or not session:
                continue
            within = visit_hours.get((source, hour, session))
            if within is None:
                within = visit_hours[source, hour, session] = [profile, 0, 0]
            within[1] += sign
            part = sessions.get(session)
            if part is None:
                part = sessions[session] = _Part(source, minute)
            if context and (page := page_of(context)):
                found[source, "pages", hour[:10], page.path] += sign
                within[2] += sign
                part.page_views += 1
                part.exit = page
                part.entry = part.entry or page
        for number in numbers:
            self._add_number(number, rows)

    def _add_number(self, number: Number, rows: _Rows) -> None:
        for day, properties in self._connection.execute(
            f"""SELECT substr(e.occurred_at, 1, 10), e.properties FROM {rows.tables}
            WHERE {rows.where} AND r.run IS NULL AND e.source = ? AND e.seq > ?
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
        for place, (profile, events, views) in self._visit_hours.items():
            changes.hours[place] = (profile, events, views)
        self._change_visitors()
        if with_sessions:
            self._change_sessions()
        return changes

    def _change_visitors(self) -> None:
        changes = self._changes
        visitors: dict[tuple[int, int, str], int] = defaultdict(int)
        for (source, hour, _), (profile, events, _) in self._visit_hours.items():
            visitors[source, profile, hour[:10]] += events
        known = {
            tuple(key): events
            for *key, events in self._connection.execute(
                f"""SELECT v.source, v.profile, v.day, v.events FROM json_each(?) j
                CROSS JOIN {self._names.visitors} v ON v.source = j.value ->> 0
                    AND v.profile = j.value ->> 1 AND v.day = j.value ->> 2""",
                [json.dumps([*visitors])],
            )
        }
        # Days on which somebody came who was not known to have come then, or did not come after all.
        changed: dict[tuple[int, int], set[str]] = defaultdict(set)
        for key, events in visitors.items():
            source, profile, day = key
            changes.visitors[key] = events
            before = known.get(key, 0)
            if not before or before + events == 0:
                changes.found[source, "visitors", day, ""] += 1 if events > 0 else -1
                changed[source, profile].add(day)
        self._change_returns(changed)

    def _change_returns(self, changed: dict[tuple[int, int], set[str]]) -> None:
        """Counts visitors by the day on which they came before. `changed`: days of a visitor (source,
        profile) that are new, or that are known and gone."""
        days: dict[tuple[int, int], list[str]] = defaultdict(list)
        for source, profile, day in self._connection.execute(
            f"""SELECT v.source, v.profile, v.day FROM json_each(?) j
            CROSS JOIN {self._names.visitors} v ON v.source = j.value ->> 0
                AND v.profile = j.value ->> 1
            ORDER BY j.key, v.day""",
            [json.dumps([*changed])],
        ):
            days[source, profile].append(day)
        found = self._changes.found
        for visitor, differ in changed.items():
            before = days.get(visitor, [])
            after = sorted(differ.symmetric_difference(before))
            for came, number in ((before, -1), (after, 1)):
                months = sorted({day[: LENGTHS[MONTH]] for day in came})
                for kind, periods in ((RETURNS, came), (MONTHLY_RETURNS, months)):
                    for last, period in zip(["", *periods], periods, strict=False):
                        found[visitor[0], kind, period, last] += number

    def _change_sessions(self) -> None:
        connection, seen = self._connection, self._sessions
        known = known_visits(connection, self._names, seen)
        facts = facts_of(connection, [session for session in seen if session not in known])
        for session, part in seen.items():
            old = known.get(session)
            new = old or with_facts(Visit(part.source, part.began), facts.get(session))
            if part.entry and part.exit:
                if not new.entry_page:
                    new = new._replace(entry_page=part.entry.path, referrer=part.entry.referrer)
                views = new.page_views + part.page_views
                new = new._replace(exit_page=part.exit.path, page_views=views)
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
