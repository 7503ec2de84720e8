"""What is large or costs much to read waits for its like; what is small does not wait for it."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Callable
from urllib.parse import urlsplit

import brotli
import httpx
import pytest

from ..support import Collector, run_async, wait_for

MANY = 60  # requests of the attacker, all at once
NOBODY = "6e0c9a9c-0000-4000-8000-000000000000"


def request(body: bytes, encoding: str = "") -> bytes:
    head = f"POST /track HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    named = f"Content-Encoding: {encoding}\r\n" if encoding else ""
    return f"{head}{named}\r\n".encode() + body


def events(source: str, number: int, event: str = '{"type":"a"}') -> bytes:
    return f'{{"source":{{"id":"{source}"}},"events":[{",".join([event] * number)}]}}'.encode()


async def answered_before(
    collector: Collector,
    attack: bytes,
    small: bytes,
    sent: Callable[[], None] = lambda: None,
    go: Callable[[], None] = lambda: None,
) -> int:
    """How many of MANY requests are answered before a small one that is sent last. `sent` returns
    when the others have been; `go` is called at the end."""
    address = urlsplit(collector.url)
    order: list[str] = []
    pairs = [await asyncio.open_connection(address.hostname, address.port) for _ in range(MANY + 1)]

    async def read(name: str, reader: asyncio.StreamReader) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 ")
        order.append(name)

    reading = [asyncio.create_task(read("attack", reader)) for reader, _ in pairs[:-1]]
    for _, writer in pairs[:-1]:
        writer.write(attack)
    await asyncio.gather(*(writer.drain() for _, writer in pairs))
    await asyncio.to_thread(sent)
    reading.append(asyncio.create_task(read("small", pairs[-1][0])))
    pairs[-1][1].write(small)
    await pairs[-1][1].drain()
    go()
    await asyncio.gather(*reading)
    for _, writer in pairs:
        writer.close()
    return order.index("small")


def test_a_small_request_does_not_wait_for_all_that_cost_much_to_read(
    collector: Collector,
) -> None:
    """Seven milliseconds each, and refused like the small one without a look at the disk."""
    text = json.dumps({"type": "a", "properties": {"a": "x" * 5_000_000}})
    bomb = request(brotli.compress(events(NOBODY, 1, text), quality=5), "br")
    small = request(events(NOBODY, 1))
    assert run_async(answered_before(collector, bomb, small)) < MANY / 2


@pytest.mark.parametrize(("event", "stored"), [('{"type":"a"}', 500), ('{"type":""}', 0)])
def test_a_small_request_does_not_wait_for_large_ones_to_be_stored(
    collector: Collector, event: str, stored: int
) -> None:
    own, other = collector.add_source(), collector.add_source()
    small = request(events(own, 1))
    run_async(answered_before(collector, small, small))  # the sources are known now
    (writer,) = collector.children("collector.child\0writer")

    def waiting() -> float:
        metrics = httpx.get(f"{collector.url}/metrics").text
        found = re.search(r"^thamesthrive_waiting_requests (\S+)", metrics, re.MULTILINE)
        return float(found[1]) if found else -1

    def all_sent() -> None:
        wait_for(lambda: waiting() == MANY, "all to wait for the disk")

    def go_on() -> None:
        wait_for(lambda: waiting() == MANY + 1, "the small one to wait with them")
        os.kill(writer, signal.SIGCONT)

    os.kill(writer, signal.SIGSTOP)
    try:
        before = run_async(
            answered_before(
                collector,
                request(events(other, 500, event)),
                small,
                sent=all_sent,
                go=go_on,
            )
        )
    finally:
        os.kill(writer, signal.SIGCONT)
    assert before == 0  # not even for the one that is with the writer already
    assert len(collector.events(own)) == MANY + 2
    assert len(collector.events(other)) == MANY * stored
