"""The year of traffic that others measure with is what it says, and sound."""

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from collector import store

from ..bench import history

END = datetime(2026, 11, 27, 12, tzinfo=UTC)


def rows_of(path: Path) -> list[list[tuple[object, ...]]]:
    with closing(store.connect_readonly(path)) as connection:
        return [
            [tuple(row) for row in connection.execute(f"SELECT * FROM {table}")]
            for table in ("event_rows", "request_rows", "session_rows", "rejected_hours")
        ]


def test_a_history_is_sound_and_the_same_for_the_same_seed(tmp_path: Path) -> None:
    for name in ("a", "b"):
        history.make(tmp_path / f"{name}.db", 5_000, END)
    history.make(tmp_path / "c.db", 5_000, END, seed=2)
    first, same, other = (rows_of(tmp_path / f"{name}.db") for name in "abc")
    assert first == same
    assert first != other
    with closing(store.connect_readonly(tmp_path / "a.db")) as connection:
        assert store.check_database(connection) == []


def test_a_history_is_as_long_and_as_skewed_as_it_says(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    history.make(path, 20_000, END)
    with closing(store.connect_readonly(path)) as connection:

        def number(query: str) -> float:
            return float(connection.execute(query).fetchone()[0])

        events = number("SELECT count(*) FROM events")
        assert 18_500 < events < 21_500
        assert number("SELECT count(*) FROM profiles") * history.EVENTS_A_VISITOR < events * 1.3
        assert 0.4 < number("SELECT avg(type = 'page-view') FROM events") < 0.5
        assert 0.02 < number("SELECT avg(bot) FROM events") < 0.04
        assert number("SELECT count(DISTINCT source_id) FROM events") == len(history.SOURCES)
        assert number("SELECT max(received_at) > '2026-11-27T11' FROM events")
        assert number("SELECT min(received_at) < '2025-11-29' FROM events")
        assert number("SELECT max(received_at) < '2026-11-27T12:00:01' FROM events")
        assert number("SELECT count(*) FROM rejected WHERE received_at > '2026-10-27'") > 3
