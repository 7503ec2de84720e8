"""`make bench-attacks`: what a healthy sender feels while a collector is attacked.

Each attack meets a new collector with two workers. A healthy sender posts three events at a
time, paced as visitors are; beside it, processes of the lowest priority (a real attacker has other
machines) send as much of the attack as they can. Then every acknowledged event must be stored
once, nothing else of that sender's may be, and no process may have been replaced.

Writes site/docs/explanation/attacks.md.
"""

import argparse
import asyncio
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from collector import store
from collector.ids import uuid7

from ..support import ROOT, Collector
from .__main__ import machine, talk
from .attacks import ATTACKS, PATIENCE, Target, events, read_answer, request, run_attack

PAGE = ROOT / "site" / "docs" / "explanation" / "attacks.md"
CONNECTIONS = 20  # of the healthy sender
RATE = 200  # requests a second, of all of them together
MARGIN = 1.5  # seconds that an attack has before it is measured


# --- The healthy sender ---


@dataclass
class Healthy:
    """What it was answered. Times in milliseconds."""

    times: list[float]
    acknowledged: list[str]
    refused: int = 0
    broken: int = 0

    def percentile(self, share: float) -> float:
        return sorted(self.times)[min(len(self.times) - 1, int(len(self.times) * share))]


def visit(source: str) -> tuple[bytes, list[str]]:
    """A request as the tracker sends it, and the ids of its events."""
    ids = [uuid7() for _ in range(3)]
    listed = [
        f'{{"id":"{event_id}","type":"page-view","properties":{{"product":"Sun glasses","price":13.45}},'
        f'"context":{{"page":{{"url":"https://shop.example/a","path":"/a","title":"Sun glasses"}}}}}}'
        for event_id in ids
    ]
    body = events(source, listed, f',"session":{{"id":"{uuid7()}"}}')
    return request("/track", body, "Origin: https://shop.example\r\n"), ids


async def send_healthily(target: Target, source: str, seconds: float) -> Healthy:
    """Sends at RATE for so many seconds, from when a request was due to when it is answered: one
    that waits behind another for its connection has waited."""
    found = Healthy([], [])
    until = time.perf_counter() + seconds
    rand = random.Random(1)

    async def one() -> None:
        reader = writer = None
        due = time.perf_counter() + rand.random() * CONNECTIONS / RATE
        while due < until:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            whole, ids = visit(source)
            try:
                if writer is None or reader is None:
                    reader, writer = await asyncio.open_connection(target.host, target.port)
                writer.write(whole)
                status = await asyncio.wait_for(read_answer(reader), PATIENCE)
            except (OSError, EOFError, TimeoutError):
                found.broken += 1
                if writer:
                    writer.close()
                reader = writer = None
            else:
                found.refused += status != 200
                found.acknowledged += ids if status == 200 else []
            found.times.append((time.perf_counter() - due) * 1000)
            due += rand.expovariate(RATE / CONNECTIONS)
        if writer:
            writer.close()

    await asyncio.gather(*(one() for _ in range(CONNECTIONS)))
    return found


# --- Measuring ---


@dataclass(frozen=True)
class Result:
    attack: str
    requests: int
    p50: float
    p99: float
    worst: float
    refused: int
    broken: int
    lost: int
    twice: int


SCHEMA = '{"properties":{"items":{"items":{"properties":{"a":{"type":"string"}}}}}}'


