"""Events are found by time, visitor and what is in them, however many others there are."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from collector import store
from collector.store.events import WINDOW

COUNT = WINDOW * 2 + 500
SPARSE = (7, 8, WINDOW + 1, WINDOW * 2 + 3)  # the numbers of events with a rare property
LATE = 9001  # the number of a request's first event whose clock was an hour behind


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Events in three windows, one a second and a request, of a visitor for every hundred of them."""
    path = tmp_path_factory.mktemp("search") / "events.db"
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        source = store.add_source(Database(connection), "Shop").id
        numbers = (
            f"WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {COUNT})"
        )
        at = f"strftime('%Y-%m-%dT%H:%M:%S', '2026-11-01', (i - iif(i = {LATE}, 3600, 0)) || ' seconds')"
        visitor = "1 + i / 100"
        with store.transaction(connection):
            connection.execute("INSERT INTO source_keys (id) VALUES (?)", [source])
            connection.execute("INSERT INTO event_types (name) VALUES ('order')")
            for table, columns, values in (
                ("profile_rows", "key, id, first_seen_at", "i, 'p' || i, ''"),
                (
                    "session_rows",
                    "key, source, id, profile, first_seen_at",
                    "i, 1, 's' || i, i, ''",
                ),
            ):
                connection.execute(
                    f"INSERT INTO {table} ({columns}) {numbers} SELECT {values} FROM n"
                    f" WHERE i <= 1 + {COUNT} / 100"
                )
            connection.execute(
                "INSERT INTO request_rows (key, events, source, session, request_id, received_at)"
                f" {numbers} SELECT i, 1, 1, {visitor}, i, {at} || '.000Z' FROM n"
            )
            connection.execute(
                "INSERT INTO event_rows (seq, request, source, type, id, occurred_at, properties)"
                f""" {numbers} SELECT i, i, 1, 1, i, '', '{{"n": ' || i || '}}' FROM n"""
            )
            connection.execute(
                f"UPDATE event_rows SET properties = '{{\"rare\": 1}}' WHERE seq IN {SPARSE}"
            )
    return path, source


@pytest.fixture
def reading(shop: tuple[Path, str]) -> Iterator[sqlite3.Connection]:
    with closing(store.connect_readonly(shop[0])) as connection:
        yield connection


def latest(connection: sqlite3.Connection, count: int, **filters: Any) -> list[int]:
    """The numbers of the latest events, as `events list` finds them."""
    after, before = store.seq_range(connection, **filters)
    first = store.first_of_latest(connection, count, after, before, **filters)
    if not first:
        return []
    found = store.iter_events(connection, after=first - 1, before=before, limit=count, **filters)
    return [event.seq for event in found]


RARE = [store.parse_condition("rare=1")]


@pytest.mark.parametrize("count", range(1, 6))
def test_the_latest_matches_are_found_however_far_back(
    reading: sqlite3.Connection, count: int
) -> None:
    assert latest(reading, count, where=RARE) == [*SPARSE[-count:]]


def test_a_search_reads_no_event_twice_and_forgets_none(reading: sqlite3.Connection) -> None:
    some = [store.parse_condition("n>0")]
    expected = [seq for seq in range(1, COUNT + 1) if seq not in SPARSE]
    after, before = store.seq_range(reading)
    forward = store.iter_events(reading, after=after, before=before, where=some)
    assert [event.seq for event in forward] == expected
    assert [event.seq for event in store.iter_events(reading, where=some)] == expected[::-1]


@pytest.mark.parametrize(
    ("since", "until"),
    [
        ("00:00:10", "00:00:20"), ("02:00:00", None), (None, "00:00:03"), ("01:29:00", "01:31:00"),
        ("02:29:59", "02:30:02"), ("23:00:00", None),
    ],
)  # fmt: skip
def test_times_are_of_arrival_even_if_a_clock_was_behind(
    reading: sqlite3.Connection, since: str | None, until: str | None
) -> None:
    times: dict[str, Any] = {
        name: f"2026-11-01T{at}.000Z" for name, at in (("since", since), ("until", until)) if at
    }
    expected = [
        seq
        for seq, at in reading.execute("SELECT seq, received_at FROM events ORDER BY seq")
        if times.get("since", "") <= at < times.get("until", "Z")
    ]
    assert latest(reading, COUNT, **times) == expected
    found = store.seq_range(reading, **times)
    exported = store.iter_events(reading, after=found[0], before=found[1], **times)
    assert [event.seq for event in exported] == expected


def work_of(connection: sqlite3.Connection, **filters: Any) -> int:
    """How much SQLite does for a list of 20, in thousands of its instructions."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(count, 1000)
    assert len(latest(connection, 20, **filters)) == 20
    connection.set_progress_handler(None, 0)
    return steps


def test_an_index_finds_a_visitor_and_a_time(
    shop: tuple[Path, str], reading: sqlite3.Connection
) -> None:
    some = [store.parse_condition("n>0")]
    everything = work_of(reading, where=[*some, *some, store.parse_condition("n<120")])
    assert everything > COUNT / 100
    since = "2026-11-01T00:00:30.000Z"
    for filters in (
        {"profile_id": "p2"},
        {"profile_id": "p2", "since": since},
        {"session_id": "s2", "where": some},
        {"since": since, "until": "2026-11-01T00:02:00.000Z"},
        {"since": since, "until": "2026-11-01T00:02:00.000Z", "source_id": shop[1]},
    ):
        assert work_of(reading, **filters) < everything / 50, filters


def test_no_search_keeps_the_log_from_being_cleared(
    shop: tuple[Path, str], reading: sqlite3.Connection
) -> None:
    found = store.iter_events(reading, after=0, where=RARE)
    assert next(found).seq == SPARSE[0]
    with closing(store.connect(shop[0])) as writing:
        writing.execute("UPDATE sources SET name = 'A'")
        assert writing.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
    assert [event.seq for event in found] == [*SPARSE[1:]]


def test_a_long_search_says_how_far_it_is(reading: sqlite3.Connection) -> None:
    said: list[tuple[int, int]] = []
    after, before = store.seq_range(reading)
    store.first_of_latest(
        reading, 5, after, before, lambda *looked: said.append(looked), where=RARE
    )
    assert said == [(WINDOW, COUNT), (WINDOW * 2, COUNT), (COUNT, COUNT)]
