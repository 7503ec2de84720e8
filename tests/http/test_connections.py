"""How many connections there may be, and which ends when there are too many."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from ..support import COMMAND, ROOT, Collector, wait_for

OTHER = "127.0.0.2"
HALF = b"POST /track HTTP/1.1\r\nHost: x\r\n"

needs_prlimit = pytest.mark.skipif(not shutil.which("prlimit"), reason="prlimit is not installed")
needs_linux = pytest.mark.skipif(
    sys.platform != "linux", reason="127.0.0.2 is an address of Linux alone"
)


class Senders:
    """Connections to a collector, closed at the end of a test."""

    def __init__(self, stack: ExitStack) -> None:
        self._stack = stack

    def connect(self, collector: Collector, address: str = "127.0.0.1") -> socket.socket:
        sender = socket.create_connection(
            ("127.0.0.1", collector.port), timeout=10, source_address=(address, 0)
        )
        return self._stack.enter_context(sender)

    def send(self, collector: Collector, data: bytes, address: str = "127.0.0.1") -> socket.socket:
        sender = self.connect(collector, address)
        sender.sendall(data)
        return sender


@pytest.fixture
def senders() -> Iterator[Senders]:
    with ExitStack() as stack:
        yield Senders(stack)


def request(source: str) -> bytes:
    body = json.dumps({"source": {"id": source}, "events": [{"type": "a"}]}).encode()
    return b"%bContent-Length: %d\r\n\r\n%b" % (HALF, len(body), body)


def answer_of(sender: socket.socket) -> str:
    """The first line of an answer, empty if the connection was closed."""
    try:
        return sender.recv(65536).split(b"\r\n")[0].decode()
    except ConnectionResetError:
        return ""


def is_open(sender: socket.socket) -> bool:
    sender.setblocking(False)
    try:
        return bool(sender.recv(1))
    except BlockingIOError:
        return True
    except ConnectionResetError:
        return False
    finally:
        sender.settimeout(10)


def number(collector: Collector, name: str) -> float:
    found = re.search(rf"^{name} (\S+)$", httpx.get(f"{collector.url}/metrics").text, re.M)
    return float(found[1]) if found else 0.0


def start(folder: Path, *options: str) -> tuple[Collector, str]:
    collector = Collector(folder, options=options)
    source = collector.add_source()
    return collector.start(), source


def test_one_address_has_a_bounded_number(tmp_path: Path, senders: Senders) -> None:
    collector, source = start(tmp_path, "--connections-per-address", "3")
    silent = [senders.connect(collector) for _ in range(6)]
    sender = senders.send(collector, request(source))
    assert answer_of(sender) == "HTTP/1.1 200 OK"
    wait_for(lambda: [is_open(it) for it in silent] == [False] * 4 + [True] * 2, "four to end")
    assert number(collector, "thamesthrive_connections") == 3
    assert number(collector, "thamesthrive_dropped_connections_total") >= 4
    wait_for(lambda: [line for line in collector.log if "too many connections" in line], "a line")


@needs_linux
def test_behind_a_proxy_one_address_may_have_all(tmp_path: Path, senders: Senders) -> None:
    collector, source = start(tmp_path, "--connections-per-address", "3", "--proxies", "1")
    silent = [senders.connect(collector) for _ in range(10)]
    assert answer_of(senders.send(collector, request(source))) == "HTTP/1.1 200 OK"
    assert all(is_open(it) for it in silent)


@needs_linux
def test_the_address_with_most_connections_loses_one(tmp_path: Path, senders: Senders) -> None:
    collector, source = start(tmp_path, "--connections", "8")
    kept = [senders.send(collector, request(source)) for _ in range(3)]
    assert [answer_of(it) for it in kept] == ["HTTP/1.1 200 OK"] * 3
    many = [senders.send(collector, HALF, OTHER) for _ in range(20)]
    wait_for(lambda: [is_open(it) for it in many] == [False] * 15 + [True] * 5, "fifteen to end")
    assert all(is_open(it) for it in kept)
    assert answer_of(senders.send(collector, request(source))) == "HTTP/1.1 200 OK"


def test_a_sender_between_two_requests_stays_longer_than_one_that_owes_one(
    tmp_path: Path, senders: Senders
) -> None:
    collector, source = start(tmp_path, "--connections", "8")
    kept = senders.send(collector, request(source))
    assert answer_of(kept) == "HTTP/1.1 200 OK"
    many = [senders.send(collector, HALF) for _ in range(20)]
    wait_for(lambda: sum(map(is_open, many)) == 7, "thirteen to end")
    kept.sendall(request(source))
    assert answer_of(kept) == "HTTP/1.1 200 OK"


def test_what_is_served_is_not_ended(tmp_path: Path, senders: Senders) -> None:
    collector, source = start(tmp_path, "--connections", "5")
    (writer,) = collector.children("writer")
    os.kill(writer, signal.SIGSTOP)
    try:
        served = [senders.send(collector, request(source)) for _ in range(5)]
        # One after the other, so it is known which are there first.
        late = senders.send(collector, request(source))
        assert answer_of(late) == ""
    finally:
        os.kill(writer, signal.SIGCONT)
    assert [answer_of(it) for it in served] == ["HTTP/1.1 200 OK"] * 5


@needs_prlimit
def test_the_limit_of_open_files_is_raised_and_obeyed(tmp_path: Path, senders: Senders) -> None:
    collector = Collector(tmp_path, prefix=("prlimit", "--nofile=60:160"))
    source = collector.add_source()
    collector.start()
    for process in collector.children():
        limits = Path(f"/proc/{process}/limits").read_text()
        found = re.search(r"^Max open files +(\d+)", limits, re.M)
        assert found
        assert found[1] == "160"
    many = [senders.send(collector, HALF) for _ in range(100)]
    wait_for(lambda: sum(map(is_open, many)) == 160 - 128, "most to end")
    assert answer_of(senders.send(collector, request(source))) == "HTTP/1.1 200 OK"


@needs_prlimit
@pytest.mark.parametrize(("limit", "state"), [(512, "warning"), (6000, "ok")])
def test_doctor_warns_of_a_low_limit(tmp_path: Path, limit: int, state: str) -> None:
    command = ["prlimit", f"--nofile={limit}:{limit}", *COMMAND, "doctor", "--json"]
    command += ["--db", str(tmp_path / "x.db"), "--port", "0"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    (found,) = [line for line in json.loads(done.stdout) if line["check"] == "descriptors"]
    assert found["state"] == state
    assert str(limit) in found["detail"]
    assert ("LimitNOFILE" in found["detail"]) == (state == "warning")
