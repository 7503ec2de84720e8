"""A temporary folder that is full, read-only, or gone: events are stored, and counted, all the
same."""

import contextlib
import os
import re
import shlex
import shutil
import signal
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ..support import Collector, wait_for

pytestmark = pytest.mark.faults

SOURCES = 60  # each has counts of its own: more than a page of memory of them


def mount(folder: Path, options: str) -> bool:
    return os.geteuid() == 0 and os.system(f"mount -t tmpfs {options} tmpfs {folder}") == 0


@pytest.fixture
def temp() -> Iterator[Path]:
    """A temporary folder with a short name: that of a Unix socket in it may have 107 characters."""
    folder = Path(tempfile.mkdtemp(prefix="tt-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def small_temp(temp: Path) -> Iterator[Path]:
    """A temporary folder on a file system of 1 MB."""
    if not mount(temp, "-o size=1m"):
        pytest.skip("mounting a small disk needs root")
    try:
        yield temp
    finally:
        os.system(f"umount -l {temp}")


def fill(folder: Path) -> None:
    """Takes all room that there is."""
    with contextlib.suppress(OSError), (folder / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 4096)


def post(collector: Collector, source: str) -> int:
    """Sends one event; the status, 0 for none."""
    event = {"id": str(uuid.uuid4()), "type": "a"}
    with contextlib.suppress(httpx.TransportError):
        return collector.post({"source": {"id": source}, "events": [event]}).status_code
    return 0


def stored(collector: Collector) -> dict[str, int]:
    """What /metrics says is stored of each source."""
    pattern = r'^thamesthrive_events_total\{reason="stored",source="(\S+)"\} (\S+)$'
    text = httpx.get(f"{collector.url}/metrics").text
    return {source: int(float(number)) for source, number in re.findall(pattern, text, re.M)}


def check_all_works(collector: Collector, known: str) -> None:
    """Events of one source that has been counted, and of many new ones; all processes as they were,
    and then each of them replaced."""
    before = stored(collector).get(known, 0)
    processes = collector.children()
    sources = [collector.add_source() for _ in range(SOURCES)]
    wait_for(lambda: post(collector, sources[-1]) == 200, "the new sources to be known")
    assert [post(collector, source) for source in [known, *sources[:-1]]] == [200] * SOURCES
    assert collector.children() == processes
    counts = stored(collector)
    assert [counts.get(source) for source in sources] == [1] * SOURCES
    assert counts[known] == before + 1
    for role in ("writer", "worker"):
        victim = collector.children(role)[0]
        os.kill(victim, signal.SIGKILL)
        wait_for(
            lambda old=victim: old not in collector.children() and len(collector.children()) == 3,  # type: ignore[misc]
            f"another {role}",
        )
        wait_for(lambda: post(collector, known) == 200, "events to be stored again")
    # What the killed processes had counted is not lost.
    rows = collector.rows("SELECT source_id, count(*) AS n FROM events GROUP BY source_id")
    assert stored(collector) == {row["source_id"]: row["n"] for row in rows}
    assert collector.stop() == 0


@pytest.mark.faults
def test_a_full_temporary_folder_ends_nothing(small_temp: Path, tmp_path: Path) -> None:
    collector = Collector(tmp_path, workers=2, env={"TMPDIR": str(small_temp)}).start()
    source = collector.add_source()
    wait_for(lambda: post(collector, source) == 200, "an event to be stored")
    fill(small_temp)
    check_all_works(collector, source)


@pytest.mark.faults
def test_a_temporary_folder_that_becomes_read_only_ends_nothing(
    small_temp: Path, tmp_path: Path
) -> None:
    collector = Collector(tmp_path, workers=2, env={"TMPDIR": str(small_temp)}).start()
    source = collector.add_source()
    wait_for(lambda: post(collector, source) == 200, "an event to be stored")
    # By force: what is open in it would keep it from that.
    assert os.system(f"umount -l {small_temp} && mount -t tmpfs -o ro tmpfs {small_temp}") == 0
    check_all_works(collector, source)


@pytest.mark.faults
def test_a_temporary_folder_that_vanishes_ends_nothing(temp: Path, tmp_path: Path) -> None:
    collector = Collector(tmp_path, workers=2, env={"TMPDIR": str(temp)}).start()
    source = collector.add_source()
    wait_for(lambda: post(collector, source) == 200, "an event to be stored")
    shutil.rmtree(temp)
    check_all_works(collector, source)


@pytest.mark.faults
def test_only_the_database_needs_a_folder_to_write_to(tmp_path: Path) -> None:
    """Every other file system is read-only, temporary folders too."""
    folder = tmp_path / "data"
    folder.mkdir()
    script = (
        f"mount --bind {folder} {folder} && mount -o remount,ro,bind / &&"
        ' mount -t tmpfs -o ro tmpfs /dev/shm && exec "$@"'
    )
    prefix = ("unshare", "--mount", "sh", "-c", script, "sh")
    if os.geteuid() != 0 or os.system(f"{shlex.join(prefix)} true") != 0:
        pytest.skip("mounting needs root")
    collector = Collector(folder, workers=2, prefix=prefix).start()
    source = collector.add_source()
    wait_for(lambda: post(collector, source) == 200, "an event to be stored")
    check_all_works(collector, source)


@pytest.mark.faults
def test_a_collector_leaves_nothing_in_the_temporary_folder(temp: Path, tmp_path: Path) -> None:
    """Nor has it a socket there that others could connect to."""
    collector = Collector(tmp_path, env={"TMPDIR": str(temp)}).start()
    source = collector.add_source()
    wait_for(lambda: post(collector, source) == 200, "an event to be stored")
    assert list(temp.iterdir()) == []
    collector.kill()
    assert list(temp.iterdir()) == []


@pytest.mark.faults
def test_a_temporary_folder_may_have_a_long_name(tmp_path: Path) -> None:
    folder = tmp_path / ("n" * 100)
    folder.mkdir()
    collector = Collector(tmp_path, env={"TMPDIR": str(folder)}).start()
    source = collector.add_source()
    wait_for(lambda: post(collector, source) == 200, "an event to be stored")
