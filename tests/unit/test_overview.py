"""The overview equals a count over the rows, for any range, sources and filters."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import StoreError
from collector.event.timestamps import iso
from collector.event.types import Rejection
from collector.event.visit import client_of, page_of
from collector.store import reports
from collector.store.overview import (
    FILTERS,
    KIND_OF,
    Overview,
    Question,
    finish,
    live_now,
    read_overview,
)
from collector.store.overview_sql import MEASURES, queries_of
from collector.store.ranges import NAMED, Range, custom_range, named_range
from collector.store.source_states import SourceState, source_states

from .test_rollups import CLIENTS, PATHS, REFERRERS, TODAY, Counted, Sent, roll_up

LENGTHS = {"minute": 16, "hour": 13, "day": 10, "month": 7}


def at(hour: int = 1, minute: int = 10, back: int = 0) -> datetime:
    start = datetime(TODAY.year, TODAY.month, TODAY.day, hour, minute, tzinfo=UTC)
    return start - timedelta(days=back)


VALUES = {
    "type": ["page-view", "buy", "never"],
    "page": [*PATHS, "/never"],
    "entry_page": [*PATHS, ""],
    "exit_page": [*PATHS, ""],
    "referrer": ["", "search.example"],
    "campaign": ["", "spring", "autumn"],
    "browser": ["", "Firefox"],
    "screen": ["", "800x600"],
    "language": ["", "de"],
    "country": ["", "GB", "PL", "JP"],
    "time_zone": ["", "UTC+05:30", "Europe/Warsaw"],
}


class Rows:
    """The rows of a database, as its views have them."""

    def __init__(self, path: Path, sources: Sequence[str]) -> None:
        with closing(store.connect_readonly(path)) as connection:
            self.events = [
                dict(row)
                for row in connection.execute("SELECT * FROM events WHERE run IS NULL ORDER BY seq")
                if row["source_id"] in sources
            ]
            self.sessions = {
                (row["source_id"], row["id"]): row
                for row in connection.execute("SELECT * FROM sessions")
            }
        self.visits: dict[tuple[str, str], dict[str, Any]] = {}
        for event in self.events:
            if event["session_id"] and not event["bot"]:
                key = event["source_id"], event["session_id"]
                self.visits.setdefault(key, {"events": []})["events"].append(event)
        for key, visit in self.visits.items():
            visit.update(self._visit(key, visit["events"]))

    def _visit(self, key: tuple[str, str], events: list[dict[str, Any]]) -> dict[str, Any]:
        pages = [page for event in events if (page := self.page(event)) is not None]
        first = next((e for e in events if self.page(e) is not None), None)
        found = page_of(first["context"]) if first else None
        session = self.sessions[key]
        client = client_of(session["context"])
        utm = json.loads(session["first_utm"] or "{}")
        return {
            "began": events[0]["occurred_at"],
            "views": len(pages),
            "entry_page": pages[0] if pages else "",
            "exit_page": pages[-1] if pages else "",
            "referrer": found.referrer if found else "",
            "campaign": utm.get("campaign", ""),
            "browser": client.browser,
            "screen": client.screen,
            "language": client.language,
            "time_zone": client.time_zone,
            "country": session["country"] or "",
        }

    @staticmethod
    def page(event: dict[str, Any]) -> str | None:
        if event["type"] != "page-view" or event["bot"] or not event["session_id"]:
            return None
        return str(json.loads(event["context"])["page"]["path"])

    def overview(self, asked: Range, filters: dict[str, str]) -> dict[str, Any]:
        start, end = asked.times
        of_visits = {n: v for n, v in filters.items() if n not in ("type", "page")}
        matching = {
            key: visit
            for key, visit in self.visits.items()
            if all(visit[name] == value for name, value in of_visits.items())
        }
        events = [e for e in self.events if start <= e["occurred_at"] < end]
        if "type" in filters:
            events = [e for e in events if e["type"] == filters["type"]]
        if "page" in filters:
            events = [e for e in events if self.page(e) == filters["page"]]
        bots = [e for e in events if e["bot"] and not of_visits]
        events = [e for e in events if not e["bot"]]
        if of_visits:
            events = [e for e in events if (e["source_id"], e["session_id"]) in matching]
        seen = [e for e in events if e["session_id"]]
        active = {(e["source_id"], e["session_id"]) for e in seen}
        length = LENGTHS[asked.grain]
        if len(filters) > len(of_visits):
            sessions = [self.visits[key] for key in active]
            begun = [(e["occurred_at"][:length], e["source_id"], e["session_id"]) for e in seen]
            by_period = Counter(period for period, _, _ in set(begun))
        else:
            sessions = [v for v in matching.values() if start <= v["began"] < end]
            by_period = Counter(v["began"][:length] for v in sessions)
        visitors = {(e["occurred_at"][:length], e["source_id"], e["profile_id"]) for e in seen}
        pages = [(e["occurred_at"][:length], page) for e in seen if (page := self.page(e))]
        tops = {
            KIND_OF[name]: Counter(visit[name] for visit in sessions)
            for name in FILTERS
            if name not in ("type", "page")
        }
        tops["types"] = Counter(e["type"] for e in events)
        tops["pages"] = Counter(page for _, page in pages)
        return {
            "visitors": len({(source, profile) for _, source, profile in visitors}),
            "sessions": len(sessions),
            "events": len(events),
            "page_views": len(pages),
            "bounces": sum(v["views"] <= 1 for v in sessions),
            "bots": len(bots),
            "points": {
                "visitors": Counter(period for period, *_ in visitors),
                "sessions": by_period,
                "events": Counter(e["occurred_at"][:length] for e in events),
                "page_views": Counter(period for period, _ in pages),
            },
            "tops": {kind: dict(counter) for kind, counter in tops.items()},
        }


def read(counted: Counted, question: Question, **options: Any) -> Overview:
    with (
        closing(store.connect_readonly(counted.path)) as connection,
        reports.up_to_date(connection),
    ):
        return finish(read_overview(connection, question, **options))


def plain(found: Overview) -> dict[str, Any]:
    names = ("visitors", "sessions", "events", "page_views")
    return {
        **{name: getattr(found, name) for name in (*names, "bounces", "bots")},
        "points": {
            name: Counter({p.period: getattr(p, name) for p in found.points if getattr(p, name)})
            for name in names
        },
        "tops": {kind: dict(top.rows) for kind, top in found.tops.items()},
    }


def check(counted: Counted, asked: Range, filters: dict[str, str], sources: list[int]) -> None:
    ids = [counted.sources[number] for number in sources]
    question = Question(asked, ids, filters)
    found = read(counted, question, limit=1000)
    assert plain(found) == Rows(counted.path, ids).overview(asked, filters)
    # The same numbers, with nothing else.
    alone = read(counted, question, limit=0, details=False)
    assert alone.points == found.points
    assert (alone.visitors, alone.sessions, alone.bounces, alone.bots) == (
        found.visitors, found.sessions, found.bounces, found.bots
    )  # fmt: skip


def some_range(rng: random.Random) -> Range:
    back = rng.choice([0, 0, 1, 40])
    if rng.random() < 0.7:
        found = named_range(rng.choice(NAMED), at(hour=rng.randrange(5), back=back))
    else:
        last = TODAY - timedelta(days=rng.choice([0, 1, 39]))
        found = custom_range(last - timedelta(days=rng.choice([0, 1, 45, 130])), last)
    return found.before() if rng.random() < 0.3 else found


def some_filters(rng: random.Random) -> dict[str, str]:
    names = rng.sample(FILTERS, rng.choice([0, 0, 1, 1, 1, 2, 3]))
    return {name: rng.choice(VALUES[name]) for name in names}


def send_some(counted: Counted, rng: random.Random) -> None:
    """A request of any visitor. Some are late, some are programs, some have no session, some are of a
    run of tests."""
    back = rng.choice([0, 0, 0, 1, 7, 40, 70, 200])
    received = at(rng.randrange(5), rng.randrange(60), back)
    events = [
        Sent(
            str(rng.randrange(10**6)),
            iso(received - timedelta(minutes=rng.choice([-4, 0, 0, 1, 59, 60 * 30]))),
            (rng.choice(PATHS), rng.choice(REFERRERS)) if rng.random() < 0.6 else None,
            "1",
        )
        for _ in range(rng.randint(1, 3))
    ]
    counted.send(
        events,
        rng.randrange(2),
        session=rng.choice([None, *"abcdefgh"]),
        received=iso(received),
        bot=rng.random() < 0.15,
        client=rng.choice(CLIENTS),
        campaign=rng.choice([None, None, "spring", "autumn"]),
        run=rng.choice([None, None, None, "r1"]),
        country=rng.choice([None, "GB", "PL"]),
    )


def change_some(counted: Counted, rng: random.Random) -> None:
    """Whatever else happens to a database."""
    what = rng.random()
    if what < 0.1:
        roll_up(counted)
    elif what < 0.2:
        counted.writer.read_uncounted(rng.randint(1, 4))
    elif what < 0.25:
        counted.writer.write_counts()
    elif what < 0.28:
        profiles = counted.admin.execute(
            "SELECT id FROM profiles ORDER BY first_seen_at"
        ).fetchall()
        store.forget_profile(counted.admin, rng.choice(profiles)[0])


@pytest.mark.parametrize("seed", range(8))
def test_overviews_equal_a_count_over_the_rows(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with closing(Counted(tmp_path / "x.db")) as counted:
        for turn in range(60):
            send_some(counted, rng)
            change_some(counted, rng)
            if turn < 20:
                continue
            check(counted, some_range(rng), some_filters(rng), rng.choice([[0], [1], [0, 1]]))
        if seed % 2:
            roll_up(counted)
        for _ in range(30):
            check(counted, some_range(rng), some_filters(rng), rng.choice([[0], [1], [0, 1]]))


def run(counted: Counted, query: str) -> list[tuple[Any, ...]]:
    with closing(store.connect_readonly(counted.path)) as connection:
        return [tuple(row) for row in connection.execute(query)]


@pytest.mark.parametrize("seed", range(4))
def test_the_queries_that_are_shown_make_the_same_numbers(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    with closing(Counted(tmp_path / "x.db")) as counted:
        for _ in range(60):
            send_some(counted, rng)
        roll_up(counted)
        for _ in range(25):
            sources = rng.choice([None, counted.sources[:1], counted.sources])
            question = Question(some_range(rng), sources, some_filters(rng))
            found, queries = read(counted, question, limit=2), queries_of(question, 2)
            for name in ("visitors", "sessions", "events", "page_views", "bounces"):
                assert run(counted, queries[name]) == [(getattr(found, name),)]
            for name in MEASURES:
                points = {p.period: getattr(p, name) for p in found.points if getattr(p, name)}
                assert dict(run(counted, queries[f"{name} by period"])) == points
            for kind, top in found.tops.items():
                assert run(counted, queries[kind]) == top.rows
            if not set(question.filters) - {"type"}:
                assert run(counted, queries["bots"]) == [(found.bots,)]


def test_a_clock_that_is_ahead_hides_no_event(tmp_path: Path) -> None:
    """Up to five minutes, a sender's clock is believed."""
    with closing(Counted(tmp_path / "x.db")) as counted:
        received = iso(at(0, 58))
        counted.send([Sent("1", iso(at(1, 2)), ("/", ""), "1")], received=received)
        found = read(counted, Question(Range("30min", at(1, 0), at(1, 30), "minute")))
        assert (found.visitors, found.events, found.sessions) == (1, 1, 1)


