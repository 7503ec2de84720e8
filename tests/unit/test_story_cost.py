"""How far a site has come, and one visitor's story, are looked up by indexes: a large table costs them
nothing."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from sqlite_utils import Database

from collector import store
from collector.event.types import Event, Payload
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest
from collector.store import profiles
from collector.writer.group import Writer

VISITORS, REQUESTS = 2000, 8000  # two sources share the requests, each visitor has four
MOST = 6  # thousands of SQLite's instructions: less than a look at all visitors


def at(number: int) -> str:
    return f"2026-11-01T{number // 3600:02}:{number // 60 % 60:02}:{number % 60:02}.000Z"


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[sqlite3.Connection, str]]:
    """A database for reading, and one of its sources."""
    path = tmp_path_factory.mktemp("large") / "x.db"
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        database = Database(connection)
        sources = [store.add_source(database, name, profiles="per-source") for name in "ab"]
    requests = [
        WriteRequest(
            source_id=sources[number % 2].id,
            request_id=uuid7(),
            received_at=at(number),
            sender=SenderInfo(),
            payload=Payload(
                sources[number % 2].id,
                session_id=f"s{number % VISITORS}",
                events=(
                    Event(0, f"e{number}", "page-view", at(number), "{}", '{"page":{"path":"/"}}'),
                ),
            ),
            profile_scope=sources[number % 2].profile_scope,
        )
        for number in range(REQUESTS)
    ]
    with closing(Writer(path)) as writer:
        for start in range(0, REQUESTS, 500):
            assert not any(result.refused for result in writer.write(requests[start : start + 500]))
    with closing(store.connect_readonly(path)) as connection:
        yield connection, sources[0].id


def work(connection: sqlite3.Connection, what: Callable[[], object]) -> int:
    """What SQLite does for something, in thousands of its instructions."""
    steps = 0

    def count() -> int:
        nonlocal steps
        steps += 1
        return 0

    connection.set_progress_handler(count, 1000)
    what()
    connection.set_progress_handler(None, 0)
    return steps


@pytest.mark.parametrize("since", ["", at(4000), at(REQUESTS - 10), "2027"])
def test_the_first_event_since_a_time(large: tuple[sqlite3.Connection, str], since: str) -> None:
    connection, source = large
    state = store.install_state(Database(connection), source, since)
    assert state.event.at == (None if since == "2027" else since or at(0))
    database = Database(connection)
    assert work(connection, lambda: store.install_state(database, source, since)) < MOST


@pytest.mark.parametrize("is_limited", [False, True])
def test_one_visitors_story(large: tuple[sqlite3.Connection, str], is_limited: bool) -> None:
    connection, source = large
    sources = [source] if is_limited else None
    (match,) = profiles.find_profiles(connection, "s4", sources)
    profile = str(match.profile_id)

    def tell() -> None:
        for id_ in (profile, "s4", "e4"):
            assert profiles.find_profiles(connection, id_, sources)
        assert profiles.get_profile(connection, profile, sources).events == REQUESTS // VISITORS
        assert len(profiles.list_profile_sessions(connection, profile, sources)) == 1
        assert len(profiles.list_profile_events(connection, profile, sources, limit=3)) == 3
        assert store.count_profile(connection, profile)["events"] == REQUESTS // VISITORS

    assert work(connection, tell) < MOST


@pytest.mark.parametrize("filters", [{}, {"type": "page-view"}, {"is_limited": True}])
def test_the_latest_events(
    large: tuple[sqlite3.Connection, str], filters: dict[str, object]
) -> None:
    connection, source = large
    wanted = {"source_id": source} if filters.pop("is_limited", False) else filters

    def look() -> None:
        assert len(store.list_events(connection, limit=10, **wanted)) == 10

    assert work(connection, look) < MOST
