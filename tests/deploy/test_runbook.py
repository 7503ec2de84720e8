"""What the runbook tells people to do, done."""

import contextlib
import re
import shutil
import sqlite3
import subprocess
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from collector import store

from ..support import ROOT, Collector, run, wait_for

CONFIG = ROOT / "deploy" / "litestream.yml"


def fill(collector: Collector, source: str, number: int) -> None:
    for n in range(number):
        events = [{"id": str(uuid.uuid4()), "type": "a", "properties": {"text": "x" * 500}}] * 20
        body = {"source": {"id": source}, "session": {"id": f"s-{n % 9}"}, "events": events}
        for event in events:
            event["id"] = str(uuid.uuid4())
        assert collector.post(body).status_code == 200


@pytest.mark.skipif(not shutil.which("litestream"), reason="there is no Litestream here")
def test_what_litestream_copies_while_events_come_can_be_restored(tmp_path: Path) -> None:
    collector = Collector(tmp_path / "live", workers=2)
    collector.db.parent.mkdir()
    collector.start()
    source = collector.add_source()
    config = tmp_path / "litestream.yml"
    text = CONFIG.read_text().replace("/var/lib/thamesthrive/events.db", str(collector.db))
    config.write_text(text.replace("/backups/thamesthrive", str(tmp_path / "copies")))
    copy = tmp_path / "restored" / "events.db"
    copy.parent.mkdir()
    restore = ["litestream", "restore", "-config", str(config), "-o", str(copy), str(collector.db)]

    def restored() -> bool:
        copy.unlink(missing_ok=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run(restore, capture_output=True, check=False, timeout=10)
        return copy.exists() and _count(copy) == len(collector.events(source))

    with (tmp_path / "log").open("w") as log:
        replicate = ["litestream", "replicate", "-config", str(config)]
        process = subprocess.Popen(replicate, stdout=log, stderr=log)
        try:
            fill(collector, source, 300)
            collector.kill()  # all at once, as with the machine
            wait_for(restored, "all events to be in the copy")
        finally:
            process.terminate()
            process.wait(20)
    assert run("db", "check", "--db", str(copy)).returncode == 0
    second = Collector(copy.parent).start()
    assert second.events(source) == collector.events(source)
    assert second.post({"source": {"id": source}, "events": [{"type": "b"}]}).status_code == 200
    second.end()


def _count(path: Path) -> int:
    with closing(store.connect_readonly(path)) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def _dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_an_older_program_refuses_a_newer_database_and_changes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "events.db"
    run("source", "add", "Shop", "--db", str(path))
    with closing(store.connect(path)) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('thamesthrive', 'm999_future', '2030-01-01')"
        )
    before = _dump(path)
    done = run("serve", "--db", str(path), "--port", "0")
    assert done.returncode == 2
    assert "m999_future" in done.stderr
    assert re.search(r"Install that version, or restore an older backup", done.stderr)
    assert _dump(path) == before


@pytest.mark.skipif(not shutil.which("logrotate"), reason="there is no logrotate here")
def test_a_rotated_log_goes_on_in_the_same_file(tmp_path: Path) -> None:
    log = tmp_path / "collector.log"
    text = (ROOT / "deploy" / "thamesthrive.logrotate").read_text()
    config = tmp_path / "logrotate.conf"
    config.write_text(text.replace("/var/log/thamesthrive/*.log", str(log)))
    rotate = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(config)]
    with log.open("a") as output:
        print("before", file=output, flush=True)
        subprocess.run(rotate, capture_output=True, check=True)
        print("after", file=output, flush=True)
    assert log.read_text() == "after\n"
    assert (tmp_path / "collector.log.1").read_text() == "before\n"
