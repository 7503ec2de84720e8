"""What Explore finds equals a count by hand over the rows, on both of its ways, and the statement
that it shows finds the same."""

import json
import math
import random
import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import StoreError
from collector.event.timestamps import iso
from collector.event.types import Event, Payload
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest
from collector.store import selection
from collector.store.conditions import parse_condition
from collector.store.explore import MEASURES, OF_NUMBERS, Exploration, Query, exploration
from collector.store.explore_sql import sql_of
from collector.store.json_values import JsonPath, inlined
from collector.store.selection import Selection
from collector.writer.group import Writer

START = datetime(2026, 9, 14, tzinfo=UTC)
DAYS = 70
EVENTS = 900
VALUES: tuple[Any, ...] = (
    "pro", "free", "", "10", 10, 10.0, 10.5, -3, 0.1, 7e20, True, False, None, "true", "null",
    [1, 2], {"x": 1}, "it's", 'say "hi"', "a\\b", "ünïcode", "x" * 300, "(other)", "line\nbreak",
)  # fmt: skip
KEYS = ("plan", "we'ird", 'quo"te', "a.b", "back\\slash", "ключ", "$", "[0]", "0", "", "?", "type")
CONDITIONS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "price>50": lambda event: is_number(price_of(event)) and price_of(event) > 50,
    "price!=7": lambda event: "price" in event["properties"] and price_of(event) != 7,
    "plan=pro": lambda event: event["properties"].get("plan") == "pro",
    "context.page.path=/b": lambda event: event["context"].get("page", {}).get("path") == "/b",
    "cart.items>=2": lambda event: event["properties"].get("cart", {}).get("items", 0) >= 2,
}


def price_of(event: dict[str, Any]) -> Any:
    return event["properties"].get("price")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


# Events of runs of tests are left out of everything.
NORMAL = "SELECT * FROM events WHERE run IS NULL"


