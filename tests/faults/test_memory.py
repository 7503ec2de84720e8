"""The collector's memory stays under its bound, whatever is sent, and goes back afterwards."""

import asyncio
import contextlib
import gzip
import json
import os
import signal
import socket
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from ..support import Collector, descriptors, run_async, wait_for

MB = 1024 * 1024
LONG = os.environ.get("FAULTS") == "long"
SENDERS = 3000 if LONG else 1500
ROUNDS = 5 if LONG else 1
WORKERS, QUEUE, BUFFERS, CONNECTIONS = 2, 16, 8, 500
OPTIONS = ("--queue-mb", str(QUEUE), "--buffer-mb", str(BUFFERS), "--connections", str(CONNECTIONS))
# As in site/docs/how-to/run.md, in bytes.
WORKER_BOUND = (150 + 8) * MB + CONNECTIONS * 32 * 1024 + (QUEUE + BUFFERS) * MB // WORKERS
WRITER_BOUND = 200 * MB + WORKERS * 16 * MB
STAYS = 40 * MB  # that a process may keep of what it needed once
DATABASE_CACHE = 64 * MB  # of the writer, filled by what it writes


def status(process: int, name: str) -> int:
    """A line of /proc/…/status, in bytes."""
    for line in Path(f"/proc/{process}/status").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise AssertionError(name)


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    with descriptors(SENDERS + 500):  # of the senders, which are in this process
        yield


def request(
    body: bytes, *headers: str, target: str = "/track", declared: int | None = None
) -> bytes:
    length = len(body) if declared is None else declared
    lines = [f"POST {target} HTTP/1.1", "Host: x", f"Content-Length: {length}", *headers, "", ""]
    return "\r\n".join(lines).encode() + body


def payload(source: str, *events: object, **more: object) -> bytes:
    whole = {"source": {"id": source}, "events": events, **more}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()


async def each(
    collector: Collector, make: Callable[[int], bytes], *, small_window: bool = False
) -> None:
    """Sends a request on each of many connections, and leaves all open until the last has sent."""
    gate = asyncio.Semaphore(100)  # connections that are being made
    loop = asyncio.get_running_loop()
    done = asyncio.Event()
    left = SENDERS

    async def one(number: int) -> None:
        nonlocal left
        with socket.socket() as sender:
            if small_window:
                sender.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
            sender.setblocking(False)
            async with gate:
                # What is not taken is as good as sent: reading is paused there.
                with contextlib.suppress(OSError, TimeoutError):
                    async with asyncio.timeout(2):
                        await loop.sock_connect(sender, ("127.0.0.1", collector.port))
                        await loop.sock_sendall(sender, make(number))
            left -= 1
            if not left:
                done.set()
            await done.wait()

    await asyncio.gather(*(one(number) for number in range(SENDERS)))


def attack_slow_bodies(source: str) -> Callable[[int], bytes]:
    """A quarter of a megabyte each, but for the last byte."""
    body = payload(source, {"type": "a", "properties": {"t": "x" * 250_000}})
    whole = request(body[:-1], declared=len(body))
    return lambda _: whole


def attack_slow_chunks(source: str) -> Callable[[int], bytes]:
    head = b"POST /track HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"3E8\r\n" + b"x" * 1000 + b"\r\n"
    return lambda _: head + chunk * 240


def attack_tiny_events(source: str) -> Callable[[int], bytes]:
    """What parsing makes of them takes thirty times their bytes."""
    whole = request(payload(source, *[{"type": "a"}] * 500))
    return lambda _: whole


def attack_events_that_are_none(source: str) -> Callable[[int], bytes]:
    whole = request(payload(source, *[[]] * 500))
    return lambda _: whole


def attack_bombs(source: str) -> Callable[[int], bytes]:
    """Six kilobytes that become one megabyte, and six times that in memory."""
    noise = "".join(uuid.uuid4().hex for _ in range(300))  # or it would be refused for its ratio
    body = payload(source, {"type": "a", "properties": {"n": noise, "t": "😀" + "x" * 900_000}})
    whole = request(gzip.compress(body), "Content-Encoding: gzip")
    return lambda _: whole


