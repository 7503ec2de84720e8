"""`make bench`: /track beside a bare app that reads the same body and answers `{}`, in turns, on
this machine.

Prints both, and writes site/docs/explanation/benchmarks.md. Never a test: these figures belong to a
machine and a moment.
"""

import argparse
import json
import os
import platform
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from ..support import ROOT, Collector

CONNECTIONS = 32
NOBODY = "00000000-0000-4000-8000-000000000000"
SCRIPT = ROOT / "tests" / "bench" / "track.lua"
PAGE = ROOT / "site" / "docs" / "explanation" / "benchmarks.md"
# Measured by hand, not by this run.
PROFILE = """
## Where the time goes

A request of three events takes about 60 µs of a worker and 65 µs of the writer. Of the worker's time a third is ours (parsing,
judging, the answer), the rest is the web framework's and the sending. Of the writer's time 38 % is the kernel's (pages of the
write-ahead log, and its sync), 23 % SQLite's, 22 % Python's; the five indexes of `events` take 20 µs of it. The bare app
needs about 34 µs. So one worker and the writer fill two cores, and a second worker has none left: on two cores the load
generator, the workers and the writer share what there is. (Profile by perf and py-spy, 2026-11-23.)
"""
talk = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Run:
    """One run of wrk. Rates per second, latencies in milliseconds."""

    requests: int
    rate: float
    p50: float
    p99: float
    body_bytes: int


@dataclass(frozen=True)
class Layout:
    """Pairs of runs side by side, for one number of workers."""

    workers: int
    track: list[Run]
    noop: list[Run]
    single: list[Run]
    unknown: list[Run]
    acknowledged: int
    rows: int

    def versus(self, runs: list[Run]) -> float:
        """The median of these runs' rates to the no-op's in the same pair."""
        return statistics.median(a.rate / b.rate for a, b in zip(runs, self.noop, strict=True))

    @property
    def ratio(self) -> float:
        return statistics.median(
            a.rate / b.rate for a, b in zip(self.track, self.noop, strict=True)
        )


def wrk(
    url: str,
    source: str,
    number: int,
    seconds: int,
    *,
    kind: str = "",
    refused: bool = False,
    connections: int = CONNECTIONS,
    pause: float = 0,
) -> Run:
    """One run; each connection pauses for `pause` milliseconds before a request, on average. Exits
    if anything but the expected came back: such a run measures something else."""
    command = [
        "wrk",
        "-t1",
        f"-c{connections}",
        f"-d{seconds}s",
        "-s",
        str(SCRIPT),
        f"{url}/track",
        "--",
        source,
        str(number),
        kind,
        str(pause),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    if facts["non2xx"] != (facts["requests"] if refused else 0) or facts["socket_errors"]:
        sys.exit(
            f"{url} answered {facts['non2xx']} requests with an error, {facts['socket_errors']} connections broke."
        )
    return Run(
        facts["requests"],
        facts["requests"] / facts["seconds"],
        facts["p50"],
        facts["p99"],
        facts["body_bytes"],
    )


def measure(workers: int, rounds: int, seconds: int) -> Layout:
    """Alternates between the collector, on a new database, and the bare app with as many
    processes."""
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder,
        socket.create_server(("127.0.0.1", 0)) as sock,
    ):
        collector = Collector(Path(folder), workers=workers).start()
        source = collector.add_source()
        bare = [
            subprocess.Popen(
                [sys.executable, "-m", "tests.bench.noop", str(sock.fileno())],
                cwd=ROOT,
                pass_fds=[sock.fileno()],
            )
            for _ in range(workers)
        ]
        noop_url = f"http://127.0.0.1:{sock.getsockname()[1]}"
        track, noop, single, unknown = [], [], [], []
        try:
            for url in (collector.url, noop_url):
                wrk(url, source, 0, 2)  # caches and interpreters get warm; its rows count too
            before = rows_of(collector)
            for number in range(1, rounds + 1):
                track.append(wrk(collector.url, source, number, seconds))
                noop.append(wrk(noop_url, source, number, seconds))
                single.append(wrk(collector.url, source, number + 1000, seconds, kind="single"))
                unknown.append(wrk(collector.url, NOBODY, number, seconds, refused=True))
                talk.print(
                    f"{workers} worker(s), pair {number}: /track {track[-1].rate:,.0f}/s, no-op {noop[-1].rate:,.0f}/s,"
                    f" ratio {track[-1].rate / noop[-1].rate:.2f}"
                )
        finally:
            collector.stop()
            for process in bare:
                process.terminate()
                process.wait()
        acknowledged = sum(run.requests for run in track) * 3 + sum(run.requests for run in single)
        rows = rows_of(collector) - before
        in_flight = CONNECTIONS * 4 * rounds  # stored, but wrk hung up before it read the answer
        if not acknowledged <= rows <= acknowledged + in_flight:
            sys.exit(f"{acknowledged} events were acknowledged, but {rows} rows are stored.")
        return Layout(workers, track, noop, single, unknown, acknowledged, rows)


