"""A database of a newer version: nothing of this version reads or writes it, whoever came first."""

import sqlite3
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from collector import store

from ..support import Collector, run, wait_for

COMMANDS = [
    ["serve", "--port", "0"],
    ["source", "list"],
    ["source", "add", "New"],
    ["schema", "list"],
    ["redirect", "list"],
    ["token", "create", "new"],
    ["events", "list"],
    ["events", "export", "-"],
    ["rejected", "list"],
    ["rejected", "replay"],
    ["report", "visits"],
    ["profile", "export", "x"],
    ["profile", "forget", "x", "--yes"],
    ["db", "backup", "copy.db"],
    ["db", "check"],
    ["db", "clock", "--accept"],
    ["db", "rollups", "rebuild"],
    ["cluster", "show"],
    ["cluster", "leave", "--yes"],
]


def migrate_to_a_newer_version(db: Path) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('thamesthrive', 'm099_future', 'x')"
        )


def go_back(db: Path) -> None:
    with closing(sqlite3.connect(db, isolation_level=None)) as connection:
        connection.execute("DELETE FROM _sqlite_migrations WHERE name = 'm099_future'")


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("newer") / "events.db"
    store.migrate(path)
    migrate_to_a_newer_version(path)
    return path


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_every_command_refuses_it_in_one_line(newer: Path, command: list[str]) -> None:
    before = newer.read_bytes()
    done = run(*command, "--db", str(newer), cwd=newer.parent)
    assert done.returncode == 2
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert "written by a newer version" in line
    assert "Install that version" in line
    assert newer.read_bytes() == before


def test_doctor_says_so(newer: Path) -> None:
    done = run("doctor", "--db", str(newer), "--port", "0")
    assert done.returncode == 1
    assert "written by a newer version" in done.stdout


def test_a_running_collector_notices_a_newer_version_beneath_it(collector: Collector) -> None:
    source = collector.add_source()
    with collector.database() as database:
        _, token = store.create_token(database, "test")
    body = {"source": {"id": source}, "events": [{"type": "a"}]}
    bad = {"source": {"id": source}, "events": [{"properties": {}}]}
    assert collector.post(body).status_code == 200
    wait_for(lambda: collector.rows("SELECT count FROM rollups"), "the event to be counted")
    before = collector.counts(), collector.rows("SELECT * FROM clock_marks")
    migrate_to_a_newer_version(collector.db)
    for request in (body, bad):
        answer = collector.post(request)
        assert answer.status_code == 503
        assert answer.headers["X-Collector-Reason"] == "overloaded"
    ready = httpx.get(f"{collector.url}/ready")
    assert ready.status_code == 503
    assert "newer version" in ready.json()["problems"][0]
    headers = {"Authorization": f"Bearer {token}"}
    for answer in (
        httpx.get(f"{collector.url}/api/sources", headers=headers),
        httpx.post(f"{collector.url}/api/sources", headers=headers, json={"name": "New"}),
    ):
        assert answer.status_code == 503
        assert "newer version" in answer.json()["detail"]
    assert any("newer version" in line for line in collector.log)
    assert (collector.counts(), collector.rows("SELECT * FROM clock_marks")) == before
    go_back(collector.db)
    assert collector.post(body).status_code == 200
    assert httpx.get(f"{collector.url}/ready").status_code == 200


def test_an_idle_collector_says_so_before_the_first_request(collector: Collector) -> None:
    assert httpx.get(f"{collector.url}/ready").status_code == 200
    migrate_to_a_newer_version(collector.db)
    assert httpx.get(f"{collector.url}/ready").status_code == 503


def test_sources_of_another_shape_are_no_mistake_of_ours(collector: Collector) -> None:
    source = collector.add_source()
    body = {"source": {"id": source}, "events": [{"type": "a"}]}
    assert collector.post(body).status_code == 200
    migrate_to_a_newer_version(collector.db)
    with closing(sqlite3.connect(collector.db, isolation_level=None)) as connection:
        connection.execute("ALTER TABLE sources RENAME COLUMN origins TO sites")
        connection.execute("UPDATE registry SET version = version + 1")
    unknown = {**body, "source": {"id": "unknown"}}
    wait_for(lambda: collector.post(unknown).status_code == 401, "the sources to be looked at")
    assert collector.post(body).status_code == 503
