"""Funnels and retention equal what is found by following each visitor by hand; and so do the
statements that they show."""

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from statistics import median
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from sqlite_utils import Database

from collector import store
from collector.errors import StoreError
from collector.event.timestamps import iso
from collector.event.types import Event, Payload
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest
from collector.store.cohorts import CohortQuery, retention, retention_sql
from collector.store.funnels import FunnelQuery, funnel, funnel_sql
from collector.store.steps import parse_step
from collector.writer.group import Writer

START = datetime(2026, 10, 25, 23, 30, tzinfo=UTC)  # a Sunday, and soon another month
STEPS = ("a", "b", "a where n=1", "*", "* where n>=1", "b where n=0 and n!=1")
MATCHES: dict[str, Callable[[Any], bool]] = {
    "a": lambda event: event.type == "a",
    "b": lambda event: event.type == "b",
    "a where n=1": lambda event: event.type == "a" and event.n == 1,
    "*": lambda _: True,
    "* where n>=1": lambda event: event.n >= 1,
    "b where n=0 and n!=1": lambda event: event.type == "b" and event.n == 0,
}


@dataclass
class Seen:
    """An event of a test. `visitor`: None for none; `at`: in the unit of the test."""

    visitor: str | None
    at: int
    type: str
    n: int
    bot: bool


EVENTS = st.lists(
    st.builds(
        Seen,
        st.sampled_from(["ann", "ann", "bob", "cat", None]),
        st.integers(0, 12),
        st.sampled_from("abc"),
        st.integers(0, 2),
        st.sampled_from([False] * 9 + [True]),
    ),
    max_size=25,
)


class World:
    """A database to which each example adds a source of its own."""

    def __init__(self, path: Path) -> None:
        self.path = path
        store.migrate(path)
        self.admin = store.connect(path)
        self.writer = Writer(path)

    def close(self) -> None:
        self.writer.close()
        self.admin.close()

    def add(self, events: list[Seen], unit: timedelta) -> str:
        """Stores events, each in a request, in this order. Returns the source's id."""
        source = store.add_source(Database(self.admin), "Test", static_profiles=True).id
        requests = []
        for event in events:
            at = iso(START + event.at * unit)
            stored = Event(0, uuid7(), event.type, at, json.dumps({"n": event.n}), "{}")
            payload = Payload(
                source,
                session_id=event.visitor and f"{source}-{event.visitor}",
                profile_id=event.visitor and f"{source}-{event.visitor}",
                events=(stored,),
                anonymous=event.visitor is None,
            )
            sender = SenderInfo(bot=event.bot)
            arrival = iso(START + timedelta(days=300))
            requests.append(WriteRequest(source, uuid7(), arrival, sender, payload))
            # The same again in a run of tests, which counts nowhere.
            again = replace(payload, events=(replace(stored, id=uuid7()),))
            requests.append(WriteRequest(source, uuid7(), arrival, sender, again, run="r1"))
        for request in requests:
            self.writer.write([request])
        return source

    def read(self) -> Any:
        return closing(store.connect_readonly(self.path))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with closing(World(tmp_path_factory.mktemp("funnels") / "x.db")) as world:
        yield world


MANY = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


def followed(events: list[Seen], steps: list[str], within: int) -> list[list[int]]:
    """The times of the best attempt of each visitor, by trying each beginning."""
    found = []
    ordered = sorted(
        [event for event in events if event.visitor and not event.bot], key=lambda event: event.at
    )
    for visitor in {event.visitor for event in ordered}:
        own = [event for event in ordered if event.visitor == visitor]
        best: list[int] = []
        for index, start in enumerate(own):
            if not MATCHES[steps[0]](start):
                continue
            times, left = [start.at], own[index + 1 :]
            for step in steps[1:]:
                while left and not MATCHES[step](left[0]):
                    left = left[1:]
                if not left or left[0].at - start.at > within:
                    break
                times.append(left[0].at)
                left = left[1:]
            if len(times) > len(best):
                best = times
        if best:
            found.append(best)
    return found


@MANY
@given(
    events=EVENTS,
    steps=st.lists(st.sampled_from(STEPS), min_size=2, max_size=4),
    within=st.integers(1, 8),
)
def test_a_funnel_is_what_following_each_visitor_finds(
    world: World, events: list[Seen], steps: list[str], within: int
) -> None:
    source = world.add(events, timedelta(minutes=1))
    query = FunnelQuery(tuple(map(parse_step, steps)), within * 60_000, (source,))
    with world.read() as connection:
        with funnel(connection, query) as found:
            assert all(0 <= done <= total for done, total in found.steps())
            rows = found.rows()
        by_sql = connection.execute(funnel_sql(query)).fetchall()
    attempts = followed(events, steps, within)
    for number, row in enumerate(rows):
        reached = [times for times in attempts if len(times) > number]
        waits = [60 * (times[number] - times[number - 1]) for times in reached if number]
        assert (row.step, row.visitors) == (steps[number], len(reached))
        assert row.seconds == (median(waits) if waits else None)
        assert tuple(by_sql[number]) == (number + 1, row.visitors, row.seconds)
        if attempts:
            assert row.of_first == len(reached) / len(attempts)


