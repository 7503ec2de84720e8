"""The lean layout: what it keeps apart, what it never uses again, and the way into it."""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import StoreError
from collector.event.session_context import merge_contexts
from collector.event.timestamps import iso, now
from collector.event.types import Event, Payload, Rejection
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest, WriteResult
from collector.store import audit, rejected, retention, sessions
from collector.store.migrations import migrations
from collector.store.sessions import MAX_CONTEXT
from collector.writer.group import Writer
from collector.writer.server import MAX_GROUP, MAX_GROUP_BYTES, groups_of

from ..support import ROOT, wait_for

AT = "2026-11-23T10:00:00.000Z"


@pytest.fixture
def db(tmp_path: Path) -> Path:
    path = tmp_path / "x.db"
    store.migrate(path)
    return path


@pytest.fixture
def writer(db: Path) -> Iterator[Writer]:
    with closing(Writer(db)) as writer:
        yield writer


def add_source(db: Path) -> str:
    with closing(store.connect(db)) as connection:
        return store.add_source(Database(connection), "Shop").id


def event(event_id: str, index: int = 0, context: str = "{}") -> Event:
    return Event(index, event_id, "a", AT, "{}", context)


def send(writer: Writer, source: str, *events: Event, **payload: Any) -> WriteResult:
    request = WriteRequest(
        source_id=source,
        request_id=uuid7(),
        received_at=AT,
        sender=SenderInfo(),
        payload=Payload(source, events=events, **payload),
    )
    (result,) = writer.write([request])
    return result


def let_time_pass(connection: sqlite3.Connection) -> None:
    """The collector has run since 2001, when what is stored now was stored, until now."""
    connection.execute("DELETE FROM clock_marks")
    for at in ("2001-01-02T00:00:00.000Z", now()):
        connection.execute(
            "INSERT INTO clock_marks SELECT ?,"
            " (SELECT coalesce(max(seq), 0) FROM event_rows),"
            " (SELECT coalesce(max(seq), 0) FROM rejected)",
            [at],
        )


def rows(db: Path, sql: str, *values: Any) -> list[Any]:
    with closing(store.connect_readonly(db)) as connection:
        return [tuple(row) for row in connection.execute(sql, values)]


def test_old_changes_leave_the_audit_in_small_steps(db: Path, writer: Writer) -> None:
    source = add_source(db)
    day = timedelta(days=1)
    ages = [audit.MAX_DAYS * day + timedelta(minutes=5)] * 450 + [(audit.MAX_DAYS - 1) * day] * 3
    with closing(store.connect(db)) as connection:
        for age in ages:
            at = iso(datetime.now(UTC) - age)
            seq = audit.add_entry(connection, "source.set", source, source_id=source)
            connection.execute("UPDATE audit SET at = ? WHERE seq = ?", (at, seq))
    left = []
    while writer.expire_rows():
        left += rows(db, "SELECT count(*) FROM audit")[0]
    assert left == [254, 54, 4]
    assert rows(db, "SELECT DISTINCT action FROM audit") == [("source.add",), ("source.set",)]


def test_another_source_cannot_take_an_id(db: Path, writer: Writer) -> None:
    mine, other = add_source(db), add_source(db)
    assert send(writer, other, event("order-1002")).duplicates == ()
    assert send(writer, mine, event("order-1002")).duplicates == ()
    assert send(writer, mine, event("order-1002")).duplicates == ("order-1002",)
    found = rows(db, "SELECT source_id FROM events WHERE id = 'order-1002' ORDER BY seq")
    assert found == [(other,), (mine,)]


def test_another_source_cannot_enter_a_session(db: Path, writer: Writer) -> None:
    mine, other = add_source(db), add_source(db)
    own = send(writer, mine, event("a"), session_id="s", context='{"utm":{"source":"news"}}')
    foreign = send(writer, other, event("b"), session_id="s", context='{"utm":null}')
    assert foreign.profile_id != own.profile_id
    found = rows(db, "SELECT source_id, context, profile_id FROM sessions ORDER BY first_seen_at")
    assert (mine, '{"utm":{"source":"news"}}', own.profile_id) in found
    assert len(found) == 2


def test_another_source_does_not_learn_what_is_stored(db: Path, writer: Writer) -> None:
    mine, other = add_source(db), add_source(db)
    send(writer, mine, event("a"))
    assert send(writer, other, known=("a", "b")).missing == ("a", "b")
    assert send(writer, mine, known=("a", "b")).missing == ("b",)


