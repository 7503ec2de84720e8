"""Rollups and reports equal a count over the rows, whatever happened to the rows."""

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlite_utils import Database

from collector import store
from collector.event.timestamps import iso
from collector.event.types import Event, Payload, Rejection
from collector.event.visit import client_of, number_of, page_of
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest
from collector.store import reports, rollups
from collector.store.rollup_tables import KINDS, SESSION_KINDS
from collector.store.runs import list_runs, remove_run
from collector.writer.group import Writer

HISTORIES = 500 if os.environ.get("FAULTS") == "long" else 15
TODAY = datetime.now(UTC).date()
FIRST = TODAY - timedelta(days=400)
PATHS = ("/", "/a", "/b")
REFERRERS = ("", "https://shop.example/x", "https://www.Search.example/?q=1")
CLIENTS: tuple[dict[str, Any], ...] = (
    {},
    {
        "browser": {
            "userAgent": "Mozilla/5.0 Firefox/140.0",
            "language": "de",
            "timezoneOffset": -330,
        }
    },
    {"screen": {"width": 800, "height": 600}, "time": {"tz": "Europe/Warsaw"}},
)


@dataclass
class Sent:
    """An event of a test. `page`: a page-view of a path, with a referrer."""

    id: str
    at: str
    page: tuple[str, str] | None
    price: str

    def as_event(self, index: int) -> Event:
        kind = "page-view" if self.page else "buy"
        context = "{}"
        if self.page:
            path, referrer = self.page
            url = f"https://shop.example{path}?x=1"
            context = json.dumps({"page": {"url": url, "path": path, "referrer": referrer}})
        return Event(index, self.id, kind, self.at, f'{{"price":{self.price}}}', context)