def test_a_funnel_takes_the_attempt_that_came_furthest_and_its_times(world: World) -> None:
    """A first attempt that was given up counts as little as what lies outside of the time."""
    seen = [("a", 0), ("a", 100), ("b", 101), ("c", 103), ("a", 200), ("b", 207), ("c", 208)]
    events = [Seen("ann", at, kind, 0, bot=False) for kind, at in seen]
    source = world.add(events, timedelta(minutes=1))
    steps = tuple(map(parse_step, "abc"))
    with world.read() as connection:
        query = FunnelQuery(steps, 600_000, (source,))
        with funnel(connection, query) as found:
            assert [*found.steps()]
            assert [(row.visitors, row.seconds) for row in found.rows()] == [
                (1, None), (1, 60.0), (1, 120.0)
            ]  # fmt: skip
        until = iso(START + timedelta(minutes=102))
        with funnel(connection, FunnelQuery(steps, 600_000, (source,), None, until)) as found:
            assert [*found.steps()]
            assert [row.visitors for row in found.rows()] == [1, 1, 0]


def test_of_attempts_that_came_as_far_the_earliest_counts(world: World) -> None:
    seen = [("a", 0), ("b", 1), ("a", 50), ("b", 55)]
    source = world.add(
        [Seen("ann", at, kind, 0, bot=False) for kind, at in seen], timedelta(minutes=1)
    )
    query = FunnelQuery(tuple(map(parse_step, "abc")), 600_000, (source,))
    with world.read() as connection, funnel(connection, query) as found:
        assert [*found.steps()]
        assert [row.seconds for row in found.rows()] == [None, 60.0, None]


def test_events_at_the_same_moment_follow_each_other_as_they_were_stored(world: World) -> None:
    for order, visitors in (("ab", [1, 1]), ("ba", [1, 0])):
        source = world.add([Seen("ann", 0, kind, 0, bot=False) for kind in order], timedelta(1))
        query = FunnelQuery((parse_step("a"), parse_step("b")), 0, (source,))
        with world.read() as connection, funnel(connection, query) as found:
            assert [*found.steps()]
            assert [row.visitors for row in found.rows()] == visitors


def test_a_visitor_with_very_many_events_is_followed_quickly(tmp_path: Path) -> None:
    """Trying each of these beginnings with each of these events would take hours."""
    with closing(World(tmp_path / "x.db")) as world:
        source = world.add([Seen("ann", 0, "a", 0, bot=False)], timedelta(minutes=1))
        with store.transaction(world.admin):
            (key, request, type_) = world.admin.execute(
                "SELECT source, request, type FROM event_rows"
            ).fetchone()
            world.admin.execute(
                "INSERT INTO event_rows (request, source, type, id, occurred_at)"
                " WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)"
                " SELECT ?, ?, ?, 'many-' || i, '2026-10-26T10:00:00.000Z' FROM n",
                [request, key, type_],
            )
        query = FunnelQuery((parse_step("a"), parse_step("a"), parse_step("b")), 10**9, (source,))
        with world.read() as connection, funnel(connection, query) as found:
            assert [*found.steps()]
            assert [row.visitors for row in found.rows()] == [1, 1, 0]


def period_of(day: date, interval: str) -> int:
    if interval == "month":
        return day.year * 12 + day.month
    return (
        day.toordinal() if interval == "day" else (day - timedelta(day.weekday())).toordinal() // 7
    )


def named(number: int, interval: str, days: list[date]) -> str:
    """The name of a period: its first day, or its month."""
    day = next(day for day in days if period_of(day, interval) == number)
    if interval == "week":
        return str(day - timedelta(days=day.weekday()))
    return str(day)[: 7 if interval == "month" else 10]