class History:
    """A database with events of some weeks, of which the rollups know most."""

    def __init__(self, path: Path, *, scopes: bool = True) -> None:
        """`scopes`: the sources do not share profiles, and so know the same ids each."""
        self.path = path
        self.scopes = scopes
        self._random = random.Random(14)
        store.migrate(path)
        with closing(store.connect(path)) as connection:
            database = Database(connection)
            self.sources = [store.add_source(database, f"Source {n}").id for n in range(3)]
        with closing(Writer(path)) as writer:
            times = sorted(self._random.randrange(DAYS * 86_400) for _ in range(EVENTS // 3))
            for number, seconds in enumerate(times):
                # Some come late.
                late = self._random.random() < 0.1
                at = START + timedelta(seconds=self._random.randrange(seconds) if late else seconds)
                arrival = START + timedelta(days=1, seconds=seconds)
                tested = self.request(at, arrival)
                tested.run = "r1"
                writer.write([self.request(at, arrival), tested])
                if number == EVENTS // 4:
                    while writer.read_uncounted(1000):
                        pass
                    assert writer.write_counts()
        with closing(store.connect_readonly(path)) as connection:
            self.events = [dict(row) for row in connection.execute(NORMAL)]
            self.campaigns = {
                (row["id"], row["source_id"]): json.loads(row["first_utm"] or "{}").get("campaign")
                for row in connection.execute("SELECT * FROM sessions")
            }
        for event in self.events:
            for column in ("properties", "context"):
                event[column] = json.loads(event[column])
        assert len(self.events) == EVENTS

    def request(self, at: datetime, arrival: datetime) -> WriteRequest:
        """Three events of about a time."""
        rand = self._random
        source = rand.choice(self.sources)
        session = rand.choice([None, *"abcdefgh"])
        events = tuple(self._event(index, at) for index in range(3))
        payload = Payload(
            source,
            session_id=session,
            profile_id=rand.choice(["ann", "bob", "cat", "dan"]) if session else None,
            events=events,
            utm=json.dumps({"campaign": rand.choice(["spring", "it's", "🍀"])})
            if rand.random() < 0.5
            else None,
            anonymous=session is None,
        )
        sender = SenderInfo(bot=rand.random() < 0.1)
        request = WriteRequest(source, uuid7(), iso(arrival), sender, payload)
        request.static_profiles = True
        if self.scopes:
            request.profile_scope = f"group:{self.sources.index(source)}"
        return request

    def _event(self, index: int, at: datetime) -> Event:
        rand = self._random
        properties: dict[str, Any] = {"plan": rand.choice(["pro", "free"])}
        for key in rand.sample(KEYS, 3):
            properties[key] = rand.choice(VALUES)
        if rand.random() < 0.7:
            properties["price"] = rand.choice(
                [rand.randrange(100), rand.randrange(10_000) / 100, "12", 1e13, -5.1234567]
            )
        properties["cart"] = {"items": rand.randrange(4), 'qu"ote': rand.choice(["x", "y"])}
        context = {"page": {"path": rand.choice(["/", "/b", "/c"])}} if rand.random() < 0.8 else {}
        at += timedelta(milliseconds=rand.randrange(10_000))
        return Event(
            index,
            uuid7(),
            rand.choice(["page-view", "order", "it's", "🛒"]),
            iso(at),
            json.dumps(properties, ensure_ascii=rand.random() < 0.5),
            json.dumps(context),
        )

    def found(self, query: Query) -> list[tuple[Any, ...]]:
        """What the library finds: period, group, whether it is the rest, value."""
        with (
            closing(store.connect_readonly(self.path)) as connection,
            exploration(connection, query) as found,
        ):
            for done, total in found.steps():
                assert 0 < done <= total
            return [tuple(row) for row in found.rows()]

    def by_sql(self, query: Query) -> list[tuple[Any, ...]]:
        """What the statement finds, in a client that knows nothing of us."""
        with closing(sqlite3.connect(self.path)) as connection:
            return connection.execute(sql_of(query)).fetchall()


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> History:
    return History(tmp_path_factory.mktemp("explore") / "x.db")


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> History:
    """A history of sources that share their profiles."""
    return History(tmp_path_factory.mktemp("shared") / "x.db", scopes=False)


@pytest.fixture(autouse=True)
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(selection, "WINDOW_ROWS", 41)


def value_at(event: dict[str, Any], path: JsonPath) -> Any:
    """The value, or the function `value_at` itself where there is none."""
    found = event[path.column]
    for key in path.keys:
        if isinstance(found, dict) and key in found:
            found = found[key]
        elif isinstance(found, list) and key.isdigit() and int(key) < len(found):
            found = found[int(key)]
        else:
            return value_at
    return found


def label_of(value: Any) -> str | None:
    if value is value_at:
        return None
    if isinstance(value, float):
        is_whole = value.is_integer() and abs(value) < 1e15
        return str(int(value)) if is_whole else {7e20: "7.0e+20"}.get(value, str(value))
    text = value if isinstance(value, str) else json.dumps(value, separators=(",", ":"))
    return text[:200]


def period_of(at: str, interval: str | None) -> str | None:
    if interval == "week":
        day = datetime.fromisoformat(at).date()
        return str(day - timedelta(days=day.weekday()))
    return at[: {"hour": 13, "day": 10, "month": 7}[interval]] if interval else None


def by_hand(
    history: History, query: Query, tests: list[Callable[[dict[str, Any]], bool]]
) -> list[tuple[Any, ...]]:
    """The same, by looking at each event."""
    wanted = query.selection
    cells: dict[tuple[Any, Any], list[Any]] = defaultdict(list)
    groups: dict[Any, list[Any]] = defaultdict(list)
    for event in history.events:
        if not (
            (not wanted.types or event["type"] in wanted.types)
            and (wanted.sources is None or event["source_id"] in wanted.sources)
            and (wanted.since is None or event["occurred_at"] >= wanted.since)
            and (wanted.until is None or event["occurred_at"] < wanted.until)
            and all(test(event) for test in tests)
        ):
            continue
        item = event["profile_id"] if query.measure == "visitors" else 1
        if query.measure == "visitors" and (event["bot"] or event["profile_id"] is None):
            continue
        if query.number:
            value = value_at(event, query.number)
            if not is_number(value) or abs(value) >= 1e12:
                continue
            item = Fraction(math.floor(abs(value) * 1_000_000 + 0.5), 1_000_000)
            item = math.copysign(1, value) * item if value > 0 else -item
        name: Any = None
        if query.group == "type":
            name = event["type"]
        elif query.group == "source":
            name = event["source_id"]
        elif query.group == "campaign":
            name = history.campaigns.get((event["session_id"], event["source_id"]))
        elif isinstance(query.group, JsonPath):
            name = label_of(value_at(event, query.group))
        cells[period_of(event["occurred_at"], query.interval), name].append(item)
        groups[name].append(item)
    return ranked(cells, groups, query)


def ranked(
    cells: dict[tuple[Any, Any], list[Any]], groups: dict[Any, list[Any]], query: Query
) -> list[tuple[Any, ...]]:
    def rank(name: Any) -> tuple[Any, ...]:
        items = groups[name]
        size: Any = len(items)
        if query.measure == "visitors":
            size = len(set(items))
        elif query.measure == "sum":
            size = sum(map(Fraction, items))
        return (-size, name is not None, (name or "").encode())

    top = sorted(groups, key=rank)[: query.limit]
    rows: dict[tuple[Any, int], list[Any]] = defaultdict(list)
    for (period, name), items in cells.items():
        rows[period, top.index(name) if name in top else len(top)] += items
    return [
        (
            period,
            top[place] if place < len(top) else "(other)",
            place == len(top),
            pytest.approx(measured(query.measure, items), rel=1e-12),
        )
        for (period, place), items in sorted(
            rows.items(), key=lambda row: (row[0][0] or "", row[0][1])
        )
    ]


def measured(measure: str, items: list[Any]) -> float:
    if measure == "count":
        return len(items)
    if measure == "visitors":
        return len(set(items))
    ordered = sorted(map(Fraction, items))
    if measure == "sum":
        return float(sum(ordered))
    if measure == "avg":
        return float(sum(ordered) / len(ordered))
    if measure == "median":
        return float((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2)
    return float(ordered[math.ceil(len(ordered) * 0.95) - 1])


def random_query(
    history: History, rand: random.Random
) -> tuple[Query, list[Callable[[dict[str, Any]], bool]]]:
    """Any measure, any group, any filters."""
    conditions = rand.sample([*CONDITIONS], rand.choice([0, 0, 1, 2]))
    first, length = rand.randrange(DAYS), rand.randrange(1, DAYS)
    whole = START + timedelta(days=first, hours=rand.choice([0, 0, 5]))
    ends = (whole, whole + timedelta(days=length, minutes=rand.choice([0, 0, 17])))
    since, until = (iso(end) if rand.random() < 0.7 else None for end in ends)
    measure = rand.choice(MEASURES)
    groups: list[Any] = [None, "type", "source", "campaign", JsonPath("context", ("page", "path"))]
    groups += [JsonPath("properties", (key,)) for key in KEYS]
    groups += [JsonPath("properties", ("cart", key)) for key in ("items", 'qu"ote')]
    query = Query(
        Selection(
            rand.choice([None, (history.sources[0],), tuple(history.sources[1:])]),
            tuple(
                rand.sample(["page-view", "order", "it's", "🛒", "never"], rand.choice([0, 1, 2]))
            ),
            since,
            until,
            tuple(map(parse_condition, conditions)),
        ),
        measure,
        JsonPath("properties", rand.choice([("price",), ("cart", "items")]))
        if measure in OF_NUMBERS
        else None,
        rand.choice(groups),
        rand.choice([None, "hour", "day", "week", "month"]),
        rand.choice([1, 3, 100]),
    )
    return query, [CONDITIONS[text] for text in conditions]


@pytest.mark.parametrize("seed", range(60))
def test_random_questions_are_answered_as_by_hand(history: History, seed: int) -> None:
    query, tests = random_query(history, random.Random(seed))
    found = history.found(query)
    assert found == by_hand(history, query, tests)
    assert history.by_sql(query) == [(row[0], row[1], row[3]) for row in found]


@pytest.mark.parametrize("key", KEYS)
def test_any_key_can_be_grouped_by(history: History, key: str) -> None:
    query = Query(group=JsonPath("properties", (key,)), limit=100)
    found = history.found(query)
    assert len(found) > 5
    assert found == by_hand(history, query, [])
    assert history.by_sql(query) == [(row[0], row[1], row[3]) for row in found]


COUNTED = [
    Query(Selection(types=types, since=since, until=until), group=group, interval=interval)
    for types in ((), ("order", "it's"))
    for since, until in (
        (None, None),
        ("2026-09-20T00:00:00.000Z", "2026-11-11T00:00:00.000Z"),
        ("2026-09-20T05:00:00.000Z", "2026-09-20T23:00:00.000Z"),
        ("2026-09-29T07:00:00.000Z", "2026-11-01T00:00:00.000Z"),
        ("2026-10-31T23:00:00.000Z", None),
    )
    for group in (None, "type", "source")
    for interval in (None, "hour", "day", "week", "month")
]


def test_what_the_rollups_know_equals_what_the_rows_say(history: History) -> None:
    for query in COUNTED:
        with closing(store.connect_readonly(history.path)) as connection:
            with exploration(connection, query) as found:
                assert found.is_counted
                assert [*found.steps()] == []
                counted = found.rows()
            with store.snapshot(connection):
                slow = Exploration(connection, query)
                assert [*slow.steps()]
                assert slow.rows() == counted
        assert [tuple(row) for row in counted] == by_hand(history, query, [])


@pytest.mark.parametrize("ends", [(None, None), (3, 40), (20, 27), (None, 30), (30, None)])
@pytest.mark.parametrize("interval", [None, "day", "week", "month"])
def test_visitors_that_the_rollups_know_equal_those_of_the_rows(
    shared: History,
    monkeypatch: pytest.MonkeyPatch,
    ends: tuple[int | None, int | None],
    interval: str | None,
) -> None:
    monkeypatch.setattr("collector.store.explore_counts.PROFILES", 2)
    since, until = (None if day is None else iso(START + timedelta(days=day)) for day in ends)
    for sources in (None, tuple(shared.sources[:1]), tuple(shared.sources[1:])):
        query = Query(Selection(sources, (), since, until), "visitors", interval=interval)
        with closing(store.connect_readonly(shared.path)) as connection:
            with exploration(connection, query) as found:
                assert found.is_counted
                assert [done for done, _ in found.steps()] == [2, 4]
                counted = [tuple(row) for row in found.rows()]
            with store.snapshot(connection):
                slow = Exploration(connection, query)
                assert [*slow.steps()]
                assert [tuple(row) for row in slow.rows()] == counted
        assert counted == by_hand(shared, query, [])
        assert counted


@pytest.mark.parametrize(
    "change",
    [
        {"measure": "visitors", "interval": "hour"},
        {"measure": "visitors", "group": "source"},
        {"measure": "visitors", "selection": Selection(types=("order",))},
        {"measure": "visitors", "selection": Selection(since="2026-10-01T01:00:00.000Z")},
        {"group": "campaign"},
        {"selection": Selection(since="2026-10-01T00:00:00.001Z")},
        {"selection": Selection(where=(parse_condition("plan=pro"),))},
    ],
)
def test_what_the_rollups_do_not_know_is_not_taken_from_them(
    shared: History, change: dict[str, Any]
) -> None:
    with (
        closing(store.connect_readonly(shared.path)) as connection,
        exploration(connection, replace(Query(), **change)) as found,
    ):
        assert not found.is_counted


def test_ids_that_several_profiles_have_are_not_taken_from_the_rollups(history: History) -> None:
    with (
        closing(store.connect_readonly(history.path)) as connection,
        exploration(connection, Query(measure="visitors")) as found,
    ):
        assert not found.is_counted


def test_types_beyond_those_that_rollups_count_by_name_are_counted_by_rows(
    history: History, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("collector.store.rollups.MAX_VALUES", 2)
    path = tmp_path / "x.db"
    with closing(store.connect_readonly(history.path)) as connection:
        store.backup(connection, path, lambda _, __: None)
    with closing(store.connect(path)) as connection:
        for _ in store.rebuild_rollups(connection):
            pass
    query = Query(group="type", interval="month")
    with closing(store.connect_readonly(path)) as connection:
        with exploration(connection, query) as found:
            assert not found.is_counted
            assert [*found.steps()]
            assert [tuple(row) for row in found.rows()] == by_hand(history, query, [])
        with exploration(connection, replace(query, group=None)) as found:
            assert found.is_counted


def test_an_answer_can_be_read_while_it_grows_and_given_up(history: History) -> None:
    query = Query(group=JsonPath.of("plan"))
    with closing(store.connect_readonly(history.path)) as connection:
        with exploration(connection, query) as found:
            steps = found.steps()
            assert found.rows() == []
            next(steps)
            (early,) = [row.value for row in found.rows() if row.group == "pro"]
            next(steps)
            (later,) = [row.value for row in found.rows() if row.group == "pro"]
            assert 0 < early < later
        assert not connection.in_transaction
        (everything,) = [row[3] for row in history.found(query) if row[1] == "pro"]
        assert later < everything


@pytest.mark.parametrize(
    ("count", "median", "p95"),
    [(1, 1, 1), (2, 1.5, 2), (3, 2, 3), (19, 10, 19), (20, 10.5, 19), (21, 11, 20), (40, 20.5, 38)],
)
def test_quantiles_of_few_numbers(tmp_path: Path, count: int, median: float, p95: float) -> None:
    path = tmp_path / "x.db"
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        source = store.add_source(Database(connection), "Test").id
    at = iso(START)
    events = [Event(n, uuid7(), "a", at, f'{{"n": {count - n}}}', "{}") for n in range(count)]
    payload = Payload(source, events=tuple(events), anonymous=True)
    with closing(Writer(path)) as writer:
        writer.write([WriteRequest(source, uuid7(), at, SenderInfo(), payload)])
    for measure, value in (("median", median), ("p95", p95)):
        query = Query(measure=measure, number=JsonPath.of("n"))
        with closing(store.connect_readonly(path)) as connection:
            with exploration(connection, query) as found:
                assert [*found.steps()]
                assert [row.value for row in found.rows()] == [value]
            assert [row[2] for row in connection.execute(sql_of(query))] == [value]


def test_what_others_store_and_remove_meanwhile_changes_nothing(
    history: History, tmp_path: Path
) -> None:
    path = tmp_path / "x.db"
    with closing(store.connect_readonly(history.path)) as connection:
        store.backup(connection, path, lambda _, __: None)
    store.connect(path).close()  # for its journal, which readers do not wait for
    query = Query(group=JsonPath.of("plan"), limit=100)
    with (
        closing(store.connect_readonly(path)) as connection,
        exploration(connection, query) as found,
    ):
        steps = found.steps()
        next(steps)
        now = START + timedelta(days=DAYS)
        with closing(Writer(path)) as writer:
            writer.write([history.request(now, now)])
        with closing(store.connect(path)) as other:
            assert other.execute("DELETE FROM event_rows WHERE seq > ?", [EVENTS - 100]).rowcount
        assert [*steps]
        assert sum(row.value for row in found.rows()) == EVENTS


@pytest.mark.parametrize("measure", ["count", "p95"])
def test_an_answer_that_is_too_long_says_what_to_do(
    history: History, monkeypatch: pytest.MonkeyPatch, measure: str
) -> None:
    number = JsonPath.of("price") if measure == "p95" else None
    query = Query(Selection(), measure, number, JsonPath.of("plan"), "day", 100)
    rows = len(history.found(query))
    monkeypatch.setattr("collector.store.explore.MAX_ROWS", rows)
    assert len(history.found(query)) == rows
    monkeypatch.setattr("collector.store.explore.MAX_ROWS", rows - 1)
    with pytest.raises(StoreError, match=r"more than .* rows\. Choose a longer interval"):
        history.found(query)


def test_an_interrupt_ends_it(history: History) -> None:
    with closing(store.connect_readonly(history.path)) as connection:
        connection.set_progress_handler(lambda: 1, 1000)
        with (
            pytest.raises(sqlite3.OperationalError, match="interrupted"),
            exploration(connection, Query(group=JsonPath.of("plan"))) as found,
        ):
            list(found.steps())
        connection.set_progress_handler(None, 0)
        assert not connection.in_transaction


def test_an_empty_database_has_no_answer(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store.migrate(path)
    for query in (Query(), Query(measure="visitors", interval="day", group=JsonPath.of("a"))):
        with closing(store.connect_readonly(path)) as connection:
            with exploration(connection, query) as found:
                assert [*found.steps()] == []
                assert found.rows() == []
            assert connection.execute(sql_of(query)).fetchall() == []


def test_only_events_since_a_time_are_read(history: History) -> None:
    """Though they came a day after they happened."""
    since = iso(START + timedelta(days=DAYS - 3))
    query = Query(Selection(since=since), group=JsonPath.of("plan"), limit=100)
    with closing(store.connect_readonly(history.path)) as connection:
        with exploration(connection, query) as found:
            assert sum(row.value for row in found.rows()) == 0
            steps = [*found.steps()]
        assert 0 < len(steps) < EVENTS // 41 / 3
    assert history.found(query) == by_hand(history, query, [])


@pytest.mark.parametrize("key", ["a", "a.b", 'q"', "back\\", "", "0", "ü"])
def test_the_fast_way_to_a_value_is_the_general_one(key: str) -> None:
    """With keys that are written with escapes, keys twice, and what is no object in between."""
    path = JsonPath("properties", (key, "b"))
    inner = [{"b": 1}, {"b": "x"}, {"c": 1}, "text", '{"b": 1}', 1.5, None, [1], {"b": {"c": 1}}]
    texts = [json.dumps({key: value}) for value in inner]
    escaped = "".join(f"\\u{ord(char):04x}" for char in key)
    texts += [f'{{"{escaped}": {{"\\u0062": 7}}}}']
    texts += [f'{{{json.dumps(key)}: {{"x": 1}}, {json.dumps(key)}: {{"b": 2}}}}']
    texts += [f'{{{json.dumps(key)}: {{"b": 1, "b": 2}}}}']
    with closing(sqlite3.connect(":memory:")) as connection:
        for text in texts:
            for make in (path.label, path.number):
                fast, general = (
                    connection.execute(
                        f"SELECT {inlined(make(is_fast=is_fast))} FROM (SELECT ? AS properties)",
                        [text],
                    ).fetchone()
                    for is_fast in (True, False)
                )
                assert fast == general, text


def test_a_path_that_is_none_says_so() -> None:
    for text in ("", ".", "a..b", "a.", "a=b", "a." * 40 + "b"):
        with pytest.raises(StoreError, match="is not a path"):
            JsonPath.of(text)