class Counted:
    """A database, and a count over its rows to hold the reports against."""

    def __init__(self, path: Path) -> None:
        self.path = path
        store.migrate(path)
        self.admin = store.connect(path)
        self.writer = Writer(path)
        self.sources = [
            store.add_source(Database(self.admin), name, numbers=["buy:price"]).id
            for name in ("Shop", "Blog")
        ]

    def close(self) -> None:
        self.writer.close()
        self.admin.close()

    def send(
        self,
        events: list[Sent],
        source: int = 0,
        *,
        session: str | None = "s",
        received: str | None = None,
        bot: bool = False,
        rejected: tuple[Rejection, ...] = (),
        client: dict[str, Any] | None = None,
        campaign: str | None = None,
        run: str | None = None,
        country: str | None = None,
    ) -> None:
        payload = Payload(
            self.sources[source],
            session_id=session,
            context=json.dumps(client or {}),
            events=tuple(event.as_event(index) for index, event in enumerate(events)),
            rejected=rejected,
            utm=json.dumps({"campaign": campaign}) if campaign else None,
            anonymous=session is None,
        )
        at = received or (events[0].at if events else iso(datetime.now(UTC)))
        sender = SenderInfo(bot=bot, country=country)
        request = WriteRequest(self.sources[source], uuid7(), at, sender, payload, run=run)
        (result,) = self.writer.write([request])
        assert result.refused is None

    def reports(self, source: int) -> dict[str, Any]:
        """All that is reported of a source."""
        source_id = self.sources[source]
        with (
            closing(store.connect_readonly(self.path)) as connection,
            reports.up_to_date(connection),
        ):
            found: dict[str, Any] = {
                kind: {
                    row["value"]: row["count"]
                    for row in reports.most_frequent(
                        connection, source_id, kind, FIRST, TODAY, 1000
                    )
                }
                for kind in KINDS
            }
            for grain in ("hour", "day", "month"):
                rows = reports.events_over_time(connection, source_id, grain, "2000", "2100")
                found[grain] = {
                    (row["period"], row["type"]): (row["events"], row["bots"]) for row in rows
                }
            found["days"] = {
                row.pop("day"): row
                for row in reports.visits_over_time(connection, source_id, FIRST, TODAY)
            }
            found["visitors"] = reports.visitors_between(connection, source_id, FIRST, TODAY)
            found["numbers"] = [
                (row["count"], row["sum"], row["min"], row["max"])
                for row in reports.numbers(connection, source_id, FIRST, TODAY)
            ] or [(0, 0, None, None)]
            found["rejected"] = sum(
                row["events"]
                for row in reports.rejections(connection, source_id, "day", "2000", "2100")
            )
        return found

    def counted(self, source: int) -> dict[str, Any]:
        """The same, by looking at each row."""
        source_id = self.sources[source]
        with closing(store.connect_readonly(self.path)) as connection:
            events = connection.execute(
                "SELECT * FROM events WHERE source_id = ? AND run IS NULL ORDER BY seq",
                [source_id],
            ).fetchall()
            sessions = {
                row["id"]: row
                for row in connection.execute(
                    "SELECT * FROM sessions WHERE source_id = ?", [source_id]
                )
            }
            (rejected,) = connection.execute(
                "SELECT count(*) FROM rejected WHERE source_id = ? AND run IS NULL", [source_id]
            ).fetchone()
        found: dict[str, Any] = {kind: Counter() for kind in KINDS}
        for grain, length in (("hour", 13), ("day", 10), ("month", 7)):
            totals: dict[tuple[str, str], tuple[int, int]] = defaultdict(lambda: (0, 0))
            for event in events:
                key = (event["occurred_at"][:length], event["type"])
                totals[key] = (totals[key][0] + 1, totals[key][1] + event["bot"])
            found[grain] = dict(totals)
        found["types"] = Counter(event["type"] for event in events)
        seen = [event for event in events if not event["bot"] and event["session_id"]]
        days: dict[str, dict[str, int]] = defaultdict(
            lambda: {"visitors": 0, "sessions": 0, "page_views": 0}
        )
        for day, _ in {(event["occurred_at"][:10], event["profile_id"]) for event in seen}:
            days[day]["visitors"] += 1
        for session_id in {event["session_id"] for event in seen}:
            of_session = [event for event in seen if event["session_id"] == session_id]
            days[of_session[0]["occurred_at"][:10]]["sessions"] += 1
            views = [page_of(event["context"]) for event in of_session]
            pages = [page for page in views if page]
            session = sessions[session_id]
            client = client_of(session["context"])
            values = (
                pages[0].path if pages else "",
                pages[-1].path if pages else "",
                pages[0].referrer if pages else "",
                json.loads(session["first_utm"])["campaign"] if session["first_utm"] else "",
                *client,
                session["country"] or "",
            )
            for kind, value in zip(SESSION_KINDS, values, strict=True):
                found[kind][value] += 1
        for event in seen:
            if event["type"] == "page-view":
                path = json.loads(event["context"])["page"]["path"]
                found["pages"][path] += 1
                days[event["occurred_at"][:10]]["page_views"] += 1
        visitors = len({event["profile_id"] for event in seen})
        found["days"] = dict(days)
        found["visitors"] = {"visitors": visitors, "exact": True, "error": 0.0}
        prices = [number_of(e["properties"], "price") for e in events if e["type"] == "buy"]
        known = [price for price in prices if price is not None]
        found["numbers"] = [
            (len(known), float(sum(known)), min(map(float, known)), max(map(float, known)))
            if known
            else (0, 0, None, None)
        ]
        found["rejected"] = rejected
        return found

    def check(self) -> None:
        for source in range(len(self.sources)):
            assert self.reports(source) == self.counted(source)
        with closing(store.connect_readonly(self.path)) as connection:
            assert store.check_database(connection) == []


@pytest.fixture
def counted(tmp_path: Path) -> Iterator[Counted]:
    with closing(Counted(tmp_path / "x.db")) as counted:
        yield counted


def view(event_id: str, path: str = "/", day: date = TODAY) -> Sent:
    return Sent(event_id, f"{day}T10:00:00.000Z", (path, ""), "1")


def buy(event_id: str, price: str) -> Sent:
    return Sent(event_id, f"{TODAY}T10:00:00.000Z", None, price)