def states(counted: Counted, sources: list[str] | None = None) -> list[SourceState]:
    with (
        closing(store.connect_readonly(counted.path)) as connection,
        reports.up_to_date(connection),
    ):
        return source_states(connection, sources)


def test_sources_say_how_they_are(tmp_path: Path) -> None:
    now = datetime.now(UTC)
    with closing(Counted(tmp_path / "x.db")) as counted:
        ids = counted.sources
        assert [(s.source_id, s.state) for s in states(counted)] == [(i, "waiting") for i in ids]
        counted.send([Sent("1", iso(now), None, "1")], received=iso(now), bot=True)
        counted.send([Sent("2", iso(now - timedelta(hours=26)), None, "1")], 1)
        found = states(counted)
        assert [s.state for s in found] == ["live", "quiet"]
        assert [s.events for s in found] == [1, 0]
        assert found[0].hours[-1] == 1
        assert found[1].last_event_at == iso(now - timedelta(hours=26))
        refused = Rejection(0, "3", "invalid", "/price: -1", "buy", "{}")
        counted.send([], rejected=(refused,))
        roll_up(counted)
        (failing,) = states(counted, ids[:1])
        assert (failing.state, failing.rejected, failing.rejected_part) == ("failing", 1, 0.5)
        store.update_source(Database(counted.admin), ids[0], {"enabled": False})
        assert [s.state for s in states(counted)] == ["disabled", "quiet"]