def rows_of(collector: Collector) -> int:
    with sqlite3.connect(collector.db) as connection:
        return int(connection.execute("SELECT count(*) FROM events").fetchone()[0])


def machine() -> str:
    cpu = next(
        (
            line.split(":")[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        "?",
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"{os.cpu_count()} cores of {cpu}, {memory:.0f} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Sanic {version('sanic')}"
    )


def median(runs: list[Run], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))


def report(layouts: list[Layout], rounds: int, seconds: int) -> str:
    """The page of the docs."""
    lines = [
        "+++",
        'title = "Benchmarks"',
        'summary = "What a durable answer costs: /track beside a bare app on the same machine, in the same minutes."',
        "order = 6",
        'aliases = ["docs/benchmarks.html"]',
        "+++",
        "",
        "`make bench` wrote this page. It posts requests as the tracker sends them (three events,",
        f"{layouts[0].track[0].body_bytes:,} bytes, ids and sessions varying) with wrk over {CONNECTIONS} connections, in turns to the collector and to a bare",
        "Sanic app that reads the same body and answers `{}`. The collector answers when the rows are on disk",
        "(`synchronous=FULL`); the bare app has nothing to remember. Their ratio is what the promise costs.",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}. The load generator shares the machine. {rounds} pairs of {seconds} s each;",
        "medians, and the median of the pairs' ratios.",
    ]
    for layout in layouts:
        plural = "s" if layout.workers > 1 else ""
        lines += [
            "",
            f"## {layout.workers} worker{plural}",
            "",
            "| | requests/s | events/s | p50 ms | p99 ms |",
            "|---|---|---|---|---|",
        ]
        for name, runs, events in (
            ("`/track`, durable, three events", layout.track, 3),
            ("`/track`, durable, one event", layout.single, 1),
            ("`/track`, unknown source", layout.unknown, 0),
            ("no-op", layout.noop, 3),
        ):
            rate = median(runs, "rate")
            lines.append(
                f"| {name} | {rate:,.0f} | {rate * events:,.0f} | {median(runs, 'p50'):.1f} | {median(runs, 'p99'):.1f} |"
            )
        lines += [
            "",
            f"Ratio **{layout.ratio:.2f}** (pairs: {', '.join(f'{a.rate / b.rate:.2f}' for a, b in zip(layout.track, layout.noop, strict=True))}).",
            f"One event: {layout.versus(layout.single):.2f}. Unknown source: {layout.versus(layout.unknown):.2f}.",
            f"{layout.acknowledged:,} events were acknowledged and {layout.rows:,} rows stored; the difference was in flight when wrk hung up.",
        ]
    return "\n".join(lines) + "\n" + PROFILE


def show(layouts: list[Layout]) -> None:
    table = Table("workers", "", "requests/s", "events/s", "p50 ms", "p99 ms", "ratio", box=None)
    for layout in layouts:
        for name, runs, events in (
            ("/track", layout.track, 3), ("one event", layout.single, 1), ("unknown source", layout.unknown, 0), ("no-op", layout.noop, 3),
        ):  # fmt: skip
            rate = median(runs, "rate")
            ratio = f"{layout.versus(runs):.2f}" if name != "no-op" else ""
            table.add_row(
                str(layout.workers), name, f"{rate:,.0f}", f"{rate * events:,.0f}",
                f"{median(runs, 'p50'):.1f}", f"{median(runs, 'p99'):.1f}", ratio,
            )  # fmt: skip
    Console().print(table)
    for layout in layouts:
        Console().print(
            f"{layout.workers} worker(s): {layout.acknowledged:,} events acknowledged, {layout.rows:,} rows stored"
        )


def find_wrk() -> None:
    if not shutil.which("wrk") and shutil.which("apt-get") and os.geteuid() == 0:
        talk.print("Installing wrk …")
        for step in (["update", "-qq"], ["install", "-y", "-qq", "wrk"]):
            subprocess.run(["apt-get", *step], stdout=sys.stderr, check=False)
    if not shutil.which("wrk"):
        talk.print("wrk is not installed. On Debian: apt-get install wrk")
        sys.exit(3)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--no-page", action="store_true", help="leave the docs as they are")
    options = parser.parse_args()
    find_wrk()
    (ROOT / "build").mkdir(exist_ok=True)
    layouts = [measure(workers, options.rounds, options.seconds) for workers in options.workers]
    show(layouts)
    if not options.no_page:
        PAGE.write_text(report(layouts, options.rounds, options.seconds), encoding="utf-8")
        talk.print(f"Written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
