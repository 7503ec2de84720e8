"""How large the database is, what it will be, and what the collector does."""

import json
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlite_utils import Database

from collector import metrics, store
from collector.counters import SharedMemory
from collector.doctor import examine
from collector.event.timestamps import iso
from collector.event.types import Event, Payload
from collector.ipc import SenderInfo, WriteRequest
from collector.settings import load_settings
from collector.writer.group import Writer

from ..support import run


def fill(path: Path, source: str, events_by_age: dict[int, int]) -> None:
    """Stores events that came so many days ago."""
    with closing(Writer(path)) as writer:
        for days, number in events_by_age.items():
            at = iso(datetime.now(UTC) - timedelta(days=days))
            events = tuple(
                Event(n, f"{days}-{n}", "a", at, '{"text": "' + "x" * 500 + '"}', "{}")
                for n in range(number)
            )
            payload = Payload(source, session_id=f"s{days}", events=events)
            sender = SenderInfo(None, None, False)
            (result,) = writer.write(
                [WriteRequest(
                    number=1, source_id=source, request_id=f"r{days}", received_at=at,
                    sender=sender, payload=payload, static_profiles=False, profile_scope="",
                    rate_limit=None, quota_mb=None,
                )]
            )  # fmt: skip
            assert result.refused is None


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    store.migrate(path)
    return path


def size_of(path: Path) -> store.DatabaseSize:
    with closing(store.connect_readonly(path)) as connection:
        return store.database_size(connection)


def add_source(path: Path, **options: int) -> str:
    with closing(store.connect(path)) as connection:
        return store.add_source(Database(connection), "A", **options).id


def test_the_forecast_is_made_from_the_days_before_today(db: Path) -> None:
    source = add_source(db)
    fill(db, source, {40: 100, 20: 600, 3: 700, 0: 5000})
    found = size_of(db)
    assert found.events == 6400
    assert {(one.table, one.rows, one.exact) for one in found.rows} == {
        ("events", 6400, True), ("sessions", 4, False), ("profiles", 4, False),
        ("rejected", 0, True), ("audit", 1, True),
    }  # fmt: skip
    assert found.sizes.database == db.stat().st_size
    assert found.sizes.log == db.with_name("x.db-wal").stat().st_size
    assert found.bytes_per_event
    assert found.bytes_per_event * 6400 == found.sizes.database - found.sizes.reusable
    week, month = found.forecasts
    assert (week.days, week.added, week.leaving) == (7, 100, 0)
    assert (month.days, month.added) == (30, 1300 / 30)
    assert week.bytes_a_day == round(100 * found.bytes_per_event)
    free = found.sizes.free + found.sizes.reusable
    assert week.days_left in (free // week.bytes_a_day, None)


def test_a_young_database_has_grown_on_the_days_that_it_is_old(db: Path) -> None:
    fill(db, add_source(db), {2: 600, 1: 600})
    assert [one.added for one in size_of(db).forecasts] == [600, 600]


def test_what_expires_is_not_growth(db: Path) -> None:
    source = add_source(db, retention_days=30)
    fill(db, source, {28: 700, 3: 700, 1: 7})
    week, month = size_of(db).forecasts
    assert (week.added, week.leaving) == (101, 100)
    assert week.bytes_a_day == round(1 * (size_of(db).bytes_per_event or 0))
    assert (month.added, month.leaving) == (1407 / 28, 1400 / 28)


def test_a_database_that_loses_more_than_comes_never_fills_the_disk(db: Path) -> None:
    source = add_source(db, retention_days=30)
    fill(db, source, {29: 2000, 1: 1})
    week, _ = size_of(db).forecasts
    assert (week.bytes_a_day, week.days_left) == (0, None)


def test_without_many_events_there_is_no_forecast(db: Path) -> None:
    assert size_of(db).forecasts == []
    fill(db, add_source(db), {1: 999})
    assert (size_of(db).events, size_of(db).forecasts) == (999, [])
    printed = run("db", "size", "--db", str(db))
    assert "events            999" in printed.stdout
    assert printed.stderr == "There is no forecast yet: it needs 1,000 counted events.\n"


def test_the_command_shows_sizes_and_forecasts(db: Path) -> None:
    fill(db, add_source(db), {1: 1200})
    printed = run("db", "size", "--db", str(db)).stdout
    assert "events            1,200" in printed
    assert "as in 7 days" in printed
    found = json.loads(run("db", "size", "--json", "--db", str(db)).stdout)
    assert found["forecasts"][0]["added"] == 1200


def test_the_load_is_that_of_all_processes() -> None:
    """As a process reads it that counts nothing itself."""
    memory = SharedMemory.create(3)
    before = metrics._process.counters
    try:
        metrics.share(memory, 0)
        for _ in range(98):
            metrics.count_commit(0.0007, 3)
        metrics.count_commit(0.03, 3)
        metrics.count_commit(9.0, 3)
        metrics.show_waiting(4, 1000, 0.5)
        metrics.share(memory, 1)
        metrics.show_waiting(2, 500, 0.25)
        metrics.show_connections(7, 0)
        metrics.share(memory, 2)
        load = metrics.load()
        rendered = metrics.render({}).decode()
    finally:
        metrics._process.counters = before
    assert (load.commits, load.events_per_commit) == (100, 3)
    assert load.commit_seconds
    half, most, nearly_all = load.commit_seconds
    assert 0 < half <= most <= 0.001
    assert 0.025 < nearly_all <= 0.05
    assert (load.requests, load.request_seconds) == (0, None)
    assert (load.waiting, load.waiting_bytes, load.oldest_waiting, load.connections) == (
        6, 1500, 0.5, 7,
    )  # fmt: skip
    assert "thamesthrive_commit_seconds_count 100.0" in rendered


def test_the_collector_examines_everything_but_its_own_port(db: Path) -> None:
    settings = load_settings({"db": db, "port": 1})
    inside = [finding.check for finding in examine(settings, from_collector=True)]
    outside = [finding.check for finding in examine(settings)]
    assert [check for check in outside if check not in inside] == ["port"]
    printed = json.loads(run("doctor", "--db", str(db), "--port", "1", "--json").stdout)
    assert [row["check"] for row in printed] == outside


def test_a_database_that_is_being_counted_has_a_size(db: Path) -> None:
    fill(db, add_source(db), dict.fromkeys(range(1, 5), 400))
    with closing(store.connect(db)) as connection:
        # As after an upgrade: numbers far beyond what is counted.
        connection.execute("UPDATE sqlite_sequence SET seq = 300000 WHERE name = 'event_rows'")
        connection.execute("UPDATE event_rows SET seq = seq + 300000")
    found = size_of(db)
    assert (found.events, found.forecasts) == (None, [])
    assert ("events", False) in {(one.table, one.exact) for one in found.rows}
