"""The collector as a process: starting, stopping, and what it promises about the disk."""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from ..support import COMMAND, ROOT, Collector, run, wait_for


def body(source: str, kind: str = "a") -> dict[str, object]:
    return {"source": {"id": source}, "events": [{"id": str(uuid.uuid4()), "type": kind}]}


def test_health_says_ok_and_version(shared_collector: Collector) -> None:
    answer = httpx.get(f"{shared_collector.url}/health")
    assert (answer.status_code, answer.json()["status"]) == (200, "ok")
    assert answer.json()["version"]


def test_health_counts_proxies_for_who_asks(shared_collector: Collector, tmp_path: Path) -> None:
    """So a proxy can be checked from outside: one that drops the query has no answer to this."""
    forwarded = {"X-Forwarded-For": "192.0.2.1, 192.0.2.2"}
    asked = f"{shared_collector.url}/health?proxies"
    assert "proxies" not in httpx.get(f"{shared_collector.url}/health").json()
    assert httpx.get(asked).json()["proxies"] == {"expected": 0, "seen": 0}
    assert httpx.get(asked, headers=forwarded).json()["proxies"] == {"expected": 0, "seen": 2}
    behind = Collector(tmp_path, options=("--proxies", "1")).start()
    answer = httpx.get(f"{behind.url}/health?proxies").json()
    assert answer["proxies"] == {"expected": 1, "seen": 0}


def test_unknown_paths_and_methods_are_json_and_echo_nothing(shared_collector: Collector) -> None:
    missing, wrong = (
        httpx.get(f"{shared_collector.url}/<script>"),
        httpx.put(f"{shared_collector.url}/track"),
    )
    assert (missing.status_code, missing.json()) == (404, {"detail": "Not Found."})
    assert (wrong.status_code, wrong.json()) == (405, {"detail": "Method Not Allowed."})


def test_ingestion_errors_of_the_framework_carry_cors(shared_collector: Collector) -> None:
    origin = "https://shop.example.com"
    wrong = httpx.put(f"{shared_collector.url}/track", headers={"Origin": origin})
    other = httpx.get(f"{shared_collector.url}/health", headers={"Origin": origin})
    assert wrong.headers["Access-Control-Allow-Origin"] == origin
    assert "Access-Control-Allow-Origin" not in other.headers


def test_qa_is_not_offered_unless_asked_for(shared_collector: Collector) -> None:
    assert httpx.get(f"{shared_collector.url}/qa/events?session_id=x").status_code == 404


def test_nothing_is_answered_before_the_commit(collector: Collector) -> None:
    """Another client holds the database's write lock: the answer has to wait for it, and then the
    row is there."""
    source = collector.add_source()
    with (
        contextlib.closing(sqlite3.connect(collector.db, isolation_level=None)) as other,
        ThreadPoolExecutor(1) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        answer = pool.submit(collector.post, body(source))
        with pytest.raises(httpx.ReadTimeout):
            collector.post(body(source), timeout=1)
        assert not answer.done()
        other.execute("COMMIT")
        assert answer.result().status_code == 200
    assert answer.result().json()["events"][0] in {row["id"] for row in collector.events(source)}


def test_a_database_that_stays_locked_is_answered_503_and_nothing_is_lost_later(
    collector: Collector,
) -> None:
    source = collector.add_source()
    with contextlib.closing(sqlite3.connect(collector.db, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        refused = collector.post(body(source))
        other.execute("COMMIT")
    assert (refused.status_code, refused.headers["X-Collector-Reason"]) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) > 0
    assert collector.post(body(source)).status_code == 200
    assert len(collector.events(source)) == 1


def test_another_client_may_read_and_write_while_the_collector_runs(collector: Collector) -> None:
    source = collector.add_source()
    for _ in range(20):
        collector.post(body(source))
        collector.add_source()
    assert len(collector.events(source)) == 20


def test_sigterm_finishes_what_was_accepted(collector: Collector) -> None:
    source = collector.add_source()
    with ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(collector.post, body(source)) for _ in range(100)]
        wait_for(lambda: len(collector.events(source)) > 10, "some rows")
        assert collector.stop() == 0
    acknowledged = set()
    for answer in answers:
        if answer.exception() is None and answer.result().status_code == 200:
            acknowledged |= set(answer.result().json()["events"])
    stored = [row["id"] for row in collector.events(source)]
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))


def test_ctrl_c_stops_cleanly_and_leaves_no_process(tmp_path: Path) -> None:
    collector = Collector(tmp_path, workers=2).start()
    children = collector.children()
    assert len(children) == 3
    assert collector.process
    collector.process.send_signal(signal.SIGINT)
    assert collector.process.wait(30) == 0
    assert not [child for child in children if Path(f"/proc/{child}").exists()]
    assert not [line for line in collector.log if "Traceback" in line]