def roll_up(counted: Counted) -> None:
    is_done = False
    while not is_done:
        has_more = counted.writer.read_uncounted(1000)
        is_done = counted.writer.write_counts() and not has_more


def test_a_forgotten_visitor_is_counted_nowhere(counted: Counted) -> None:
    counted.send([view("1"), view("2", "/a")], session="a")
    counted.send([view("3")], session="b")
    roll_up(counted)
    counted.send([view("4", "/b")], session="a")
    (profile,) = counted.admin.execute("SELECT profile_id FROM sessions WHERE id = 'a'").fetchone()
    store.forget_profile(counted.admin, profile)
    counted.check()
    assert counted.reports(0)["pages"] == {"/": 1}
    roll_up(counted)
    counted.check()
    for table in ("rollups", "visits", "visitor_days"):
        rows = counted.admin.execute(f"SELECT * FROM {table}").fetchall()
        assert rows
        assert "/a" not in str(rows)


def test_numbers_of_a_source_that_begins_between_two_readings_are_counted(
    counted: Counted,
) -> None:
    counted.send([view("1")], 1)
    assert counted.writer.read_uncounted(100) is False
    counted.send([buy("2", "5")], 0)  # its first event
    counted.send([buy("3", "2")], 0)
    assert counted.writer.read_uncounted(1) is True
    assert counted.writer.read_uncounted(100) is False
    assert counted.writer.write_counts() is True
    counted.check()
    assert counted.reports(0)["numbers"] == [(2, 7.0, 2.0, 5.0)]


def test_what_counts_will_take_to_write_is_known_before(counted: Counted) -> None:
    """Senders wait while they are written, so the writer must know, whatever it is that differs."""
    days = (TODAY - timedelta(days=n) for n in range(200))
    counted.send(
        [Sent(str(n), f"{day}T10:00:00.000Z", None, "1") for n, day in enumerate(days)], bot=True
    )
    counted.writer.read_uncounted(1000)
    assert counted.writer.unwritten_counts >= 200
    counted.check()


def test_what_is_removed_between_reading_and_writing_is_not_counted(counted: Counted) -> None:
    for turn in range(3):
        counted.send([view(f"{turn}-1", "/a")], session="a")
        counted.send([view(f"{turn}-2", "/b")], session="b")
        assert counted.writer.read_uncounted(100) is False
        find = "SELECT profile_id FROM sessions WHERE id = 'a'"
        (profile,) = counted.admin.execute(find).fetchone()
        store.forget_profile(counted.admin, profile)
        # It is read again; in vain, too, it is counted in one transaction.
        assert counted.writer.write_counts() is False
        counted.check()
    assert counted.reports(0)["pages"] == {"/b": 3}
    roll_up(counted)
    (mark,) = counted.admin.execute("SELECT seq FROM rollup_marks").fetchone()
    assert mark == 6
    counted.check()


def test_what_expires_between_reading_and_writing_is_not_counted(counted: Counted) -> None:
    database = Database(counted.admin)
    store.update_source(database, counted.sources[0], {"retention_days": 30})
    counted.send([view("old", "/a", TODAY - timedelta(days=40))], session="a")
    counted.send([view("new", "/b")], session="b")
    counted.writer.read_uncounted(100)
    assert counted.writer.expire_rows()
    counted.writer.write_counts()
    counted.check()
    assert counted.reports(0)["pages"] == {"/b": 1}


def test_retention_moves_a_session_to_the_day_of_its_oldest_event(counted: Counted) -> None:
    old = TODAY - timedelta(days=40)
    counted.send([view("1", "/a", old)])
    counted.send([view("2", "/b")])
    roll_up(counted)
    assert [*counted.reports(0)["days"]] == [str(old), str(TODAY)]
    database = Database(counted.admin)
    store.update_source(database, counted.sources[0], {"retention_days": 30})
    assert counted.writer.expire_rows()
    counted.check()
    assert counted.reports(0)["entry_pages"] == {"/b": 1}