def test_visitors_of_the_last_minutes_are_live(tmp_path: Path) -> None:
    now = at(12)
    with closing(Counted(tmp_path / "x.db")) as counted:
        for number, (minutes, session, source, bot) in enumerate(
            [(0, "a", 0, False), (4, "a", 1, False), (4, "b", 0, False), (6, "c", 0, False),
             (0, "d", 0, True), (0, None, 0, False)]
        ):  # fmt: skip
            received = iso(now - timedelta(minutes=minutes))
            event = Sent(str(number), received, None, "1")
            counted.send([event], source, session=session, received=received, bot=bot)
        with closing(store.connect_readonly(counted.path)) as connection:
            assert live_now(connection, None, now) == 3
            assert live_now(connection, counted.sources[:1], now) == 2
            assert live_now(connection, [], now) == 0


def test_values_in_queries_are_quoted(tmp_path: Path) -> None:
    with closing(Counted(tmp_path / "x.db")) as counted:
        filters = {"type": "a'b", "page": "'", "campaign": "'; DROP TABLE events; --"}
        for query in queries_of(Question(named_range("7d"), ["'"], filters)).values():
            run(counted, query)


def test_an_unknown_filter_is_refused(tmp_path: Path) -> None:
    with (
        closing(Counted(tmp_path / "x.db")) as counted,
        pytest.raises(StoreError, match="There is no filter colour"),
    ):
        read(counted, Question(named_range("7d"), filters={"colour": "red"}))