@pytest.mark.parametrize("role", ["writer", "worker"])
def test_a_killed_process_is_replaced(tmp_path: Path, role: str) -> None:
    collector = Collector(tmp_path).start()
    source = collector.add_source()
    (victim,) = collector.children(role)
    assert collector.post(body(source)).status_code == 200
    os.kill(victim, signal.SIGKILL)

    def stored() -> bool:
        with contextlib.suppress(httpx.TransportError):
            return collector.post(body(source)).status_code == 200
        return False

    wait_for(stored, "the collector to store again")
    assert victim not in collector.children()
    assert len(collector.children()) == 2
    assert collector.stop() == 0


def test_orphans_end_when_the_supervisor_is_killed(tmp_path: Path) -> None:
    collector = Collector(tmp_path, workers=2).start()
    children = collector.children()
    assert collector.process
    os.kill(collector.process.pid, signal.SIGKILL)
    collector.process.wait(10)
    wait_for(
        lambda: not [c for c in children if Path(f"/proc/{c}").exists()], "the children to end"
    )
    assert collector.start().post(body(collector.add_source())).status_code == 200
    collector.end()


def test_a_taken_port_is_said_in_one_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run("serve", "--port", str(port), "--db", str(tmp_path / "x.db"))
    assert done.returncode == 2
    assert done.stderr.startswith(
        f"Error: Cannot listen on 127.0.0.1:{port}: Address already in use."
    )
    assert done.stderr.count("\n") == 1


def test_a_file_that_is_no_database_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "x.db").write_text(
        "this is a letter, not a database, and long enough to be read as one " * 20
    )
    done = run("serve", "--port", "0", "--db", str(tmp_path / "x.db"))
    assert (done.returncode, done.stderr) == (
        1,
        f"Error: The database {tmp_path / 'x.db'} cannot be used: file is not a database.\n",
    )