def measure(name: str, seconds: int) -> Result:
    """One attack on a new collector."""
    with tempfile.TemporaryDirectory(prefix="attack-", dir=ROOT / "build") as folder:
        collector = Collector(Path(folder), workers=2).start()
        attackers: list[subprocess.Popen[bytes]] = []
        try:
            healthy, own = collector.add_source(), collector.add_source()
            with collector.database() as database:
                store.set_schema(database, own, "checked", SCHEMA)
                token = store.create_token(database, "reader")[1]
            address = urlsplit(collector.url)
            target = Target(address.hostname or "", address.port or 0, own, token)
            before = collector.children()
            asyncio.run(send_healthily(target, healthy, 1))  # sources are known, code is warm
            attackers = [start_attacker(name, target, seconds + 2 * MARGIN) for _ in range(2)]
            time.sleep(MARGIN)
            found = asyncio.run(send_healthily(target, healthy, seconds))
            if collector.children() != before:
                sys.exit(f"{name}: a process was replaced.\n" + "\n".join(collector.log[-20:]))
            rows = [
                row["id"]
                for row in collector.rows("SELECT id FROM events WHERE source_id = ?", healthy)
            ]
        finally:
            for process in attackers:
                process.kill()
                process.wait()
            collector.stop()
    return Result(
        name,
        len(found.times),
        found.percentile(0.5),
        found.percentile(0.99),
        max(found.times),
        found.refused,
        found.broken,
        len(set(found.acknowledged) - set(rows)),
        len(rows) - len(set(rows)),
    )


def start_attacker(name: str, target: Target, seconds: float) -> subprocess.Popen[bytes]:
    parts = [target.host, target.port, target.source, target.token, seconds]
    command = [
        "nice",
        "-n",
        "19",
        sys.executable,
        "-m",
        "tests.bench.under_attack",
        "--attack",
        name,
    ]
    return subprocess.Popen([*command, *map(str, parts)], cwd=ROOT)


def report(results: list[Result], seconds: int) -> str:
    """The page of the docs."""
    lines = [
        "+++",
        'title = "Under attack"',
        'summary = "How long a healthy sender waits while somebody attacks the collector."',
        "order = 9",
        "+++",
        "",
        f"`make bench-attacks` wrote this page. Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        "",
        f"Each attack meets a new collector with two workers, for {seconds} seconds. A healthy sender posts {RATE} requests of"
        f" three events a",
        f"second over {CONNECTIONS} connections; its time counts from when a request was due. Two processes send as much of the"
        " attack as they can;",
        "they share the machine, at the lowest priority. Lost and twice: events of the healthy sender that were acknowledged and are not"
        " stored, or are",
        "stored twice.",
        "",
        "| attack | what it sends | p50 ms | p99 ms | longest ms | refused | lost | twice |",
        "|---|---|---|---|---|---|---|---|",
        *(
            f"| {r.attack} | {ATTACKS[r.attack][0]} | {r.p50:.1f} | {r.p99:.1f} | {r.worst:.0f} |"
            f" {r.refused + r.broken} | {r.lost} | {r.twice} |"
            for r in results
        ),
    ]
    return "\n".join(lines) + "\n"


def show(results: list[Result]) -> None:
    table = Table(
        "attack",
        "requests",
        "p50 ms",
        "p99 ms",
        "longest",
        "refused",
        "broken",
        "lost",
        "twice",
        box=None,
    )
    for r in results:
        table.add_row(
            r.attack, str(r.requests), f"{r.p50:.1f}", f"{r.p99:.1f}", f"{r.worst:.0f}",
            str(r.refused), str(r.broken), str(r.lost), str(r.twice),
        )  # fmt: skip
    Console().print(table)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", nargs="+", choices=ATTACKS, default=[*ATTACKS])
    parser.add_argument("--no-page", action="store_true", help="leave the docs as they are")
    parser.add_argument("--attack", choices=ATTACKS, help=argparse.SUPPRESS)
    parser.add_argument("target", nargs="*", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.attack:
        host, port, source, token, seconds = options.target
        target = Target(host, int(port), source, token)
        asyncio.run(run_attack(options.attack, target, float(seconds)))
        return
    (ROOT / "build").mkdir(exist_ok=True)
    results = []
    for name in options.only:
        results.append(measure(name, options.seconds))
        talk.print(f"{name}: p99 {results[-1].p99:.1f} ms")
    show(results)
    if not options.no_page:
        PAGE.write_text(report(results, options.seconds), encoding="utf-8")
        talk.print(f"Written to {PAGE.relative_to(ROOT)}")
    if any(r.lost or r.twice for r in results):
        sys.exit(1)


if __name__ == "__main__":
    main()
