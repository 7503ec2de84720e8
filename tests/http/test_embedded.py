"""A collector that another program runs: `collector.running`."""

import os
import signal
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import httpx
import pytest
from sqlite_utils import Database

from collector import Settings, embedded, running, store
from collector.errors import SettingsError

from ..support import ROOT, wait_for


def test_a_program_runs_a_collector_and_finds_its_events(tmp_path: Path) -> None:
    db = tmp_path / "events.db"
    with running(Settings(db=db, port=0, workers=2, drain_seconds=0.0)) as collector:
        with closing(store.connect(db)) as connection:
            source = store.add_source(Database(connection), "Shop").id
        body = {"source": {"id": source}, "events": [{"id": "e1", "type": "sign-up"}]}
        answer = httpx.post(f"{collector.url}/track", json=body)
    assert answer.json()["events"] == ["e1"]
    with closing(store.connect_readonly(db)) as connection:
        assert [event.id for event in store.list_events(connection)] == ["e1"]
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{collector.url}/health")


def test_a_port_that_is_taken_is_said(tmp_path: Path) -> None:
    settings = Settings(db=tmp_path / "a.db", port=0, workers=1, drain_seconds=0.0)
    with running(settings) as collector:
        port = int(collector.url.rpartition(":")[2])
        with (
            pytest.raises(SettingsError, match=f"Cannot listen on 127.0.0.1:{port}: .*--port"),
            running(Settings(db=tmp_path / "b.db", port=port, workers=1)),
        ):
            pass
    assert not (tmp_path / "b.db").exists()


def test_one_that_never_answers_is_not_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where each of its processes ends with a traceback."""
    monkeypatch.setattr(embedded, "START_TIMEOUT", 0.0)
    with (
        pytest.raises(SettingsError, match="has not answered within 0 s"),
        running(Settings(db=tmp_path / "x.db", port=0, workers=1)),
    ):
        pass


def test_it_ends_with_the_program_that_runs_it(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from collector import Settings, running\n"
        "with running(Settings(db=Path(sys.argv[1]), port=0, workers=1)) as c:\n"
        "    print(c.url, flush=True); time.sleep(600)"
    )
    program = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "x.db")],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert program.stdout
    with program, program.stdout as output:
        url = output.readline().strip()
        assert httpx.get(f"{url}/health").status_code == 200
        program.send_signal(signal.SIGKILL)

    def gone() -> bool:
        try:
            httpx.get(f"{url}/health")
        except httpx.TransportError:
            return True
        return False

    wait_for(gone, "the collector to end")
