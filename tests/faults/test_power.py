"""A disk of the test's own that loses power, fails, turns read-only or hangs: what was answered is
there afterwards.

The disk is a file with ext4 on it. Its shutdown call drops whatever was not synced, as a power cut
does, and fails whatever comes after.
"""

import fcntl
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from ..support import Collector, run, wait_for
from .test_disk import ROUNDS, batch, check

EXT4_IOC_SHUTDOWN = 0x8004587D
WITHOUT_LOG = 2  # what is in memory only is lost, the file system's own journal too

pytestmark = pytest.mark.faults


@dataclass
class Disk:
    """An ext4 file system on a file."""

    image: Path
    folder: Path

    def mount(self, *options: str) -> None:
        subprocess.run(
            ["mount", "-o", ",".join(["loop", *options]), self.image, self.folder],
            check=True,
            capture_output=True,
        )

    def unmount(self) -> None:
        subprocess.run(["umount", self.folder], check=True)

    def cut_power(self) -> None:
        descriptor = os.open(self.folder, os.O_RDONLY)
        try:
            fcntl.ioctl(descriptor, EXT4_IOC_SHUTDOWN, struct.pack("I", WITHOUT_LOG))
        finally:
            os.close(descriptor)

    def fail_once(self) -> None:
        """An error of the file system; mounted with errors=remount-ro it is read-only from then
        on."""
        device = subprocess.run(
            ["findmnt", "-no", "SOURCE", self.folder], check=True, capture_output=True, text=True
        ).stdout.strip()
        Path(f"/sys/fs/ext4/{Path(device).name}/trigger_fs_error").write_text("test")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    if os.geteuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("a disk of one's own needs root and mkfs.ext4")
    made = Disk(tmp_path / "image", tmp_path / "disk")
    made.folder.mkdir()
    with made.image.open("wb") as image:
        image.truncate(96 * 1024 * 1024)
    subprocess.run(["mkfs.ext4", "-q", made.image], check=True)
    try:
        made.mount()
    except subprocess.CalledProcessError:
        pytest.skip("this machine mounts no loop devices")
    yield made
    subprocess.run(["umount", "-l", made.folder], check=False, capture_output=True)


def test_a_power_cut_under_load_loses_nothing_that_was_answered(disk: Disk) -> None:
    """What was answered before the cut begins. Later, ext4's ioctl is not like a cut: an fdatasync
    that runs meanwhile may succeed and lose what it wrote (a loop of pwrite and fdatasync lost its
    last page in 6 of 400 cuts, and none that it had finished before)."""
    promised: set[str] = set()
    source = ""
    for _ in range(ROUNDS):
        collector = Collector(disk.folder, workers=2).start()
        source = source or collector.add_source()
        answered: set[str] = set()  # in this round: what came after the cut is not promised later

        def send(
            collector: Collector = collector, source: str = source, answered: set[str] = answered
        ) -> None:
            for _ in range(200):
                try:
                    answer = collector.post(batch(source))
                except httpx.TransportError:
                    return
                if answer.status_code == 200:
                    answered.update(answer.json()["events"])

        with ThreadPoolExecutor(8) as pool:
            senders = [pool.submit(send) for _ in range(8)]
            wait_for(lambda answered=answered: len(answered) > 200, "enough answers")  # type: ignore[misc]
            promised |= answered
            disk.cut_power()
            collector.kill()
        for sender in senders:
            sender.result()
        disk.unmount()
        disk.mount()
    collector = Collector(disk.folder, workers=2).start()
    assert len(promised) > ROUNDS * 200
    check(collector, source, promised)
    assert collector.post(batch(source)).status_code == 200
    assert collector.stop() == 0


def test_a_disk_that_fails_is_answered_503_and_nothing_that_was_answered_is_lost(
    disk: Disk,
) -> None:
    collector = Collector(disk.folder).start()
    source = collector.add_source()
    acknowledged = set(collector.post(batch(source)).json()["events"])
    disk.cut_power()
    refused = collector.post(batch(source))
    assert (refused.status_code, refused.headers["X-Collector-Reason"]) == (503, "overloaded")
    said = "nothing is stored: "
    wait_for(lambda: said in "\n".join(collector.log), said)
    assert httpx.get(f"{collector.url}/ready").status_code == 503
    collector.kill()
    disk.unmount()
    disk.mount()
    check(collector.start(), source, acknowledged)
    assert collector.stop() == 0


def test_a_disk_that_turns_read_only_is_answered_503(disk: Disk) -> None:
    disk.unmount()
    disk.mount("errors=remount-ro")
    collector = Collector(disk.folder).start()
    source = collector.add_source()
    acknowledged = set(collector.post(batch(source)).json()["events"])
    disk.fail_once()
    refused = wait_for(
        lambda: r if (r := collector.post(batch(source))).status_code != 200 else None,
        "the disk to be read-only",
    )
    assert (refused.status_code, refused.headers["X-Collector-Reason"]) == (503, "overloaded")
    assert httpx.get(f"{collector.url}/ready").status_code == 503
    collector.kill()
    disk.unmount()
    disk.mount()
    check(collector.start(), source, acknowledged)
    assert collector.post(batch(source)).status_code == 200
    assert collector.stop() == 0


def test_a_read_only_disk_is_told_at_the_start_in_one_line(disk: Disk) -> None:
    Collector(disk.folder).start().stop()
    disk.unmount()
    disk.mount("ro")
    done = run("serve", "--db", str(disk.folder / "events.db"), "--port", "0")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert f"{disk.folder}/events.db" in done.stderr
    assert "read-only" in done.stderr


@pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")
@pytest.mark.parametrize("call", ["fdatasync", "pwrite64"])
def test_storing_goes_on_by_itself_when_the_disk_has_failed_for_a_while(
    collector: Collector, call: str
) -> None:
    source = collector.add_source()
    acknowledged = set(collector.post(batch(source)).json()["events"])
    body = batch(source)
    (writer,) = collector.children("writer")
    command = [
        "strace",
        "-f",
        "-e",
        f"trace={call}",
        "-e",
        f"inject={call}:error=EIO",
        "-p",
        str(writer),
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr
        tracer.stderr.readline()  # attached
        statuses = [collector.post(body).status_code for _ in range(5)]
        tracer.send_signal(signal.SIGINT)
        tracer.communicate(timeout=10)
    assert statuses == [503] * 5
    answer = collector.post(body)
    assert answer.status_code == 200
    check(collector, source, acknowledged | set(answer.json()["events"]))
    assert len(collector.events(source)) == 6


def test_a_writer_that_hangs_is_answered_503_in_time_and_a_repeat_is_counted_once(
    collector: Collector,
) -> None:
    source = collector.add_source()
    body = batch(source)
    (writer,) = collector.children("writer")
    os.kill(writer, signal.SIGSTOP)
    try:
        refused = collector.post(body)
        assert (refused.status_code, refused.headers["X-Collector-Reason"]) == (503, "overloaded")
        assert int(refused.headers["Retry-After"]) > 0
        assert collector.events(source) == []
    finally:
        os.kill(writer, signal.SIGCONT)
    assert collector.post(body).json()["duplicate"] is True
    assert len(collector.events(source)) == 3
