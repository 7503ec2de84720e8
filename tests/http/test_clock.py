"""A machine's clock that is wrong by years, and is put right.

Nothing in a collector remembers the time but its database, so shifting all times of the database
back is a clock that goes ahead.
"""

from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlite_utils import Database

from collector import store
from collector.event.timestamps import now
from collector.event.types import Event, Payload, Rejection
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest
from collector.writer.group import Writer

from ..support import Collector, run, wait_for

TIMES = {
    "request_rows": ("received_at",),
    "event_rows": ("occurred_at",),
    "session_rows": ("first_seen_at",),
    "profile_rows": ("first_seen_at",),
    "rejected": ("received_at", "last_seen_at"),
    "clock_marks": ("at",),
}


def shift(db: Path, by: str) -> None:
    """Moves the database in time, as in `-10 years`."""
    with closing(store.connect(db)) as connection, store.transaction(connection):
        for table, columns in TIMES.items():
            for column in columns:
                connection.execute(
                    f"UPDATE {table} SET {column} = strftime('%Y-%m-%dT%H:%M:%fZ', {column}, ?)"
                    f" WHERE {column} <> ''",
                    [by],
                )


def fill(collector: Collector) -> str:
    """A source with a retention, events and rejected events."""
    source = collector.add_source(retention_days=30)
    for name in ("a", "b"):
        send(collector, source, name)
        collector.post({"source": {"id": source}, "events": [{"properties": {"id": name}}]})
    return source


def send(collector: Collector, source: str, name: str, session: str = "s") -> Any:
    events = [{"id": name, "type": "a"}]
    body = {"source": {"id": source}, "session": {"id": session}, "events": events}
    answer = collector.post(body)
    assert answer.status_code == 200
    return answer.json()


def restart(collector: Collector, by: str) -> None:
    """Starts it at another time, and waits until the writer has removed what it removes."""
    assert collector.stop() == 0
    shift(collector.db, by)
    collector.start()
    assert collector.post({"source": {"id": collector.add_source()}, "events": []}).is_success


def warnings(collector: Collector) -> list[str]:
    ready = httpx.get(f"{collector.url}/ready")
    assert ready.status_code == 200
    return list(ready.json()["warnings"])


def gauge(collector: Collector) -> str:
    text = httpx.get(f"{collector.url}/metrics").text
    return next(
        (
            line.rpartition(" ")[2]
            for line in text.splitlines()
            if line.startswith("thamesthrive_retention_paused")
        ),
        "",
    )


def test_a_clock_ten_years_ahead_removes_nothing(collector: Collector) -> None:
    source = fill(collector)
    restart(collector, "-10 years")
    wait_for(lambda: gauge(collector) == "1.0", "the metric")
    (warning,) = warnings(collector)
    assert "thamesthrive db clock --accept" in warning
    assert sum(warning in line for line in collector.log) == 1
    doctor = run("doctor", "--db", str(collector.db), "--port", "0").stdout
    assert "days after the collector last ran" in doctor
    send(collector, source, "meanwhile")
    restart(collector, "+0 days")
    assert [row["id"] for row in collector.events(source)] == ["a", "b", "meanwhile"]
    assert collector.counts()["rejected"] == 2
    # And it is put right.
    restart(collector, "+10 years")
    wait_for(lambda: gauge(collector) == "0.0", "the metric")
    assert warnings(collector) == []
    send(collector, source, "after")
    found = collector.events(source)
    assert [row["id"] for row in found] == ["a", "b", "meanwhile", "after"]
    assert len({row["profile_id"] for row in found}) == 1


def test_a_collector_that_was_off_for_a_year_goes_on_when_its_owner_says_so(
    collector: Collector,
) -> None:
    source = fill(collector)
    restart(collector, "-1 year")
    wait_for(lambda: warnings(collector), "the warning")
    asked = run("db", "clock", "--db", str(collector.db))
    assert asked.returncode == 1
    assert "days after the collector last ran" in asked.stderr
    assert run("db", "clock", "--accept", "--db", str(collector.db)).returncode == 0
    assert warnings(collector) == []
    send(collector, source, "new", session="new")
    restart(collector, "+0 days")
    wait_for(lambda: len(collector.events(source)) == 1, "the old events to go")
    wait_for(lambda: collector.counts()["rejected"] == 0, "the rejected events to go")
    assert [row["id"] for row in collector.events(source)] == ["new"]
    sessions = collector.rows("SELECT id FROM sessions WHERE source_id = ?", source)
    assert [row["id"] for row in sessions] == ["new"]