def test_an_outbox_that_is_full_is_answered_503(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--queue-mb", "1")).start()
    source = collector.add_source()
    big = body(source) | {"context": {"text": "x" * 200_000}}
    with (
        contextlib.closing(sqlite3.connect(collector.db, isolation_level=None)) as other,
        ThreadPoolExecutor(10) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        answers = list(
            pool.map(
                lambda _: collector.post(
                    big | {"events": [{"id": str(uuid.uuid4()), "type": "a"}]}
                ),
                range(10),
            )
        )
        other.execute("COMMIT")
    statuses = [answer.status_code for answer in answers]
    assert set(statuses) <= {200, 503}
    assert 503 in statuses
    assert len(collector.events(source)) == statuses.count(200)
    collector.end()


def test_the_database_is_readable_with_plain_sqlite(collector: Collector) -> None:
    source = collector.add_source()
    collector.post(body(source) | {"session": {"id": source}})
    (row,) = collector.rows(
        "SELECT e.type, s.name, json_extract(e.properties, '$.x') AS x, datetime(e.received_at) AS at"
        " FROM events e JOIN sources s ON s.id = e.source_id JOIN sessions v ON v.id = e.session_id"
        " JOIN profiles p ON p.id = e.profile_id AND p.id = v.profile_id"
    )
    assert (row["type"], row["name"], row["x"]) == ("a", "Test", None)
    assert row["at"].startswith("20")
    assert collector.rows("PRAGMA foreign_key_check") == []


@pytest.mark.parametrize(
    ("where", "indexes", "is_sorted"),
    [
        ("source_id = 'x' ORDER BY seq DESC LIMIT 5", ["events_of_source"], False),
        ("type = 'x' ORDER BY seq DESC LIMIT 5", ["events_of_type"], False),
        ("seq > 5 ORDER BY seq LIMIT 5", ["INTEGER PRIMARY KEY (rowid>?)"], False),
        ("id = 'x'", ["sqlite_autoindex_event_rows_1"], False),
        ("source_id = 'x' AND id = 'y'", ["sqlite_autoindex_event_rows_1"], False),
        # One visitor's events are few, so sorting them costs nothing.
        ("session_id = 'x' ORDER BY seq DESC LIMIT 5", ["requests_of_session"], True),
        ("profile_id = 'x' ORDER BY seq", ["sessions_of_profile", "requests_of_session"], True),
    ],
)
def test_common_questions_have_an_index(
    collector: Collector, where: str, indexes: list[str], is_sorted: bool
) -> None:
    rows = collector.rows(f"EXPLAIN QUERY PLAN SELECT * FROM events WHERE {where}")
    plan = [str(row["detail"]) for row in rows]
    for index in indexes:
        assert any(index in step for step in plan), plan
    assert any("TEMP B-TREE" in step for step in plan) == is_sorted, plan
    assert not any(step == "SCAN e" for step in plan), plan


def test_our_own_mistakes_tell_a_request_id_and_nothing_else(collector: Collector) -> None:
    """A trigger that no code of ours expects stands for the mistake; what it says must not leave
    the house."""
    source = collector.add_source()
    with contextlib.closing(sqlite3.connect(collector.db)) as other:
        other.execute(
            "CREATE TRIGGER mistake BEFORE INSERT ON event_rows WHEN NEW.id = 'boom'"
            " BEGIN SELECT RAISE(ABORT, 'inner secret'); END"
        )
        other.commit()
    refused = collector.post(
        {"source": {"id": source}, "events": [{"id": "boom", "type": "b"}]},
        headers={"Origin": "https://a.example.com"},
    )
    assert (refused.status_code, refused.headers["X-Collector-Reason"]) == (500, "internal")
    assert refused.headers["Access-Control-Allow-Origin"] == "https://a.example.com"
    assert refused.json() == {"detail": "Internal error.", "request": refused.json()["request"]}
    wait_for(
        lambda: [
            line
            for line in collector.log
            if refused.json()["request"] in line and "inner secret" in line
        ],
        "the log",
    )
    assert collector.post({"source": {"id": source}, "events": [{"type": "a"}]}).status_code == 200
    assert [row["type"] for row in collector.events(source)] == ["a"]
    counted = httpx.get(f"{collector.url}/metrics").text
    assert f'thamesthrive_events_total{{reason="internal",source="{source}"}} 1.0' in counted


def test_events_are_counted_in_the_rollups_when_it_is_quiet(collector: Collector) -> None:
    source = collector.add_source()
    collector.post(body(source))
    counted = "SELECT count FROM rollups WHERE kind = 'types' AND grain = 'hour'"
    wait_for(lambda: collector.rows(counted) == [{"count": 1}] or None, "the event to be counted")


def test_events_are_counted_under_load_too(collector: Collector) -> None:
    """No moment is quiet while a sender never pauses."""
    source = collector.add_source()

    def mark() -> int:
        return int(collector.rows("SELECT seq FROM rollup_marks")[0]["seq"])

    events = [{"type": "a"}] * 100
    with httpx.Client() as client:
        for _ in range(2000):
            answer = client.post(
                f"{collector.url}/track", json={"source": {"id": source}, "events": events}
            )
            assert answer.status_code == 200
            if mark():
                break
    assert mark() > 0
    assert run("db", "check", "--db", str(collector.db)).returncode == 0


def test_what_a_former_run_has_not_counted_is_counted_at_the_start(collector: Collector) -> None:
    collector.post(body(collector.add_source()))
    with collector.database() as database:
        database.execute("DELETE FROM rollups")
        database.execute("UPDATE rollup_marks SET seq = 0")
        database.conn.commit()
    collector.end()
    collector.start()
    counted = "SELECT count FROM rollups WHERE kind = 'types' AND grain = 'hour'"
    wait_for(lambda: collector.rows(counted) == [{"count": 1}] or None, "the event to be counted")


def test_a_worker_that_still_starts_does_not_delay_the_end(tmp_path: Path) -> None:
    for _ in range(4):
        collector = Collector(tmp_path).start()
        (worker,) = collector.children("worker")
        os.kill(worker, signal.SIGKILL)
        wait_for(lambda it=collector, old=worker: {*it.children("worker")} - {old}, "another")  # type: ignore[misc]
        assert collector.stop() == 0
        said = "\n".join(collector.log)
        assert "killing it" not in said
        assert "Traceback" not in said


def test_sigterm_while_it_starts_ends_the_collector(tmp_path: Path) -> None:
    command = [*COMMAND, "serve", "--db", tmp_path / "x.db", "--port", 0, "--drain-seconds", 0]
    for role in ("writer", "worker"):
        starting = Collector(tmp_path)
        starting.process = subprocess.Popen(
            [str(part) for part in command],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        wait_for(lambda it=starting, role=role: it.children(role), f"a {role}")  # type: ignore[misc]
        starting.process.send_signal(signal.SIGTERM)
        _, said = starting.process.communicate(timeout=19)
        assert starting.process.returncode == 0
        assert "killing it" not in said
        assert "Traceback" not in said


def test_a_source_is_removed_under_traffic(collector: Collector) -> None:
    """Of itself, and of another source whose senders notice nothing."""
    gone, kept = collector.add_source(), collector.add_source()
    acknowledged: set[str] = set()
    statuses: set[int] = set()
    is_over = threading.Event()

    def send(source: str) -> None:
        with httpx.Client() as client:
            while not is_over.is_set():
                name = str(uuid.uuid4())
                events = [{"id": f"{name}-{n}", "type": "a"} for n in range(3)]
                body = {"source": {"id": source}, "session": {"id": name}, "events": events}
                answer = client.post(f"{collector.url}/track", json=body)
                if source == kept:
                    statuses.add(answer.status_code)
                    acknowledged.update(answer.json().get("events", ()))

    stored = "SELECT count(*) AS count FROM events WHERE source_id = ?"
    with ThreadPoolExecutor(4) as pool:
        senders = [pool.submit(send, source) for source in (gone, gone, kept, kept)]
        wait_for(lambda: collector.rows(stored, gone)[0]["count"] > 2000, "events to be stored")
        removed = run("source", "remove", gone, "--with-events", "--db", str(collector.db))
        is_over.set()
        for sender in senders:
            sender.result()
    assert removed.returncode == 0, removed.stderr
    assert collector.rows("SELECT id FROM sources") == [{"id": kept}]
    assert {row["source_id"] for row in collector.rows("SELECT source_id FROM sessions")} == {kept}
    assert statuses == {200}
    found = collector.rows("SELECT id, source_id FROM events")
    assert {row["id"] for row in found} == acknowledged
    assert run("db", "check", "--db", str(collector.db)).returncode == 0
