"""Thousands of senders that never end their requests, beside one that does."""

import asyncio
import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ..support import Collector, descriptors, run_async

pytestmark = pytest.mark.faults

SLOW = 2600
DESCRIPTORS = 1024
PAUSE = 2.0  # seconds between two bytes, and before a sender that was thrown out comes again
ANSWERS = 300  # that each healthy sender must get
HEAD = b"POST /track HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\n"


@pytest.fixture
def many_descriptors() -> Iterator[None]:
    with descriptors(SLOW + 500):  # of the senders, which are in this process
        yield


async def drip(port: int, address: str, connected: asyncio.Semaphore) -> None:
    """Sends a request byte by byte and never to its end; begins anew when it is thrown out."""
    while True:
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection(
                "127.0.0.1", port, local_addr=(address, 0) if address else None
            )
            connected.release()
            try:
                for byte in HEAD:
                    writer.write(bytes([byte]))
                    await asyncio.sleep(PAUSE)
                    await writer.drain()
            finally:
                writer.transport.abort()
        await asyncio.sleep(PAUSE)


def send(collector: Collector, source: str, keeps: bool) -> list[int | str]:
    """A healthy sender, which needs an answer for each of its requests."""
    answers: list[int | str] = []
    limits = httpx.Limits(max_keepalive_connections=1 if keeps else 0)
    with httpx.Client(timeout=10, limits=limits) as client:
        for _ in range(ANSWERS):
            body = {"source": {"id": source}, "events": [{"id": str(uuid.uuid4()), "type": "a"}]}
            try:
                answers.append(client.post(f"{collector.url}/track", json=body).status_code)
            except httpx.TransportError as error:
                # A kept connection may be dropped while the next request is on its way. Browsers then
                # send that again, once, on another one.
                if keeps and isinstance(error, httpx.RemoteProtocolError | httpx.NetworkError):
                    answers.append(client.post(f"{collector.url}/track", json=body).status_code)
                else:
                    answers.append(repr(error))
    return answers


@pytest.mark.faults
@pytest.mark.skipif(not shutil.which("prlimit"), reason="prlimit is not installed")
@pytest.mark.usefixtures("many_descriptors")
@pytest.mark.parametrize(
    ("address", "options"),
    [
        ("127.0.0.2", ()),
        # Healthy senders share the address of the slow ones: behind a proxy, all do.
        ("", ()),
        ("", ("--proxies", "1")),
    ],
    ids=["another address", "the same address", "behind a proxy"],
)
def test_slow_senders_keep_nobody_out(
    tmp_path: Path, address: str, options: tuple[str, ...]
) -> None:
    prefix = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    collector = Collector(tmp_path, prefix=prefix, options=options).start()
    source = collector.add_source()

    async def scenario() -> list[list[int | str]]:
        connected = asyncio.Semaphore(0)
        slow = [asyncio.create_task(drip(collector.port, address, connected)) for _ in range(SLOW)]
        for _ in range(SLOW):
            await connected.acquire()
        healthy = [asyncio.to_thread(send, collector, source, keeps) for keeps in (True, False)]
        answers = await asyncio.gather(*healthy)
        for task in slow:
            task.cancel()
        await asyncio.gather(*slow, return_exceptions=True)
        return answers

    answers = run_async(scenario())
    assert [answer for each in answers for answer in each if answer != 200] == []
    assert [len(each) for each in answers] == [ANSWERS] * 2
    assert len(collector.events(source)) == 2 * ANSWERS
    assert not [line for line in collector.log if "Traceback" in line or "error" in line]
    assert collector.stop() == 0