def attack_nesting(source: str) -> Callable[[int], bytes]:
    """Bodies that take most to parse: lists within lists, keys beyond counting."""
    lists = b'{"source":{"id":"%b"},"events":[%b[]]}' % (source.encode(), b"[]," * 300_000)
    keys = b",".join(b'"%x":1' % number for number in range(90_000))
    unknown = b'{"source":{"id":"%b"},%b}' % (source.encode(), keys)
    wrong = b'{"source":{"id":"%b"},"session":1,%b}' % (source.encode(), keys)
    deep = payload(source, {"type": "a", "properties": {"d": 1}}).replace(
        b'"d":1', b'"d":' + b"[" * 28 + b"[]," * 200_000 + b"[]" + b"]" * 28
    )
    # Zeros would be inflated too well.
    bodies = [gzip.compress(body, 1) for body in (lists, unknown, wrong, deep)]
    wholes = [request(body, "Content-Encoding: gzip") for body in bodies]
    return lambda number: wholes[number % len(wholes)]


def attack_large_heads(source: str) -> Callable[[int], bytes]:
    """Headers that a cache would keep, different ones each time."""
    body = payload(source, {"type": "a"})

    def make(number: int) -> bytes:
        origins = (f"Origin: https://{number}-{n}.{'x' * 14_000}" for n in range(8))
        return b"".join(request(body, origin) for origin in origins)

    return make


def attack_unread_answers(_: str) -> Callable[[int], bytes]:
    whole = b"GET /docs/openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100
    return lambda _: whole


class Healthy:
    """A sender beside an attack: what it was promised must be stored."""

    def __init__(self, collector: Collector, source: str) -> None:
        self.acknowledged: set[str] = set()
        self.refused = 0
        self._collector, self._source = collector, source
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._send)

    def __enter__(self) -> "Healthy":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _send(self) -> None:
        with httpx.Client(timeout=20) as client:
            while not self._is_over.is_set():
                body = payload(self._source, {"id": str(uuid.uuid4()), "type": "healthy"})
                with contextlib.suppress(httpx.TransportError):
                    answer = client.post(f"{self._collector.url}/track", content=body)
                    if answer.status_code == 200:
                        self.acknowledged.update(answer.json()["events"])
                        continue
                self.refused += 1
                self._is_over.wait(0.05)


ATTACKS = (
    attack_slow_chunks,
    attack_tiny_events,
    attack_large_heads,
    attack_slow_bodies,
    attack_events_that_are_none,
    attack_bombs,
    attack_nesting,
    attack_unread_answers,
)
# Each with a working and a stalled writer. `make test` has the first three.
CASES = [
    pytest.param(attack, is_stalled, id=f"{attack.__name__}{' stalled writer' * is_stalled}")
    for is_stalled in (False, True)
    for attack in ATTACKS
]
CASES[1], CASES[9] = CASES[9], CASES[1]  # of tiny events, that which waits takes most


@pytest.mark.faults
@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize(("attack", "is_stalled"), CASES if LONG else CASES[:3])
def test_memory_stays_under_its_bound(
    tmp_path: Path, attack: Callable[[str], Callable[[int], bytes]], is_stalled: bool
) -> None:
    collector = Collector(tmp_path, workers=WORKERS, options=OPTIONS)
    source = collector.add_source()
    collector.start()
    healthy_source = collector.add_source()
    wait_for(
        lambda: collector.post({"source": {"id": healthy_source}}).status_code == 200, "the source"
    )
    workers, (writer,) = collector.children("\0worker"), collector.children("\0writer")
    before = {process: status(process, "VmRSS") for process in [*workers, writer]}
    make = attack(source)
    with Healthy(collector, healthy_source) as healthy:
        for _ in range(ROUNDS):
            if is_stalled:
                os.kill(writer, signal.SIGSTOP)
            try:
                run_async(each(collector, make, small_window=attack is attack_unread_answers))
            finally:
                os.kill(writer, signal.SIGCONT)
        promised = len(healthy.acknowledged)
        wait_for(lambda: len(healthy.acknowledged) > promised + 20, "events to be stored again")
    peaks = {process: status(process, "VmHWM") // MB for process in [*workers, writer]}
    assert sorted([*workers, writer]) == collector.children()  # none has ended
    assert max(peaks[worker] for worker in workers) * MB <= WORKER_BOUND, peaks
    assert peaks[writer] * MB <= WRITER_BOUND, peaks
    stored = [row["id"] for row in collector.events(healthy_source)]
    assert healthy.acknowledged <= set(stored)
    assert len(stored) == len(set(stored))

    before[writer] += DATABASE_CACHE

    def is_back() -> bool:
        return all(status(it, "VmRSS") < before[it] + STAYS for it in [*workers, writer])

    wait_for(is_back, "memory to be given back", 10)
    assert not [line for line in collector.log if "Traceback" in line]
    assert collector.stop() == 0