@MANY
@given(
    events=EVENTS,
    first=st.sampled_from(STEPS),
    back=st.sampled_from(STEPS),
    is_any=st.booleans(),
    interval=st.sampled_from(["day", "week", "month"]),
    since=st.integers(0, 4),
    until=st.integers(5, 13),
    rolled_up=st.booleans(),
)
def test_retention_is_what_following_each_visitor_finds(
    world: World,
    events: list[Seen],
    first: str,
    back: str,
    is_any: bool,
    interval: str,
    since: int,
    until: int,
    rolled_up: bool,
) -> None:
    """A unit is four days here."""
    if is_any:
        first = back = "*"
    unit = timedelta(days=4)
    source = world.add(events, unit)
    if rolled_up:
        while world.writer.read_uncounted(1000):
            pass
        world.writer.write_counts()
    ends = [(START + end * unit).date() for end in (since, until)]
    query = CohortQuery(
        parse_step(first),
        parse_step(back),
        interval,
        f"{ends[0]}T00:00:00.000Z",
        f"{ends[1]}T00:00:00.000Z",
        (source,),
    )
    with world.read() as connection:
        with retention(connection, query) as found:
            assert all(0 < done <= total for done, total in found.steps())
            assert found.is_counted == (first == back == "*")
            rows = found.rows()
        by_sql = {
            (cohort, later): visitors
            for cohort, later, visitors in connection.execute(retention_sql(query))
        }
    days = [(START + event.at * unit).date() for event in events]
    seen = [
        (event, period_of(day, interval))
        for event, day in zip(events, days, strict=True)
        if event.visitor and not event.bot and day < ends[1]
    ]
    expected: dict[tuple[str, int], int] = {}
    for visitor in {event.visitor for event, _ in seen}:
        own = [(event, number) for event, number in seen if event.visitor == visitor]
        began = min((number for event, number in own if MATCHES[first](event)), default=None)
        if began is None or began < period_of(ends[0], interval):
            continue
        returned = {number - began for event, number in own if MATCHES[back](event)}
        for later in {0} | {number for number in returned if number > 0}:
            cohort = (named(began, interval, days), later)
            expected[cohort] = expected.get(cohort, 0) + 1
    assert by_sql == expected
    last = period_of(ends[1] - timedelta(days=1), interval)
    shown = {
        (row.period, later): visitors
        for row in rows
        for later, visitors in enumerate([row.visitors, *row.returned])
    }
    assert {key: visitors for key, visitors in shown.items() if visitors} == expected
    assert [row.period for row in rows] == sorted({cohort for cohort, _ in expected})
    for row in rows:
        began = period_of(date.fromisoformat(f"{row.period}-01"[:10]), interval)
        assert len(row.returned) == last - began


def test_visitors_of_one_id_in_groups_of_their_own_are_one_visitor(tmp_path: Path) -> None:
    """As for whoever counts profile ids in the view."""
    path = tmp_path / "x.db"
    with closing(World(path)) as world:
        ids = []
        for group in ("", "g"):
            fields = {"static_profiles": True, "profile_group": group}
            ids.append(store.add_source(Database(world.admin), "Test", **fields).id)
        for number, source in enumerate(ids):
            at = iso(START + timedelta(days=14 * number))
            events = (Event(0, uuid7(), "ab"[number], at, "{}", "{}"),)
            payload = Payload(source, session_id=source, profile_id="ann", events=events)
            request = WriteRequest(source, uuid7(), at, SenderInfo(), payload)
            request.static_profiles, request.profile_scope = True, f"group:{number}"
            world.writer.write([request])
        steps = (parse_step("a"), parse_step("b"))
        query = FunnelQuery(steps, 15 * 86_400_000)
        cohort = CohortQuery(
            parse_step("*"), parse_step("*"), "week", iso(START)[:10], "2026-11-20T00:00:00.000Z"
        )
        with world.read() as connection:
            assert len(connection.execute("SELECT * FROM profiles").fetchall()) == 2
            with funnel(connection, query) as found:
                assert [*found.steps()]
                assert [row.visitors for row in found.rows()] == [1, 1]
            with retention(connection, cohort) as kept:
                assert [*kept.steps()]
                assert [(row.visitors, sum(row.returned)) for row in kept.rows()] == [(1, 1)]


def test_an_interrupt_ends_a_funnel(world: World) -> None:
    events = [Seen("ann", 0, "a", 0, bot=False)]
    source = world.add(events, timedelta(minutes=1))
    query = FunnelQuery((parse_step("a"), parse_step("a")), 1, (source,))
    with world.read() as connection:
        connection.set_progress_handler(lambda: 1, 1)
        with (
            pytest.raises(sqlite3.OperationalError, match="interrupted"),
            funnel(connection, query) as found,
        ):
            list(found.steps())


@pytest.mark.parametrize(
    ("text", "kind", "conditions"),
    [
        ("purchase order", "purchase order", 0),
        ("a where n=1", "a", 1),
        ("a  where  n=1  and  m=2", "a", 2),
        ("a where n='x and y' and m=1", "a", 2),
        ('a where n="x and \\" and y"', "a", 1),
        ('"a where b" where c=1', "a where b", 1),
        ('"a where b"', "a where b", 0),
        ("*", None, 0),
        ("* where n=1", None, 1),
        ("whereas", "whereas", 0),
        ("it's", "it's", 0),
    ],
)
def test_a_step_is_a_type_and_conditions(text: str, kind: str | None, conditions: int) -> None:
    step = parse_step(text)
    assert (step.type, len(step.where)) == (kind, conditions)


@pytest.mark.parametrize(
    "text", ["", " ", "a where", "a where n", "a where n=1 and", '"a', "x" * 129, "a\nb", "where n=1 and m"]
)  # fmt: skip
def test_what_is_no_step_says_what_is_right(text: str) -> None:
    if text == "where n=1 and m":
        assert parse_step(text).type == text
        return
    with pytest.raises(StoreError, match=r"is not a (step|condition)|has no condition"):
        parse_step(text)
