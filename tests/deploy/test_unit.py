"""The systemd unit: what it leaves open, and that a collector works under it."""

import ctypes.util
import os
import re
import shutil
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import httpx
import pytest

from ..support import COMMAND, ROOT, Collector, run, wait_for
from .confined import PR_SET_MDWE, settings

UNIT = ROOT / "deploy" / "thamesthrive.service"
LAUNCHER = [sys.executable, "-m", "tests.deploy.confined", str(UNIT)]
needs_systemd = pytest.mark.skipif(
    not shutil.which("systemd-analyze"), reason="there is no systemd-analyze here"
)


@needs_systemd
def test_the_unit_exposes_little() -> None:
    command = ["systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = re.search(r"Overall exposure level for \S+: (\S+)", shown)
    assert found
    assert float(found[1]) <= 2.0, shown


def test_the_unit_bounds_memory_and_keeps_files_private() -> None:
    given = settings(UNIT)
    assert given["UMask"] == ["0077"]
    assert given["MemoryMax"] == ["2G"]


class Confined(Collector):
    """A collector under the restrictions of the unit."""

    command: ClassVar[list[str]] = [*LAUNCHER, *COMMAND]


def can_confine() -> bool:
    """Whether this kernel and this machine can do what the unit wants, without systemd."""
    if not (shutil.which("systemd-analyze") and ctypes.util.find_library("seccomp")):
        return False
    code = f"import ctypes; raise SystemExit(-ctypes.CDLL(None).prctl({PR_SET_MDWE}, 1, 0, 0, 0))"
    return subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


@pytest.fixture
def confined(tmp_path: Path) -> Iterator[Confined]:
    if not can_confine():
        pytest.skip("needs systemd-analyze, libseccomp, and Linux 6.3 or later")
    collector = Confined(tmp_path, workers=2)
    collector.start()
    yield collector
    collector.end()


def body(source: str) -> dict[str, Any]:
    events = [{"id": str(uuid.uuid4()), "type": "a", "context": {"page": {"url": "https://a.b/"}}}]
    return {"source": {"id": source}, "session": {"id": source}, "events": events}


def test_a_collector_works_under_the_units_restrictions(confined: Confined, tmp_path: Path) -> None:
    """Stores, is administered, replaces what was killed, is backed up, and stops in order."""
    for child in confined.children():
        status = Path(f"/proc/{child}/status").read_text()
        assert re.search(r"^Seccomp:\t2$", status, re.MULTILINE)
        assert re.search(r"^NoNewPrivs:\t1$", status, re.MULTILINE)
        assert re.search(r"^CapEff:\t0+$", status, re.MULTILINE)
    source = confined.add_source(retention_days=1, numbers=("a:n",))
    assert [confined.post(body(source)).status_code for _ in range(50)] == [200] * 50
    for path in ("/health", "/ready", "/metrics", "/docs", "/tracker/tracker.min.js"):
        assert httpx.get(confined.url + path).status_code == 200, path
    for role in ("writer", "worker"):
        victim = confined.children(f"collector.child\0{role}")[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(lambda victim=victim: victim not in confined.children() and len(confined.children()) == 3, "another")  # type: ignore[misc]  # fmt: skip
    wait_for(lambda: confined.post(body(source)).status_code == 200, "the collector to be back")
    for command in (
        ["db", "backup", str(tmp_path / "copy.db"), "--db", str(confined.db)],
        ["db", "check", "--db", str(tmp_path / "copy.db")],
        ["events", "export", "-", "--format", "csv", "--db", str(confined.db)],
        ["doctor", "--db", str(confined.db), "--port", str(confined.port)],
    ):
        done = subprocess.run([*Confined.command, *command], cwd=ROOT, capture_output=True, text=True, check=False)  # fmt: skip
        assert done.returncode == 0, (command, done.stderr)
    assert confined.stop() == 0
    assert not [line for line in confined.log if re.search("error|Traceback|permitted|denied", line, re.IGNORECASE)]  # fmt: skip
    assert len(confined.events(source)) >= 51


def test_the_restrictions_are_there() -> None:
    """What the collector never does fails under them."""
    if not can_confine():
        pytest.skip("needs systemd-analyze, libseccomp, and Linux 6.3 or later")
    code = """
import mmap, os, socket
refused = 0
for attempt in (lambda: socket.socket(socket.AF_NETLINK), lambda: mmap.mmap(-1, 4096, prot=7), lambda: os.chroot("/"), lambda: os.nice(1)):
    try: attempt()
    except OSError: refused += 1
print(refused, oct(os.umask(0)))
"""
    command = [*LAUNCHER, sys.executable, "-c", code]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["4", "0o77"]


@needs_systemd
def test_the_unit_is_understood() -> None:
    """Nothing in it is unknown to systemd."""
    command = ["systemd-analyze", "verify", "--no-pager", str(UNIT)]
    shown = subprocess.run(command, capture_output=True, text=True, check=False).stderr
    assert not re.search(r"(?i)unknown|failed to parse|invalid|ignoring", shown), shown


def test_backups_are_restored_with_the_same_rows(tmp_path: Path) -> None:
    """The drill of the runbook: back up a running collector, restore, check, serve, compare."""
    collector = Collector(tmp_path / "live")
    collector.db.parent.mkdir()
    collector.start()
    source = collector.add_source()
    for _ in range(30):
        assert collector.post(body(source)).status_code == 200
    copy = tmp_path / "backup.db"
    assert run("db", "backup", str(copy), "--db", str(collector.db)).returncode == 0
    before = collector.events(source)
    assert collector.post(body(source)).status_code == 200  # after the backup
    collector.end()
    restored = Collector(tmp_path / "restored")
    restored.db.parent.mkdir()
    shutil.copy(copy, restored.db)
    assert run("db", "check", "--db", str(restored.db)).returncode == 0
    restored.start()
    assert restored.events(source) == before
    repeated = {"source": {"id": source}, "events": [{"id": before[0]["id"], "type": "a"}]}
    assert restored.post(repeated).json()["duplicate"] is True
    assert restored.post(body(source)).status_code == 200
    assert len(restored.events(source)) == 31