def test_what_is_removed_while_all_is_counted_again_is_not_counted(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "STEP", 2)
    for number in range(6):
        counted.send([view(str(number))], session=f"s{number}")
    roll_up(counted)
    steps = rollups.rebuild_rollups(counted.admin)
    assert next(steps) == (2, 6)
    profiles = counted.admin.execute("SELECT id FROM profiles ORDER BY first_seen_at").fetchall()
    store.forget_profile(counted.admin, profiles[0][0])
    counted.send([view("7")], session="s1", client=CLIENTS[1])
    roll_up(counted)
    assert [*steps] == [(4, 7), (6, 7), (7, 7)]
    counted.check()
    assert counted.reports(0)["browsers"] == {"Firefox": 1, "": 4}


def test_a_rebuild_mends_the_counts_and_check_finds_what_is_wrong(counted: Counted) -> None:
    counted.send([view("1"), view("2")])
    roll_up(counted)
    counted.admin.execute("UPDATE rollups SET count = 3 WHERE kind = 'pages' AND grain = 'day'")
    with closing(store.connect_readonly(counted.path)) as connection:
        (sums, counts) = store.check_database(connection)
    assert "1 sums of periods in the rollups differ" in sums
    assert "1 counts in the rollups differ" in counts
    assert "thamesthrive db rollups rebuild" in counts
    assert [*rollups.rebuild_rollups(counted.admin)] == [(2, 2)]
    counted.check()


def test_values_beyond_the_bound_are_counted_together(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "MAX_VALUES", 2)
    for number, path in enumerate(["/a", "/b", "/c", "/d", "/c"]):
        counted.send([view(str(number), path)], session=f"s{number}")
        roll_up(counted)
    assert counted.reports(0)["pages"] == {"/a": 1, "/b": 1, "(other)": 3}
    find = "SELECT profile_id FROM sessions WHERE id = ?"
    for session in ("s0", "s2"):  # of /a, which makes room, and of the first /c
        (profile,) = counted.admin.execute(find, [session]).fetchone()
        store.forget_profile(counted.admin, profile)
    counted.send([view("9", "/c")], session="s9")
    roll_up(counted)
    assert counted.reports(0)["pages"] == {"/b": 1, "/c": 1, "(other)": 2}
    (profile,) = counted.admin.execute(find, ["s4"]).fetchone()
    store.forget_profile(counted.admin, profile)
    pages = counted.reports(0)["pages"]
    assert sum(pages.values()) == counted.counted(0)["pages"].total() == 3
    with closing(store.connect_readonly(counted.path)) as connection:
        assert store.check_database(connection) == []


def test_a_number_is_counted_from_when_it_is_named_and_before_after_a_rebuild(
    counted: Counted,
) -> None:
    database, source = Database(counted.admin), counted.sources[0]
    store.update_source(database, source, {"numbers": []})
    counted.send([buy("1", "5"), buy("2", "2.5")])
    roll_up(counted)
    assert counted.reports(0)["numbers"] == [(0, 0, None, None)]
    store.update_source(database, source, {"numbers": ["buy:price"]})
    counted.send([buy("3", "1"), buy("4", "0.1"), buy("5", "0.2")])
    assert counted.reports(0)["numbers"] == [(3, 1.3, 0.1, 1.0)]
    roll_up(counted)
    assert counted.reports(0)["numbers"] == [(3, 1.3, 0.1, 1.0)]
    assert len([*rollups.rebuild_rollups(counted.admin)]) == 1
    assert counted.reports(0)["numbers"] == [(5, 8.8, 0.1, 5.0)]
    store.update_source(database, source, {"numbers": []})
    roll_up(counted)
    assert counted.admin.execute("SELECT * FROM number_values").fetchall() == []


