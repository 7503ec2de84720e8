"""Attacks on a collector, each a coroutine that goes on until it is cancelled; see under_attack.py."""

import asyncio
import contextlib
import gzip
import json
import os
import random
import resource
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import brotli

from collector.ids import uuid7

FLOODING = 16  # connections of an attacker that sends one request after the other
DRIPPING = 1500  # connections of one that is slow
PATIENCE = 30.0  # seconds for one answer


@dataclass(frozen=True)
class Target:
    """What an attacker knows: the address, a source, which is not the healthy sender's, and a token."""

    host: str
    port: int
    source: str
    token: str


Attack = Callable[[Target, random.Random], Awaitable[None]]
ATTACKS: dict[str, tuple[str, Attack]] = {}


def attack(name: str, meaning: str) -> Callable[[Attack], Attack]:
    """Lists an attack: a coroutine that goes on until it is cancelled."""

    def add(work: Attack) -> Attack:
        ATTACKS[name] = (meaning, work)
        return work

    return add


def request(path: str, body: bytes = b"", headers: str = "", method: str = "POST") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\n{headers}Content-Length: {len(body)}\r\n\r\n"
    return head.encode("latin-1") + body


async def read_answer(reader: asyncio.StreamReader) -> int:
    """Reads one answer. Returns its status. Raises EOFError if the connection ends."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next((int(line[15:]) for line in lines if line.startswith(b"content-length:")), 0)
    await reader.readexactly(length)
    return int(head[9:12])


async def flood(target: Target, make: Callable[[int], bytes], connections: int = FLOODING) -> None:
    """Sends what `make` makes of a number, on so many connections, each time when the last was
    answered; opens another connection when one is closed."""
    numbers = iter(range(10**9))

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError, EOFError, ValueError):
                reader, writer = await asyncio.open_connection(target.host, target.port)
                try:
                    while True:
                        writer.write(make(next(numbers)))
                        await asyncio.wait_for(read_answer(reader), PATIENCE)
                finally:
                    writer.close()
            await asyncio.sleep(0.001)

    await asyncio.gather(*(one() for _ in range(connections)))


def events(source: str, bodies: list[str], more: str = "") -> bytes:
    listed = ",".join(bodies)
    return f'{{"source":{{"id":"{source}"}}{more},"events":[{listed}]}}'.encode()


@attack("nothing", "the healthy sender alone")
async def nothing(target: Target, rand: random.Random) -> None:
    await asyncio.Event().wait()


@attack("unknown source", "valid requests of a source that does not exist")
async def unknown_source(target: Target, rand: random.Random) -> None:
    body = events("6e0c9a9c-0000-4000-8000-000000000000", ['{"type":"a"}'] * 3)
    await flood(target, lambda _: request("/track", body))


@attack("bytes in headers", "an Origin and a User-Agent that are not UTF-8")
async def bad_headers(target: Target, rand: random.Random) -> None:
    body = events(target.source, ['{"type":"a"}'])
    headers = "Origin: http://\xff\xfe\r\nUser-Agent: \x80\xff\r\n"
    await flood(target, lambda _: request("/track", body, headers))


@attack("two readings", "requests with two lengths, each closes its connection")
async def two_readings(target: Target, rand: random.Random) -> None:
    body = events(target.source, ['{"type":"a"}'])
    headers = f"Content-Length: {len(body) + 5}\r\nTransfer-Encoding : chunked\r\n"
    await flood(target, lambda _: request("/track", body, headers))


@attack("broken JSON", "bodies of 200 KB that end in the middle")
async def broken_json(target: Target, rand: random.Random) -> None:
    body = events(target.source, ['{"type":"a","properties":{"a":"%s"}}' % ("x" * 200_000)])[:-9]
    await flood(target, lambda _: request("/track", body))


@attack("deep JSON", "bodies of 200 KB of brackets")
async def deep_json(target: Target, rand: random.Random) -> None:
    body = events(target.source, ['{"type":"a","properties":{"a":%s}}' % ("[" * 200_000)])
    await flood(target, lambda _: request("/track", body))


@attack("bombs", "a kilobyte of gzip or br that would inflate to 5 MB")
async def bombs(target: Target, rand: random.Random) -> None:
    plain = events(target.source, ['{"type":"a","properties":{"a":"%s"}}' % ("x" * 5_000_000)])
    packed = {"gzip": gzip.compress(plain), "br": brotli.compress(plain, quality=5)}
    names = list(packed)

    def make(number: int) -> bytes:
        name = names[number % 2]
        return request("/track", packed[name], f"Content-Encoding: {name}\r\n")

    await flood(target, make)


@attack("shared data", "500 events in 8 KB of gzip, with 900 KB that all of them share")
async def shared_data(target: Target, rand: random.Random) -> None:
    listed = ['{"type":"a"}'] * 500
    padding = "".join(rand.choices("abcdef", k=4000)) * 220
    plain = events(target.source, listed, f',"properties":{{"x":"{padding}"}}')
    packed = gzip.compress(plain, 9)
    await flood(target, lambda _: request("/track", packed, "Content-Encoding: gzip\r\n"))


@attack("bulk", "500 new events in each request")
async def bulk(target: Target, rand: random.Random) -> None:
    body = events(target.source, ['{"type":"a","properties":{"price":1}}'] * 500)
    await flood(target, lambda _: request("/track", body))


@attack("growing session", "one session whose context gets other keys with each request")
async def growing_session(target: Target, rand: random.Random) -> None:
    session = f',"session":{{"id":"{uuid7()}"}}'

    def make(number: int) -> bytes:
        context = ",".join(f'"k{number}-{n}":"{"x" * 50}"' for n in range(100))
        more = f'{session},"context":{{{context}}}'
        return request("/track", events(target.source, ['{"type":"a"}'], more))

    await flood(target, make)


@attack("many types", "each event is of another type, session and campaign")
async def many_types(target: Target, rand: random.Random) -> None:
    def make(number: int) -> bytes:
        listed = [
            f'{{"type":"t{number}-{n}","context":{{"page":{{"path":"/{number}/{n}"}}}}}}'
            for n in range(20)
        ]
        more = f',"session":{{"id":"{uuid7()}"}},"context":{{"utm":{{"campaign":"c{number}"}}}}'
        return request("/track", events(target.source, listed, more))

    await flood(target, make)


@attack("rejected", "500 events in each request, all of them invalid in their own way")
async def rejected(target: Target, rand: random.Random) -> None:
    def make(number: int) -> bytes:
        return request(
            "/track",
            events(
                target.source,
                [f'{{"type":"","properties":{{"n":{number}{n}}}}}' for n in range(500)],
            ),
        )

    await flood(target, make)


@attack("costly schema", "events of which each part breaks a schema of the attacker's source")
async def costly_schema(target: Target, rand: random.Random) -> None:
    items = ",".join(['{"a":1}'] * 800)
    listed = [f'{{"type":"checked","properties":{{"items":[{items}]}}}}'] * 20
    await flood(target, lambda _: request("/track", events(target.source, listed)))


@attack("repeats", "the same 500 events again and again, and questions about 1,000 ids")
async def repeats(target: Target, rand: random.Random) -> None:
    ids = [uuid7() for _ in range(500)]
    listed = [f'{{"id":"{event_id}","type":"a"}}' for event_id in ids]
    known = f',"known":{json.dumps([uuid7() for _ in range(1000)])}'
    await flood(target, lambda _: request("/track", events(target.source, listed, known)))


@attack("slow senders", f"{DRIPPING:,} connections that send a byte a second")
async def slow_senders(target: Target, rand: random.Random) -> None:
    whole = request("/track", events(target.source, ['{"type":"a"}']))

    async def one(delay: float) -> None:
        await asyncio.sleep(delay)
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(target.host, target.port)
                try:
                    for position in range(len(whole)):
                        writer.write(whole[position : position + 1])
                        await writer.drain()
                        await asyncio.sleep(1)
                finally:
                    writer.close()
            await asyncio.sleep(0.1)

    await asyncio.gather(*(one(n / DRIPPING) for n in range(DRIPPING)))


@attack("unread answers", "thousands of requests on a connection, no answer is read")
async def unread_answers(target: Target, rand: random.Random) -> None:
    many = request("/track", events(target.source, ['{"type":""}'] * 20)) * 50

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError, TimeoutError):
                reader, writer = await asyncio.open_connection(target.host, target.port, limit=1)
                # The stream stops taking what comes, so the collector cannot write.
                writer.transport.pause_reading()  # type: ignore[attr-defined]
                try:
                    for _ in range(200):
                        writer.write(many)
                        await asyncio.wait_for(writer.drain(), 5)
                finally:
                    writer.transport.abort()
                    del reader
            await asyncio.sleep(0.01)

    await asyncio.gather(*(one() for _ in range(8)))


@attack("new connections", "a connection for each request, closed before the answer")
async def new_connections(target: Target, rand: random.Random) -> None:
    whole = request("/track", events(target.source, ['{"type":"a"}']))

    async def one() -> None:
        while True:
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_connection(target.host, target.port)
                writer.write(whole)
                writer.transport.abort()
            await asyncio.sleep(0)

    await asyncio.gather(*(one() for _ in range(FLOODING)))


@attack("reading", "lists of 1,000 events and reports, with a token; and /metrics")
async def reading(target: Target, rand: random.Random) -> None:
    await flood(
        target, lambda _: request("/track", events(target.source, ['{"type":"a"}'] * 100)), 2
    )


async def read_lists(target: Target) -> None:
    """The other half of `reading`: not an attack by itself."""
    headers = f"Authorization: Bearer {target.token}\r\n"
    paths = ("/api/events?limit=1000", "/metrics", "/api/rejected?limit=1000")
    await flood(target, lambda n: request(paths[n % 3], b"", headers, "GET"), 4)


async def run_attack(name: str, target: Target, seconds: float) -> None:
    """Attacks for so many seconds."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # for all the slow connections
    rand = random.Random(os.getpid())
    work = [ATTACKS[name][1](target, rand)]
    if name == "reading":
        work.append(read_lists(target))
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(asyncio.gather(*work), seconds)