def test_a_collector_that_was_off_for_some_days_asks_nobody(collector: Collector) -> None:
    source = fill(collector)
    collector.stop()
    for _ in range(6):
        shift(collector.db, "-6 days")
        collector.start()
        assert warnings(collector) == []
        collector.stop()
    assert collector.events(source) == []


def test_a_clock_ten_years_behind_loses_nothing(collector: Collector) -> None:
    source = fill(collector)
    restart(collector, "+10 years")
    meanwhile = send(collector, source, "meanwhile")
    assert meanwhile["events"] == ["meanwhile"]
    doctor = run("doctor", "--db", str(collector.db), "--port", "0").stdout
    assert "days before a time at which the collector has run" in doctor
    # And it is put right.
    restart(collector, "-10 years")
    send(collector, source, "after")
    restart(collector, "+0 days")
    found = collector.events(source)
    assert [row["id"] for row in found] == ["a", "b", "meanwhile", "after"]
    assert len({row["profile_id"] for row in found}) == 1
    assert warnings(collector) == []


class Shop:
    """A database with one source, and its writer."""

    def __init__(self, db: Path) -> None:
        self.db = db
        store.migrate(db)
        with closing(store.connect(db)) as connection:
            database = Database(connection)
            self.source = store.add_source(database, "Shop", retention_days=30).id

    def send(self, name: str) -> None:
        events = (Event(0, name, "a", now(), "{}", "{}"),)
        rejected = (Rejection(0, name, "invalid", "", None, "{}"),)
        payload = Payload(self.source, name, events=events, rejected=rejected)
        with closing(Writer(self.db)) as writer:
            writer.write([WriteRequest(self.source, uuid7(), now(), SenderInfo(), payload)])

    def later(self, days: int) -> None:
        """So many days later; its collector has run meanwhile."""
        for _ in range(0, days, 5):
            shift(self.db, "-5 days")
            self.expire()

    def expire(self) -> None:
        with closing(Writer(self.db)) as writer:
            while writer.expire_rows():
                pass

    def left(self, table: str = "events") -> set[str]:
        column = "event_id" if table == "rejected" else "id"
        with closing(store.connect_readonly(self.db)) as connection:
            return {row[0] for row in connection.execute(f"SELECT {column} FROM {table}")}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "events.db")


@pytest.mark.parametrize(
    ("wrong", "right"), [("-10 years", "+10 years"), ("+10 years", "-10 years")]
)
def test_what_came_while_the_clock_was_wrong_expires_in_its_time(
    shop: Shop, wrong: str, right: str
) -> None:
    shop.send("before")
    shop.expire()
    shift(shop.db, wrong)
    shop.expire()
    shop.send("meanwhile")
    shop.expire()
    shift(shop.db, right)
    shop.later(25)
    shop.send("after")
    for table in ("events", "rejected", "sessions"):
        assert shop.left(table) == {"before", "meanwhile", "after"}
    shop.later(15)
    for table in ("events", "rejected", "sessions"):
        assert shop.left(table) == {"after"}


def test_a_wrong_time_that_was_accepted_can_be_taken_back(shop: Shop) -> None:
    shop.send("before")
    shop.expire()
    shift(shop.db, "+10 years")
    assert run("db", "clock", "--db", str(shop.db)).returncode == 1
    assert run("db", "clock", "--accept", "--db", str(shop.db)).returncode == 0
    shop.send("now")
    shop.later(40)
    assert shop.left() == set()


def test_marks_do_not_grow_without_end(shop: Shop) -> None:
    shop.send("a")
    shop.later(200)
    with closing(store.connect_readonly(shop.db)) as connection:
        (marks,) = connection.execute("SELECT count(*) FROM clock_marks").fetchone()
    assert 6 <= marks <= 9