def test_visitors_of_a_range_count_once_in_whatever_order_their_days_come(
    counted: Counted,
) -> None:
    days = [TODAY - timedelta(days=n) for n in range(5)]
    for number, day in enumerate([days[2], days[4], days[0], days[2]]):
        counted.send([view(str(number), day=day)], session="s")
        roll_up(counted)
    counted.send([view("9", day=days[1])], session="t")

    def visitors(first: int, last: int) -> int:
        with (
            closing(store.connect_readonly(counted.path)) as connection,
            reports.up_to_date(connection),
        ):
            source = counted.sources[0]
            found = reports.visitors_between(connection, source, days[first], days[last])
            return int(found["visitors"])

    assert [visitors(4, 0), visitors(4, 3), visitors(3, 3), visitors(2, 1)] == [2, 1, 0, 2]
    roll_up(counted)
    assert [visitors(4, 0), visitors(4, 3), visitors(3, 3), visitors(2, 1)] == [2, 1, 0, 2]


def test_reports_say_when_the_events_are_not_counted_yet(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "MAX_UNCOUNTED", 1)
    counted.send([view("1"), view("2")])
    with pytest.raises(reports.NotCounted, match="0 of 2 events are counted"):
        counted.reports(0)
    roll_up(counted)
    assert counted.reports(0)["pages"] == {"/": 2}


BEFORE_VISITS = (
    "DROP TABLE visit_hours",
    "DROP TABLE visits",
    "CREATE TABLE visits (session INTEGER PRIMARY KEY, source INTEGER NOT NULL, day TEXT NOT NULL)",
    "INSERT INTO visits VALUES (1, 1, '2026-11-27')",
    "DROP TABLE visitor_days",
    "CREATE TABLE visitor_days (source INTEGER, bucket INTEGER, day TEXT, profile INTEGER,"
    " events INTEGER, PRIMARY KEY (source, bucket, day, profile)) WITHOUT ROWID",
    # Counted while it was made again.
    "CREATE TABLE visits_next (session INTEGER PRIMARY KEY)",
    "INSERT INTO rollup_marks VALUES ('next', 1)",
    "DELETE FROM _sqlite_migrations WHERE name = 'm013_visits'",
)


def test_a_database_of_before_is_counted_again(
    counted: Counted, monkeypatch: pytest.MonkeyPatch
) -> None:
    database, source = Database(counted.admin), counted.sources[0]
    store.update_source(database, source, {"numbers": []})
    counted.send([view("1"), buy("2", "5")], client=CLIENTS[2])
    roll_up(counted)
    store.update_source(database, source, {"numbers": ["buy:price"]})
    counted.send([view("3"), buy("4", "7")])
    roll_up(counted)
    for statement in BEFORE_VISITS:
        counted.admin.execute(statement)
    store.migrate(counted.path)
    monkeypatch.setattr(reports, "MAX_UNCOUNTED", 3)
    with pytest.raises(reports.NotCounted, match="0 of 4 events are counted"):
        counted.reports(0)
    roll_up(counted)
    found = counted.reports(0)
    assert found["time_zones"] == {"Europe/Warsaw": 1}
    # What was stored before the number was named is still not counted.
    assert found["numbers"] == [(1, 7.0, 7.0, 7.0)]
    with closing(store.connect_readonly(counted.path)) as connection:
        assert store.check_database(connection) == []


DAYS = st.sampled_from([TODAY, TODAY - timedelta(days=1), TODAY - timedelta(days=40)])
PRICES = st.sampled_from(["1", "13.45", "-2e3", "0.1", "1e30", '"x"', "0.0000004"])
EVENTS = st.lists(
    st.builds(
        Sent,
        id=st.integers(0, 30).map(str),  # so that many are repeats
        at=st.builds(lambda day, hour: f"{day}T{hour:02d}:00:00.000Z", DAYS, st.integers(0, 3)),
        page=st.none() | st.tuples(st.sampled_from(PATHS), st.sampled_from(REFERRERS)),
        price=PRICES,
    ),
    min_size=1,
    max_size=4,
)


