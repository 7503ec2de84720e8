"""Disks that are full or locked, and crashes: refused or kept, never acknowledged and lost."""

import contextlib
import os
import shutil
import signal
import sqlite3
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import store
from collector.store import move

from ..support import Collector, wait_for
from ..unit.test_layout import check_moved, fill_before

HELD = (
    30.0 if os.environ.get("FAULTS") == "long" else 1.0
)  # seconds that a lock is held, and at least one round of requests
ROUNDS = 10 if os.environ.get("FAULTS") == "long" else 3


def batch(source: str, size: int = 3) -> dict[str, Any]:
    events = [
        {"id": str(uuid.uuid4()), "type": "a", "properties": {"text": "x" * 500}}
        for _ in range(size)
    ]
    return {"source": {"id": source}, "session": {"id": "s-" + source}, "events": events}


def check(collector: Collector, source: str, acknowledged: set[str]) -> None:
    stored = [row["id"] for row in collector.events(source)]
    assert acknowledged <= set(stored)
    assert len(stored) == len(set(stored))
    assert collector.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]


@pytest.mark.faults
def test_a_full_disk_is_answered_503_and_storing_goes_on_when_there_is_room(
    small_disk: Path,
) -> None:
    collector = Collector(small_disk, workers=2).start()
    source = collector.add_source()
    acknowledged: set[str] = set()

    def send() -> httpx.Response:
        body = batch(source, 40)
        answer = collector.post(body)
        if answer.status_code == 200:
            acknowledged.update(answer.json()["events"])
        return answer

    refused = wait_for(
        lambda: r if (r := send()).status_code != 200 else None, "the disk to be full", 60
    )
    assert (refused.status_code, refused.headers["X-Collector-Reason"]) == (503, "overloaded")
    assert int(refused.headers["Retry-After"]) > 0
    assert httpx.get(f"{collector.url}/ready").status_code == 503
    assert len(acknowledged) > 100
    check(collector, source, acknowledged)
    (small_disk / "ballast").unlink()
    wait_for(lambda: send().status_code == 200, "storing to go on", 30)
    check(collector, source, acknowledged)
    said = "storing works again"
    wait_for(lambda: said in "\n".join(collector.log), said)
    assert collector.stop() == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A file system of 24 MB with 16 MB of ballast; without the right to mount one, a quota by
    SQLite itself is no disk."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = f"mount -t tmpfs -o size=24m tmpfs {folder}"
    if os.geteuid() != 0 or os.system(f"{command} 2>/dev/null") != 0:
        pytest.skip("mounting a small disk needs root")
    try:
        (folder / "ballast").write_bytes(b"x" * 16 * 1024 * 1024)
        yield folder
    finally:
        os.system(f"umount -l {folder}")


@pytest.mark.faults
def test_moving_into_the_lean_layout_survives_a_full_disk(
    small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is wrong, and goes on where it ended when there is room."""
    path = small_disk / "events.db"
    expected = fill_before(path)
    monkeypatch.setattr(move, "BATCH", 500)
    room = shutil.disk_usage(small_disk).free
    with (small_disk / "more").open("wb") as more:
        more.write(b"x" * (room - 1024 * 1024))
    with pytest.raises(sqlite3.OperationalError, match="disk is full"):
        store.migrate(path)
    with contextlib.closing(store.connect(path)) as connection:
        left = connection.execute("SELECT count(*) FROM events_before").fetchone()[0]
    assert left > 0
    for file in ("more", "ballast"):
        (small_disk / file).unlink()
    store.migrate(path)
    check_moved(path, expected)


@pytest.mark.faults
def test_a_lock_held_for_long_by_another_client_loses_nothing(collector_of_two: Collector) -> None:
    collector = collector_of_two
    source = collector.add_source()
    acknowledged: set[str] = set()
    with (
        contextlib.closing(sqlite3.connect(collector.db, isolation_level=None)) as other,
        ThreadPoolExecutor(8) as pool,
    ):
        other.execute("BEGIN IMMEDIATE")
        until, statuses = time.monotonic() + HELD, set()
        while time.monotonic() < until:
            statuses |= {
                answer.status_code
                for answer in pool.map(
                    lambda _: collector.post(batch(source), timeout=30), range(40)
                )
            }
        other.execute("COMMIT")
    assert statuses == {503}
    wait_for(lambda: collector.post(batch(source)).status_code == 200, "storing to go on")
    check(collector, source, acknowledged)
    assert len(collector.events(source)) == 3


@pytest.mark.faults
def test_the_files_as_a_crash_leaves_them_have_what_was_answered(tmp_path: Path) -> None:
    """kill -9 of everything right after an answer, and a copy of the files as they are then: what
    an answer promised is in the copy alone. That each commit is also synced to the disk is seen in
    the system calls."""
    collector = Collector(tmp_path / "a", workers=1)
    (tmp_path / "a").mkdir()
    collector.start()
    source = collector.add_source()
    acknowledged: set[str] = set()
    for round_ in range(5):
        for _ in range(10):
            acknowledged.update(collector.post(batch(source)).json()["events"])
        copy = tmp_path / f"copy-{round_}"
        copy.mkdir()
        collector.kill()
        for part in (
            "events.db",
            "events.db-wal",
        ):  # without the shared memory: it is not on a disk
            if (tmp_path / "a" / part).exists():
                shutil.copy(tmp_path / "a" / part, copy / part)
        restored = Collector(copy)
        restored.start()
        check(restored, source, acknowledged)
        assert restored.stop() == 0
        collector.start()
    assert len(acknowledged) == 150


@pytest.mark.faults
@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
def test_each_answer_waits_for_a_sync(collector: Collector, tmp_path: Path) -> None:
    """One request at a time, and the writer's system calls: a sync of the log stands before each
    answer."""
    import subprocess

    source = collector.add_source()
    collector.post(batch(source))
    trace = tmp_path / "trace"
    command = [
        "strace",
        "-f",
        "-e",
        "trace=fdatasync,fsync,sendto",
        "-o",
        str(trace),
        "-p",
        str(collector.children("writer")[0]),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr
        tracer.stderr.readline()  # attached
        for _ in range(20):
            assert collector.post(batch(source)).status_code == 200
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
    calls = [
        line.split("(")[0].split()[-1]
        for line in trace.read_text().splitlines()
        if "(" in line and "resumed" not in line
    ]
    sends = [place for place, call in enumerate(calls) if call == "sendto"]
    assert len(sends) == 20
    for before, after in zip([-1, *sends], sends, strict=False):
        assert {"fdatasync", "fsync"} & set(calls[before + 1 : after])


@pytest.mark.faults
def test_sigterm_under_load_acknowledges_only_what_is_stored(tmp_path: Path) -> None:
    collector = Collector(tmp_path, workers=2)
    source, acknowledged = "", set[str]()
    for _ in range(ROUNDS):
        collector.start()
        source = source or collector.add_source()
        with ThreadPoolExecutor(8) as pool:
            answers = [pool.submit(collector.post, batch(source)) for _ in range(60)]
            wait_for(lambda: sum(a.done() for a in answers) > 10, "some answers")  # noqa: B023
            assert collector.stop() == 0
        for answer in answers:
            if answer.exception() is None and answer.result().status_code == 200:
                acknowledged |= set(answer.result().json()["events"])
        check(collector, source, acknowledged)
    assert len(acknowledged) > ROUNDS * 30