def test_what_is_forgotten_for_one_source_may_be_sent_by_another(db: Path, writer: Writer) -> None:
    mine, other = add_source(db), add_source(db)
    profile = send(writer, mine, event("a"), session_id="s").profile_id
    with closing(store.connect(db)) as connection:
        store.forget_profile(connection, profile or "")
    assert send(writer, mine, event("a")).duplicates == ("a",)
    assert send(writer, other, event("a")).duplicates == ()


def test_the_number_of_a_forgotten_event_never_returns(db: Path, writer: Writer) -> None:
    source = add_source(db)
    send(writer, source, event("a"), session_id="first")
    profile = send(writer, source, event("b"), session_id="last").profile_id
    last = rows(db, "SELECT max(seq) FROM events")[0][0]
    with closing(store.connect(db)) as connection:
        store.forget_profile(connection, profile or "")
        send(writer, source, event("c"), session_id="next")
        assert [e.id for e in store.list_events(connection, after=last)] == ["c"]


def test_a_session_that_returns_is_not_written_again(db: Path, writer: Writer) -> None:
    source = add_source(db)
    payload = {"session_id": "s", "context": '{"screen":{"width":1}}', "utm": '{"source":"a"}'}
    send(writer, source, event("a"), **payload)
    with closing(sqlite3.connect(db)) as connection:
        for table in ("session_rows", "profile_rows"):
            connection.execute(
                f"CREATE TRIGGER {table}_no BEFORE UPDATE ON {table}"
                " BEGIN SELECT RAISE(ABORT, 'written'); END"
            )
    assert send(writer, source, event("b"), **payload).refused is None
    assert rows(db, "SELECT events FROM sessions") == [(2,)]
    assert send(writer, source, event("c"), session_id="s", utm='{"source":"b"}').refused


def test_a_sessions_context_is_merged_and_bounded(db: Path, writer: Writer) -> None:
    source = add_source(db)
    send(writer, source, event("a"), session_id="s", context='{"a":1,"b":{"c":1}}')
    send(writer, source, event("b"), session_id="s", context='{"b":{"d":2}}')
    merged = '{"a":1,"b":{"c":1,"d":2}}'
    assert rows(db, "SELECT context FROM sessions") == [(merged,)]
    large = '{"x":"' + "x" * MAX_CONTEXT + '"}'
    assert send(writer, source, event("c"), session_id="s", context=large).large_context
    assert send(writer, source, event("d"), session_id="t", context=large).large_context
    assert rows(db, "SELECT context FROM sessions ORDER BY id") == [(merged,), ("{}",)]


def test_what_the_events_of_a_request_share_is_stored_once(db: Path, writer: Writer) -> None:
    source = add_source(db)
    page, other = '{"page":{"url":"https://a/"}}', '{"page":{"url":"https://b/"}}'
    contexts = [page, other, page]
    events = [event(f"e{n}", n, context) for n, context in enumerate(contexts)]
    send(writer, source, *events, request='{"properties":{"x":1}}')
    assert rows(db, "SELECT context FROM events ORDER BY seq") == [(c,) for c in contexts]
    assert rows(db, "SELECT DISTINCT request FROM events") == [('{"properties":{"x":1}}',)]
    assert rows(db, "SELECT context FROM event_rows ORDER BY seq") == [(None,), (other,), (None,)]


def test_rows_can_be_deleted_from_the_view(db: Path, writer: Writer) -> None:
    source = add_source(db)
    send(writer, source, event("a"), event("b", 1))
    with closing(sqlite3.connect(db)) as connection:
        connection.execute("DELETE FROM events WHERE id = 'a'")
        connection.commit()
    assert rows(db, "SELECT id FROM events") == [("b",)]
    with closing(store.connect(db)) as connection:
        assert store.check_database(connection) == []
        connection.execute("DELETE FROM events")
        assert connection.execute("SELECT count(*) FROM request_rows").fetchone() == (0,)


def test_a_context_is_merged_as_json_merge_patch() -> None:
    merged = merge_contexts(
        '{"a":1.50,"b":{"c":1,"d":2},"e":5}', '{"b":{"c":null,"f":{"g":null}},"e":{"h":1e999}}'
    )
    assert merged == '{"a":1.50,"b":{"d":2,"f":{}},"e":{"h":1e999}}'


