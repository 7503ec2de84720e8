"""Events reach each destination: all of them, once, whatever happens on the way."""

import os
import random
import signal
import threading
from pathlib import Path
from typing import Any

from collector.ids import uuid7
from collector.store.forward_state import list_destinations, state_path

from ..support import Collector, run, wait_for
from .edges import Store, body, collecting, ids_in, send, wait_for_ids


def test_a_forwarder_that_is_killed_loses_and_repeats_nothing(
    tmp_path: Path, engine: Store
) -> None:
    with collecting(tmp_path, "--forward", engine.url) as collector:
        source = collector.add_source()
        ids: list[str] = []
        for _ in range(20):
            for _ in range(5):
                ids += send(collector, source, 20)
            victims = collector.children("collector.child\0forwarder")
            for victim in victims:
                os.kill(victim, signal.SIGKILL)
        assert len(ids) == len(set(ids)) == 2000
        wait_for_ids(engine, ids)
        assert collector.counts()["events"] == 2000


def test_repeats_and_two_edges_make_one_row(tmp_path: Path, engine: Store) -> None:
    """The same event through both edges, with different times: a sender that was answered by neither
    in time."""
    url = engine.url
    folders = [tmp_path / name for name in "ab"]
    for folder in folders:
        folder.mkdir()
    with (
        collecting(folders[0], "--forward", url) as a,
        collecting(folders[1], "--forward", url) as b,
    ):
        source = a.add_source()
        (row,) = a.rows("SELECT * FROM sources")
        with b.database() as other:
            other.conn.execute(
                f"INSERT INTO sources ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                [*row.values()],
            )
        session = {"id": uuid7()}
        events = [{"id": uuid7(), "type": "page-view"} for _ in range(300)]

        def post(collector: Collector, some: list[dict[str, Any]]) -> None:
            answer = collector.post({**body(source, some), "session": session})
            assert answer.status_code == 200, answer.text

        shuffled = random.Random(3).sample(events, len(events))
        threads = [
            threading.Thread(target=post, args=arguments)
            for start in range(0, 300, 50)
            for arguments in ((a, events[start : start + 50]), (b, shuffled[start : start + 50]))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert a.counts()["events"] == b.counts()["events"] == 300
        wait_for_ids(engine, [event["id"] for event in events])
        edges = engine.rows("SELECT max(cursor) FROM {}.edges GROUP BY id")
        wait_for(
            lambda: engine.rows("SELECT max(cursor) FROM {}.edges GROUP BY id") == [300, 300],
            f"both edges to have sent everything, at first {edges}",
        )
        # A session of two edges is one, and its events have one profile.
        find = "SELECT count(*) FROM {}.sessions"
        assert engine.rows(find) == [1]
        find = "SELECT count(DISTINCT profile_id) FROM {}.events"
        assert engine.rows(find) == [1]


def test_a_forgotten_visitor_is_forgotten_there(tmp_path: Path, engine: Store) -> None:
    url = engine.url
    with collecting(tmp_path, "--forward", url) as collector:
        source = collector.add_source()
        kept = send(collector, source, 2)
        gone = send(collector, source, 3)
        wait_for_ids(engine, kept + gone)
        profile = collector.events(source)[-1]["profile_id"]
        done = run("profile", "forget", profile, "--yes", "--db", str(collector.db))
        assert done.returncode == 0, done.stderr
        wait_for_ids_gone = lambda: ids_in(engine) == sorted(kept)  # noqa: E731
        wait_for(wait_for_ids_gone, "the visitor to be forgotten")
        for table in ("sessions", "session_rows", "profiles", "profile_rows"):
            found = engine.rows("SELECT * FROM {}." + table)
            assert len(found) == 1 or table.endswith("_rows")
            assert profile not in str(found)
        # What had to be kept to do so is gone as well.
        wait_for(
            lambda: not collector.rows("SELECT * FROM forgotten_profiles"), "the id to be removed"
        )
        assert profile.encode() not in state_path(collector.db).read_bytes()
        # The newest event was forgotten; the next one has another number, and is sent.
        more = send(collector, source, 1)
        wait_for_ids(engine, kept + more)


def test_a_restored_edge_sends_what_the_store_has_not(tmp_path: Path, engine: Store) -> None:
    """The backup is older than the cursor, and has grown beyond it before it is forwarded again."""
    options = ("--forward", engine.url)
    backup = tmp_path / "backup.db"
    with collecting(tmp_path, *options) as collector:
        source = collector.add_source()
        ids = send(collector, source, 10)
        assert run("db", "backup", str(backup), "--db", str(collector.db)).returncode == 0
        lost = send(collector, source, 10)
        wait_for_ids(engine, ids + lost)
        db = collector.db
    for suffix in ("", "-wal", "-shm"):
        db.with_name(db.name + suffix).unlink(missing_ok=True)
    backup.rename(db)
    with collecting(tmp_path) as collector:
        later = send(collector, source, 30)
    with collecting(tmp_path, *options):
        wait_for_ids(engine, ids + lost + later)


def test_a_restored_store_gets_again_what_it_has_lost(tmp_path: Path, engine: Store) -> None:
    options = ("--forward", engine.url)
    with collecting(tmp_path, *options) as collector:
        source = collector.add_source()
        ids = send(collector, source, 10)
        wait_for_ids(engine, ids)
    engine.lose_after(4)
    with collecting(tmp_path, *options):
        wait_for_ids(engine, ids)


def test_runs_of_tests_stay_at_home(tmp_path: Path, engine: Store) -> None:
    with collecting(tmp_path, "--qa", "--forward", engine.url) as collector:
        source = collector.add_source()
        of_run = collector.post(
            body(source, [{"type": "page-view"}]), headers={"X-ThamesThrive-Run": "run-1"}
        )
        assert of_run.status_code == 200
        assert collector.rows("SELECT run FROM events") == [{"run": "run-1"}]
        ids = send(collector, source, 1)
        wait_for_ids(engine, ids)
        assert len(collector.rows("SELECT * FROM events")) == 2


def test_by_hand(tmp_path: Path, engine: Store) -> None:
    url = engine.url
    with collecting(tmp_path) as collector:
        source = collector.add_source()
        ids = send(collector, source, 7)
        words = ("--db", str(collector.db))
        assert "Nothing was forwarded yet" in run("forward", "--status", *words).stderr
        done = run("forward", url, "--once", "--json", *words)
        assert (done.returncode, done.stderr) == (0, "")
        assert f'"{url}": 7' in done.stdout
        assert ids_in(engine) == sorted(ids)
        done = run("forward", url, "--check", *words)
        assert done.returncode == 0
        assert "7 events looked at, 0 missing, 0 not sent yet" in done.stderr
        engine.change("DELETE FROM {}.event_rows WHERE seq = 3")
        done = run("forward", url, "--check", *words)
        assert done.returncode == 1
        assert "1 missing" in done.stderr
        assert ids[2] in done.stdout
        done = run("forward", url, "--once", "--since", "1h", *words)
        assert done.returncode == 0
        assert ids_in(engine) == sorted(ids)
        done = run("forward", url, "--remove", *words)
        assert done.returncode == 0
        assert list_destinations(collector.db) == []
