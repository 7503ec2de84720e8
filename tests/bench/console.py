"""`make bench-console`: what the console costs ingestion, and how long its pages take.

The first part, in pairs: a collector gets 5,000 events a second; without anybody at the console, and with 50
open live pages and somebody who clicks through its pages all the time. The second part opens each
page of a database of a year (tests/bench/history.py) many times, and the third in a browser.

Writes site/docs/explanation/console-benchmarks.md.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import cycle
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from collector import store
from collector.ids import uuid7

from ..support import ROOT, Collector
from .__main__ import machine, talk
from .attacks import read_answer, request
from .console_pages import DOCS, PAGES, logged_in
from .first_paint import Paints, measure_paints, section

REQUESTS, EVENTS = 1000, 5  # a second, and in each of them
CONNECTIONS = 50
LIVE_PAGES = 50
CLICK = 0.3  # seconds between two pages of somebody who clicks
PAIRS = 3
RUNS = 20


@dataclass(frozen=True)
class Pair:
    """99th percentiles and medians of `/track` in milliseconds, without and with the console in
    use, and how many pages were opened meanwhile."""

    alone: tuple[float, float]
    beside: tuple[float, float]
    pages: int


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


async def send(
    host: str, port: int, source: str, seconds: float, rate: int = REQUESTS
) -> list[float]:
    """Milliseconds from when each request was due to its answer, at `rate` requests a second."""
    times: list[float] = []
    until = time.perf_counter() + seconds
    rand = random.Random(1)

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        due = time.perf_counter() + rand.random() * CONNECTIONS / rate
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            events = [
                {"id": uuid7(), "type": "page-view", "context": {"page": {"path": "/a"}}}
                for _ in range(EVENTS)
            ]
            body = {"source": {"id": source}, "session": {"id": uuid7()}, "events": events}
            writer.write(request("/track", json.dumps(body).encode()))
            if await read_answer(reader) != 200:
                raise AssertionError("a request was refused")
            times.append((time.perf_counter() - due) * 1000)
            due += rand.expovariate(rate / CONNECTIONS)
        writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return times


async def look(url: str, cookie: str, source: str, seconds: float) -> int:
    """Keeps live pages open and clicks. Returns how many pages were opened."""
    address = urlsplit(url)
    until = time.perf_counter() + seconds

    async def watch(number: int) -> None:
        head = (
            f"GET /console/live/stream?text={'abcde'[number % 5]} HTTP/1.1\r\nHost: localhost\r\n"
            f"Cookie: {cookie}\r\n\r\n"
        )
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        writer.write(head.encode())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while await reader.read(65536):
                    pass
        writer.close()

    async def click() -> int:
        count = 0
        async with httpx.AsyncClient(headers={"Cookie": cookie}, timeout=60) as browser:
            for path in cycle(PAGES.values()):
                if time.perf_counter() > until:
                    return count
                answer = await browser.get(f"{url}/console{path.format(source=source)}")
                if answer.status_code != 200:
                    raise AssertionError(f"{path}: {answer.status_code}")
                count += 1
                await asyncio.sleep(CLICK)
        return count

    done = await asyncio.gather(click(), *(watch(number) for number in range(LIVE_PAGES)))
    return int(done[0] or 0)


def measure_pair(seconds: int) -> Pair:
    """One pair of runs on a new collector."""
    with tempfile.TemporaryDirectory(prefix="console-", dir=ROOT / "build") as folder:
        collector = Collector(Path(folder), workers=1).start()
        try:
            source = collector.add_source()
            address = urlsplit(collector.url)
            place = (address.hostname or "", address.port or 0, source)
            asyncio.run(send(*place, 2))
            alone = asyncio.run(send(*place, seconds))
            cookie = logged_in(collector)
            parts = [collector.url, cookie, source, seconds + 2]
            # Browsers have machines of their own.
            command = ["nice", "-n", "19", sys.executable, "-m", "tests.bench.console", "--look"]
            with subprocess.Popen(
                [*command, *map(str, parts)], cwd=ROOT, stdout=subprocess.PIPE, text=True
            ) as process:
                time.sleep(1)
                beside = asyncio.run(send(*place, seconds))
                out, _ = process.communicate()
        finally:
            collector.stop()
    return Pair(
        (percentile(alone, 0.99), statistics.median(alone)),
        (percentile(beside, 0.99), statistics.median(beside)),
        int(out),
    )


def measure_pages(file: Path) -> dict[str, tuple[float, float, int]]:
    """Of each page: median and 95th percentile in milliseconds, and bytes over the wire."""
    collector = Collector(file.parent, workers=1)
    collector.db = file
    collector.start()
    try:
        cookie = logged_in(collector)
        with collector.database() as database:
            source = store.list_sources(database)[0].id
        found = {}
        with httpx.Client(headers={"Cookie": cookie}, timeout=120) as browser:
            for name, path in PAGES.items():
                url = f"{collector.url}/console{path.format(source=source)}"
                times: list[float] = []
                size = 0
                for _ in range(RUNS + 1):
                    began = time.perf_counter()
                    answer = browser.get(url)
                    times.append((time.perf_counter() - began) * 1000)
                    size = answer.num_bytes_downloaded
                    if answer.status_code != 200:
                        raise AssertionError(f"{url}: {answer.status_code}")
                found[name] = statistics.median(times[1:]), percentile(times[1:], 0.95), size
                talk.print(f"{name}: {found[name][0]:.0f} ms, p95 {found[name][1]:.0f} ms")
    finally:
        collector.stop()
    return found


def report(
    pairs: list[Pair],
    pages: dict[str, tuple[float, float, int]],
    paints: dict[str, Paints],
    events: int,
    load: float,
) -> str:
    """The page of the docs. `load`: the machine's, when it began."""
    ratios = [pair.beside[0] / pair.alone[0] for pair in pairs]
    lines = [
        "+++",
        'title = "What the console costs"',
        'summary = "Events are stored as fast while people look at them; and how long each page takes with a year of events."',
        "order = 10",
        "+++",
        "",
        f"`make bench-console` wrote this page. Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        "",
        "## Ingestion beside it",
        "",
        f"A collector with one worker gets {REQUESTS * EVENTS:,} events a second, {EVENTS} in a request, first by itself and then beside",
        f"{LIVE_PAGES} open live pages and somebody who opens another page every {CLICK} s. The time of a request counts from when it was due.",
        f"The ratio of the 99th percentiles is {statistics.median(ratios):.2f} (median of {len(pairs)} pairs).",
        "",
        "| pair | p50 alone | p50 beside | p99 alone | p99 beside | ratio of p99 | pages opened |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| {number} | {p.alone[1]:.1f} ms | {p.beside[1]:.1f} ms | {p.alone[0]:.1f} ms | {p.beside[0]:.1f} ms"
            f" | {p.beside[0] / p.alone[0]:.2f} | {p.pages} |"
            for number, p in enumerate(pairs, 1)
        ),
    ]
    if pages:
        lines += [
            "",
            "## Pages with a year of events",
            "",
            f"{events:,} events of 12 months, 5 sources, 200 types and a million visitors (`python -m tests.bench.history`). Each page is opened",
            f"{RUNS} times, one after the other, until its last byte is there.",
            "",
            "| page | median | p95 | over the wire |",
            "|---|---|---|---|",
            *(
                f"| {name} | {median:.0f} ms | {p95:.0f} ms | {size / 1000:.1f} KB |"
                for name, (median, p95, size) in pages.items()
            ),
            *section(paints, events, load),
        ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--pairs", type=int, default=PAIRS)
    parser.add_argument("--history", type=Path, help="a database of tests/bench/history.py")
    parser.add_argument("--no-page", action="store_true", help="leave the docs as they are")
    parser.add_argument("--look", nargs=4, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.look:
        url, cookie, source, seconds = options.look
        sys.stdout.write(str(asyncio.run(look(url, cookie, source, float(seconds)))))
        return
    (ROOT / "build").mkdir(exist_ok=True)
    pages, paints, events, load = {}, {}, 0, os.getloadavg()[0]
    if options.history:
        pages = measure_pages(options.history)
        paints = measure_paints(options.history)
        with contextlib.closing(store.connect_readonly(options.history)) as connection:
            events = store.last_seq(connection)
    pairs = []
    for _ in range(options.pairs):
        pairs.append(measure_pair(options.seconds))
        talk.print(
            f"p99 {pairs[-1].alone[0]:.1f} ms alone, {pairs[-1].beside[0]:.1f} ms beside the console"
        )
    if not options.no_page:
        DOCS.write_text(report(pairs, pages, paints, events, load), encoding="utf-8")
        talk.print(f"Written to {DOCS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
