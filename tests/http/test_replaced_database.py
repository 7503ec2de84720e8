"""A database file that is removed or replaced beneath a collector: nothing is acknowledged from
then on, and `/ready`, the log and `/api` say what to do."""

import os
import shutil
import signal
import sqlite3
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from collector import store

from ..support import Collector, wait_for


def body_of(source: str) -> dict[str, Any]:
    return {"source": {"id": source}, "events": [{"id": str(uuid.uuid4()), "type": "a"}]}


def take_away(db: Path) -> None:
    db.rename(db.with_name("away.db"))


def replace(db: Path) -> None:
    """Another database with the same sources, as a backup that was put in place."""
    other = db.with_name("other.db")
    with closing(store.connect_readonly(db)) as connection:
        store.backup(connection, other, lambda _, __: None)
    other.rename(db)


def replace_folder(db: Path) -> None:
    """A new database in a new folder, which takes the place of the other."""
    away, other = (db.parent.with_name(name) for name in ("away", "other"))
    other.mkdir()
    store.migrate(other / db.name)
    db.parent.rename(away)
    other.rename(db.parent)
    shutil.rmtree(away)


WAYS = [take_away, replace, replace_folder]


def complaints(collector: Collector) -> list[str]:
    """What the log says is wrong, without times."""
    said = "nothing is stored: "
    return [line.partition(said)[2] for line in collector.log if said in line]


def have_opened(collector: Collector) -> list[int]:
    """How many connections to the database each worker has."""
    found = []
    for worker in collector.children("collector.child\0worker"):
        names = []
        for link in Path(f"/proc/{worker}/fd").iterdir():
            with suppress(FileNotFoundError):  # it was closed meanwhile
                names.append(link.readlink())
        found.append(names.count(collector.db))
    return found


@pytest.fixture
def started(tmp_path: Path) -> Any:
    (tmp_path / "data").mkdir()
    collector = Collector(tmp_path / "data", workers=2).start()
    wait_for(lambda: have_opened(collector) == [2, 2], "both workers to be up")
    yield collector
    collector.end()


@pytest.mark.parametrize("change", WAYS)
def test_an_idle_collector_notices_it_within_a_second(
    started: Collector, change: Callable[[Path], None]
) -> None:
    change(started.db)
    ready = httpx.get(f"{started.url}/ready")
    assert ready.status_code == 503
    (problem,) = ready.json()["problems"]
    assert str(started.db) in problem
    assert "Put it back, or restart the collector" in problem
    # A second, and what a busy machine takes.
    for line in wait_for(lambda: complaints(started), "a line in the log", 5):
        assert "Put it back, or restart the collector" in line


@pytest.mark.parametrize("change", WAYS)
def test_no_event_is_acknowledged_once_it_is_noticed(
    started: Collector, change: Callable[[Path], None]
) -> None:
    source = started.add_source()
    assert started.post(body_of(source)).status_code == 200
    change(started.db)
    left = sorted(path.name for path in started.db.parent.iterdir())
    for _ in range(20):
        answer = started.post(body_of(source))
        assert (answer.status_code, answer.headers["X-Collector-Reason"]) == (503, "overloaded")
    wait_for(lambda: complaints(started), "a line in the log", 5)
    # Once, not once a request; a look between the two renames finds no file, which is another line.
    assert len(complaints(started)) == len(set(complaints(started)))
    assert sorted(path.name for path in started.db.parent.iterdir()) == left


def test_unknown_sources_are_not_refused_for_good(started: Collector) -> None:
    """The list of sources may be another one, too, and a tracker drops what is answered 401."""
    assert started.post(body_of(str(uuid.uuid4()))).status_code == 401
    take_away(started.db)
    wait_for(lambda: started.post(body_of(str(uuid.uuid4()))).status_code == 503, "503", 5)


def test_administrators_change_neither_file(started: Collector) -> None:
    with started.database() as database:
        _, token = store.create_token(database, "test")
    headers = {"Authorization": f"Bearer {token}"}
    assert httpx.get(f"{started.url}/api/sources", headers=headers).status_code == 200
    take_away(started.db)
    for send in (httpx.get, httpx.post):
        answer = send(f"{started.url}/api/sources", headers=headers)
        assert answer.status_code == 503
        assert "restart the collector" in answer.json()["detail"]
    assert not started.db.exists()


def test_storing_goes_on_when_the_file_is_back(started: Collector) -> None:
    source = started.add_source()
    take_away(started.db)
    assert started.post(body_of(source)).status_code == 503
    wait_for(lambda: complaints(started), "a line in the log", 5)
    started.db.with_name("away.db").rename(started.db)
    wait_for(lambda: started.post(body_of(source)).status_code == 200, "storing to go on")
    assert httpx.get(f"{started.url}/ready").status_code == 200
    assert len(started.events(source)) == 1
    wait_for(lambda: "storing works again" in "\n".join(started.log), "a line in the log")


def test_a_process_that_is_replaced_does_not_take_the_other_file(started: Collector) -> None:
    source = started.add_source()
    replace_folder(started.db)
    with closing(sqlite3.connect(started.db)) as connection:
        before = connection.execute("SELECT count(*) FROM events").fetchone()
    for child in (*started.children("collector.child\0writer"), started.children("\0worker")[0]):
        os.kill(child, signal.SIGKILL)
        wait_for(
            lambda child=child: f" {child} ended" in "\n".join(started.log),  # type: ignore[misc]
            "the supervisor to notice",
        )
    for _ in range(10):
        assert started.post(body_of(source), timeout=30).status_code == 503
    assert started.rows("SELECT count(*) FROM events")[0]["count(*)"] == before[0] == 0


def test_a_restart_goes_on_with_the_file_that_is_there(started: Collector) -> None:
    source = started.add_source()
    replace(started.db)
    assert started.post(body_of(source)).status_code == 503
    assert started.stop() == 0
    started.start()
    assert started.post(body_of(source)).status_code == 200
    assert len(started.events(source)) == 1
    assert started.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