class Histories(RuleBasedStateMachine):
    """Everything that adds and removes rows, in any order."""

    folder: Path
    number = 0

    @initialize()
    def begin(self) -> None:
        Histories.number += 1
        self.counted = Counted(self.folder / f"{Histories.number}.db")

    def teardown(self) -> None:
        if hasattr(self, "counted"):
            self.counted.close()

    @rule(
        events=EVENTS,
        source=st.integers(0, 1),
        session=st.sampled_from([None, "a", "b", "c"]),
        old=st.booleans(),
        bot=st.booleans(),
        client=st.sampled_from(CLIENTS),
        campaign=st.none() | st.sampled_from(["spring", "autumn"]),
        run=st.sampled_from([None, None, "r1", "r2"]),
        country=st.sampled_from([None, "GB", "PL"]),
    )
    def send(
        self,
        events: list[Sent],
        source: int,
        session: str | None,
        old: bool,
        bot: bool,
        client: dict[str, Any],
        campaign: str | None,
        run: str | None,
        country: str | None,
    ) -> None:
        received = iso(datetime.now(UTC) - timedelta(days=60 if old else 0))
        self.counted.send(
            events,
            source,
            session=session,
            received=received,
            bot=bot,
            client=client,
            campaign=campaign,
            run=run,
            country=country,
        )

    @rule(
        source=st.integers(0, 1),
        event_id=st.integers(0, 5).map(str),
        reason=st.booleans(),
        run=st.sampled_from([None, "r1"]),
    )
    def reject(self, source: int, event_id: str, reason: bool, run: str | None) -> None:
        word = "invalid" if reason else "too_large"
        rejection = Rejection(0, event_id, word, "x", "buy", "{}")
        self.counted.send([], source, rejected=(rejection,), run=run)

    @rule(run=st.sampled_from(["r1", "r2"]))
    def remove_run(self, run: str) -> None:
        remove_run(self.counted.path, run)
        with closing(store.connect_readonly(self.counted.path)) as connection:
            assert run not in [found.run for found in list_runs(connection)]

    @rule()
    def roll_up(self) -> None:
        roll_up(self.counted)

    @rule(limit=st.integers(1, 4))
    def read_some(self, limit: int) -> None:
        """Between which and the next rule anything may happen."""
        self.counted.writer.read_uncounted(limit)

    @rule()
    def write_what_was_read(self) -> None:
        self.counted.writer.write_counts()

    @rule(steps=st.integers(1, 3))
    def rebuild(self, steps: int) -> None:
        """Perhaps not to its end."""
        for done, _ in zip(range(steps), rollups.rebuild_rollups(self.counted.admin), strict=False):
            assert done >= 0

    @rule(number=st.integers(0, 5))
    def forget(self, number: int) -> None:
        profiles = self.counted.admin.execute("SELECT id FROM profiles ORDER BY id").fetchall()
        if profiles:
            store.forget_profile(self.counted.admin, profiles[number % len(profiles)][0])

    @rule(source=st.integers(0, 1))
    def expire(self, source: int) -> None:
        database, source_id = Database(self.counted.admin), self.counted.sources[source]
        store.update_source(database, source_id, {"retention_days": 30})
        # What is stored came when it says.
        self.counted.admin.execute("DELETE FROM clock_marks")
        while self.counted.writer.expire_rows():
            pass
        store.update_source(database, source_id, {"retention_days": None})

    @rule(source=st.integers(0, 1))
    def remove_source(self, source: int) -> None:
        database = Database(self.counted.admin)
        store.remove_source(database, self.counted.sources[source], with_events=True)
        added = store.add_source(database, "Again", numbers=["buy:price"])
        self.counted.sources[source] = added.id

    @invariant()
    def reports_equal_a_count(self) -> None:
        if hasattr(self, "counted"):
            self.counted.check()


@pytest.mark.faults
def test_reports_equal_a_count_over_the_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rollups, "STEP", 3)
    Histories.folder = tmp_path
    run_state_machine_as_test(
        Histories,
        settings=settings(
            max_examples=HISTORIES,
            stateful_step_count=20,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow],
        ),
    )
    assert Histories.number >= HISTORIES