def test_a_context_that_fits_is_not_said_to_be_left_out(db: Path, writer: Writer) -> None:
    source = add_source(db)
    large = '{"a":"' + "x" * (MAX_CONTEXT * 2 // 3) + '","b":1}'
    other = large.replace("x", "y")
    send(writer, source, event("a"), session_id="s", context=large)
    assert not send(writer, source, event("b"), session_id="s", context=other).large_context
    assert rows(db, "SELECT context FROM sessions") == [(other,)]


def test_campaigns_of_a_profile_are_those_that_came_first_and_last(
    db: Path, writer: Writer
) -> None:
    source = add_source(db)
    profile = send(writer, source, event("a"), session_id="u1").profile_id
    for number, (session, utm) in enumerate((("u2", '"first"'), ("u1", '"second"'))):
        name = {"session_id": session, "profile_id": profile, "utm": f'{{"source":{utm}}}'}
        send(writer, source, event(f"e{number}"), **name)
    found = rows(db, "SELECT first_utm, last_utm FROM profiles WHERE id = ?", profile)
    assert found == [('{"source":"first"}', '{"source":"second"}')]


def test_a_replay_of_what_is_gone_does_not_speak_for_a_fresh_event(
    db: Path, writer: Writer
) -> None:
    source = add_source(db)
    payload = Payload(source, events=(event("late"),))
    gone = WriteRequest(source, "r", AT, SenderInfo(), payload, replays=99)
    fresh = WriteRequest(source, "r", AT, SenderInfo(), payload)
    assert [result.duplicates for result in writer.write([gone, fresh])] == [("late",), ()]
    assert rows(db, "SELECT id FROM events") == [("late",)]


def test_a_visitor_who_has_rejected_events_only_can_be_forgotten(db: Path, writer: Writer) -> None:
    source = add_source(db)
    wrong = Rejection(0, "x", "invalid", "/type: required", None, "{}")
    profile = send(writer, source, event("a"), session_id="s", rejected=(wrong,)).profile_id
    with closing(store.connect(db)) as connection:
        connection.execute("DELETE FROM events")
        connection.execute("DELETE FROM session_rows WHERE key > 0")
        connection.execute("DELETE FROM profile_rows WHERE key > 0")
        removed = store.forget_profile(connection, profile or "")
    assert removed == {"events": 0, "rejected": 1, "sessions": 0, "profiles": 0}


def test_retention_keeps_a_visitor_whose_rejected_events_are_kept(db: Path, writer: Writer) -> None:
    source = add_source(db)
    with closing(store.connect(db)) as connection:
        store.update_source(Database(connection), source, {"retention_days": 1})
    recent = WriteRequest(
        source,
        "r",
        now(),
        SenderInfo(),
        Payload(source, "s", rejected=(Rejection(0, "x", "invalid", "", None, "{}"),)),
    )
    old = Payload(source, "s", events=(event("a"),))
    writer.write([WriteRequest(source, "q", "2020-01-01T00:00:00.000Z", SenderInfo(), old), recent])
    while writer.expire_rows():
        pass
    assert rows(db, "SELECT id FROM events") == []
    assert rows(db, "SELECT id FROM sessions") == [("s",)]


@pytest.mark.parametrize("days", [739_999, 2**31 - 1])
def test_a_retention_longer_than_the_calendar_keeps_everything(
    db: Path, writer: Writer, days: int
) -> None:
    source = add_source(db)
    with closing(store.connect(db)) as connection:
        store.update_source(Database(connection), source, {"retention_days": days})
    send(writer, source, event("a"))
    while writer.expire_rows():
        pass
    assert rows(db, "SELECT id FROM events") == [("a",)]


def test_a_group_is_bounded_in_requests_and_in_bytes() -> None:
    def sizes(*given: int) -> list[list[int]]:
        with socket.socket() as worker:
            received = [
                (worker, WriteRequest("s", "r", AT, SenderInfo(), Payload("s"), size=size))
                for size in given
            ]
            return [[request.size for _, request in group] for group in groups_of(received)]

    large = MAX_GROUP_BYTES // 2 + 1
    assert sizes(1, large, large, 1) == [[1, large], [large, 1]]
    assert sizes(1, MAX_GROUP_BYTES + 5, 1) == [[1], [MAX_GROUP_BYTES + 5], [1]]
    assert [len(group) for group in sizes(*[1] * (MAX_GROUP + 1))] == [MAX_GROUP, 1]
    assert sizes() == []


# The way into it.

COUNT = 12_000
KILLS = 20 if os.environ.get("FAULTS") == "long" else 5


def fill_before(path: Path) -> list[Any]:
    """A database as the version before wrote it. Returns the rows that must be there afterwards."""
    with closing(store.connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        database = Database(connection)
        migrations.apply(database, stop_before="m004_lean")
        connection.execute("BEGIN")
        for source in ("A", "B"):
            connection.execute(
                "INSERT INTO sources (id, name, created_at) VALUES (?, ?, 'x')", [source, source]
            )
        for n in range(40):
            connection.execute(
                "INSERT INTO profiles VALUES (?, ?, ?, 0, NULL, NULL)", [f"p{n}", AT, AT]
            )
            # The last one's source was removed.
            connection.execute(
                "INSERT INTO sessions VALUES (?, ?, ?, 'd', ?, 0, ?, ?, 0, ?, NULL)",
                [
                    f"s{n}",
                    f"p{n}",
                    None if n == 39 else "A",
                    f'{{"n":{n}}}',
                    AT,
                    AT,
                    '{"source":"x"}',
                ],
            )
        for n in range(1, COUNT):
            if n % 97 == 0:
                continue  # forgotten long ago
            request = n // 3
            session = None if request % 50 == 7 else f"s{request % 40}"
            profile = session and f"p{request % 40}"
            connection.execute(
                "INSERT INTO events VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, ?, ?, ?)",
                [
                    n, f"e{n}", f"t{n % 7}", "B" if request % 11 == 0 else "A", session, profile,
                    f'{{"n":{n}}}', '{"page":1}' if n % 5 else '{"page":2}', "{}", None,
                    f'{{"r":{request}}}' if request % 4 == 0 else None, f"r{request}", AT, AT,
                    "192.0.2.0", request % 2,
                ],
            )  # fmt: skip
        connection.execute("COMMIT")
        return connection.execute("SELECT * FROM events ORDER BY seq").fetchall()


COLUMNS = (
    "seq, id, type, source_id, session_id, profile_id, properties, context, options, tags, extra,"
    " request, request_id, occurred_at, received_at, ip, bot"
)


def check_moved(path: Path, expected: list[Any]) -> None:
    assert rows(path, f"SELECT {COLUMNS} FROM events ORDER BY seq") == expected
    with closing(store.connect_readonly(path)) as connection:
        assert store.check_database(connection) == []
        names = {row[0] for row in connection.execute("SELECT name FROM sqlite_schema")}
    assert not [name for name in names if name.endswith("_before")]
    assert rows(path, "SELECT context FROM sessions WHERE id = 's5' AND source_id = 'A'") == [
        ('{"n":5}',)
    ]
    assert len(rows(path, "SELECT id FROM profiles")) == 40
    assert rows(path, "SELECT source_id FROM sessions WHERE id = 's39'")[0] == ("A",)


def test_a_file_of_the_version_before_is_moved(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    expected = fill_before(path)
    size = path.stat().st_size
    store.migrate(path)
    check_moved(path, expected)
    with closing(store.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    assert path.stat().st_size < 0.8 * size
    store.migrate(path)
    check_moved(path, expected)


@pytest.mark.faults
def test_moving_may_be_killed_at_any_point(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    expected = fill_before(path)
    code = (
        "import sys; from pathlib import Path; from collector.store import move, migrate;"
        "move.BATCH = 40; migrate(Path(sys.argv[1]))"
    )
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    killed = 0
    for point in range(KILLS):
        goal = point * COUNT // (KILLS + 1)

        def moved(goal: int = goal) -> bool:
            if not rows(path, "SELECT 1 FROM sqlite_schema WHERE name = 'event_rows'"):
                return False
            return bool(rows(path, "SELECT count(*) FROM event_rows")[0][0] > goal)

        with subprocess.Popen([sys.executable, "-c", code, str(path)], env=env) as process:
            wait_for(moved, f"{goal} rows")
            process.kill()
        killed += process.returncode == -signal.SIGKILL
        assert rows(path, "PRAGMA integrity_check") == [("ok",)]
    assert killed >= KILLS - 2
    store.migrate(path)
    check_moved(path, expected)


def test_two_processes_may_move_at_once(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    expected = fill_before(path)
    code = "import sys; from pathlib import Path; from collector.store import migrate; migrate(Path(sys.argv[1]))"
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(path)], env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
        for _ in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    check_moved(path, expected)


def test_a_database_of_a_newer_version_is_refused(db: Path) -> None:
    with closing(sqlite3.connect(db)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('thamesthrive', 'm099_future', 'x')"
        )
        connection.commit()
    with pytest.raises(StoreError, match=r"newer version .*m099_future.* Install that version"):
        store.migrate(db)


def test_a_session_that_somebody_else_removed_begins_anew(db: Path, writer: Writer) -> None:
    source = add_source(db)
    first = send(writer, source, event("1"), session_id="s").profile_id
    assert send(writer, source, event("2"), session_id="s").profile_id == first
    with closing(store.connect(db)) as connection:
        store.forget_profile(connection, str(first))
    second = send(writer, source, event("3"), session_id="s").profile_id
    assert second != first
    assert rows(db, "SELECT id, profile_id FROM events") == [("3", second)]
    assert rows(db, "SELECT profile_id FROM sessions") == [(second,)]


def test_a_session_that_has_expired_begins_anew(db: Path, writer: Writer) -> None:
    source = add_source(db)
    first = send(writer, source, event("1"), session_id="s").profile_id
    with closing(store.connect(db)) as connection:
        connection.execute("UPDATE request_rows SET received_at = '2001'")
        connection.execute("UPDATE session_rows SET first_seen_at = '2001'")
        connection.execute("UPDATE profile_rows SET first_seen_at = '2001'")
        store.update_source(Database(connection), source, {"retention_days": 1})
        let_time_pass(connection)
    assert send(writer, source, session_id="s").profile_id == first
    while writer.expire_rows():
        pass
    assert rows(db, "SELECT id FROM sessions") == []
    second = send(writer, source, event("2"), session_id="s").profile_id
    assert second != first
    assert rows(db, "SELECT id, profile_id FROM events") == [("2", second)]


def test_a_session_of_a_rolled_back_group_is_not_remembered(db: Path, writer: Writer) -> None:
    source = add_source(db)
    with closing(store.connect(db)) as connection:
        connection.execute(
            "CREATE TRIGGER bad BEFORE INSERT ON event_rows WHEN NEW.id = 'bad'"
            " BEGIN SELECT RAISE(ABORT, 'bad'); END"
        )
    send(writer, source)  # which sees that something has changed
    assert send(writer, source, event("bad"), session_id="s").refused == "internal"
    assert send(writer, source, event("1"), session_id="s").refused is None
    joined = "SELECT count(*) FROM events JOIN sessions ON session_id = sessions.id"
    assert rows(db, joined) == [(1,)]


def test_rejected_events_of_a_source_are_bounded_in_size(
    db: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected, "MAX_SIZE", 10_000)
    monkeypatch.setattr(rejected, "_SLACK_SIZE", 1_000)
    source = add_source(db)
    for number in range(100):
        bad = Rejection(0, str(number), "invalid", "x" * 100, None, "y" * 400)
        send(writer, source, rejected=(bad,))
    kept = [row[0] for row in rows(db, "SELECT event_id FROM rejected ORDER BY seq")]
    assert 20 <= len(kept) <= 22
    assert kept == [str(number) for number in range(100 - len(kept), 100)]


def test_a_session_that_never_had_an_event_expires(
    db: Path, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "SESSIONS", 2)
    source, other = add_source(db), add_source(db)
    with closing(store.connect(db)) as connection:
        store.update_source(Database(connection), source, {"retention_days": 1})

    def request(source: str, session: str, at: str, *events: Event) -> None:
        payload = Payload(source, session, events=events)
        writer.write([WriteRequest(source, session, at, SenderInfo(), payload)])

    old = "2020-01-01T00:00:00.000Z"
    for number in range(5):
        request(source, f"old-{number}", old)
        request(other, f"other-{number}", old)
    request(source, "recent", now())
    request(source, "kept", old)
    request(source, "kept", now(), event("a"))
    while writer.expire_rows():
        pass
    left = {row[0] for row in rows(db, "SELECT id FROM sessions")}
    assert left == {"recent", "kept", *(f"other-{number}" for number in range(5))}
    assert rows(db, "SELECT count(*) FROM profiles") == [(7,)]


def test_profiles_of_before_are_those_of_sources_without_a_group(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with closing(store.connect(path)) as connection:
        migrations.apply(Database(connection), stop_before="m008_profile_scopes")
        for key in (3, 4):
            connection.execute(
                "INSERT INTO profile_rows VALUES (?, ?, ?, '{\"a\":1}', NULL)", [key, f"p{key}", AT]
            )
        connection.execute("DELETE FROM profile_rows WHERE key = 4")
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        assert connection.execute("SELECT * FROM profiles").fetchall() == [
            ("p3", AT, AT, 0, '{"a":1}', None, "")
        ]
        # The number of the one that is gone is not given to another.
        assert sessions.add_profile(connection, "p5", "group:a", AT) == (5, "p5")
        assert sessions.find_profile(connection, "p5", "group:a") == (5, "p5")
        assert sessions.find_profile(connection, "p5", "") is None
