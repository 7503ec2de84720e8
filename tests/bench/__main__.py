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
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from collector.ids import uuid7

from ..support import ROOT, Collector, wait_for

CONNECTIONS = 32
NOBODY = "00000000-0000-4000-8000-000000000000"
SCRIPT = ROOT / "tests" / "bench" / "track.lua"
PAGE = ROOT / "site" / "docs" / "explanation" / "benchmarks.md"
talk = Console(stderr=True, highlight=False)


@dataclass(frozen=True)
class Run:
    """One run of wrk. Rates per second, latencies in milliseconds, processor time in microseconds a
    request, `written` in bytes a request."""

    requests: int
    rate: float
    p50: float
    p99: float
    body_bytes: int
    worker: float = 0.0
    writer: float = 0.0
    written: float = 0.0


KINDS = {"returning": 3, "new": 3, "single": 1}
"""What is sent (see track.lua), and how many events a request has."""


@dataclass(frozen=True)
class Layout:
    """Pairs of runs side by side, for one number of workers. `file`: bytes that the file grows by for
    an event of returning visitors."""

    workers: int
    runs: dict[str, list[Run]]  # by kind
    noop: list[Run]
    unknown: list[Run]
    acknowledged: int
    rows: int
    file: float

    def versus(self, runs: list[Run]) -> float:
        """The median of these runs' rates to the no-op's in the same pair."""
        return statistics.median(a.rate / b.rate for a, b in zip(runs, self.noop, strict=True))


class Usage:
    """What processes have used so far: microseconds of the processor, and bytes written to disk."""

    def __init__(self, pids: list[int]) -> None:
        ticks = os.sysconf("SC_CLK_TCK")
        self.micros = self.written = 0.0
        for pid in pids:
            stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            self.micros += (int(stat[11]) + int(stat[12])) / ticks * 1e6
            io = dict(line.split(": ") for line in Path(f"/proc/{pid}/io").read_text().splitlines())
            self.written += int(io["write_bytes"])


def wrk(
    url: str,
    source: str,
    number: int,
    seconds: int,
    *,
    kind: str = "returning",
    refused: bool = False,
    connections: int = CONNECTIONS,
    pause: float = 0,
    workers: list[int] | None = None,
    writers: list[int] | None = None,
) -> Run:
    """One run; each connection pauses for `pause` milliseconds before a request, on average.

    `workers`, `writers`: processes whose usage is measured. Exits if anything but the expected came
    back: such a run measures something else.
    """
    command = [
        "wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), f"{url}/track", "--",
        source, str(number), kind, str(pause),
    ]  # fmt: skip
    before = Usage(workers or []), Usage(writers or [])
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    after = Usage(workers or []), Usage(writers or [])
    facts = json.loads(done.stdout.splitlines()[-1])
    if facts["non2xx"] != (facts["requests"] if refused else 0) or facts["socket_errors"]:
        sys.exit(
            f"{url} answered {facts['non2xx']} requests with an error,"
            f" {facts['socket_errors']} connections broke."
        )
    requests = facts["requests"]
    return Run(
        requests,
        requests / facts["seconds"],
        facts["p50"],
        facts["p99"],
        facts["body_bytes"],
        (after[0].micros - before[0].micros) / requests,
        (after[1].micros - before[1].micros) / requests,
        (after[1].written - before[1].written) / requests,
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
        noop, unknown, grown = [], [], 0
        runs: dict[str, list[Run]] = {kind: [] for kind in KINDS}
        ours = partial(
            wrk,
            collector.url,
            workers=collector.children("collector.child\0worker"),
            writers=collector.children("collector.child\0writer"),
        )
        try:
            for url in (collector.url, noop_url):
                wrk(url, source, 0, 2)  # caches and interpreters get warm; its rows count too
            before = rows_of(collector)
            for number in range(1, rounds + 1):
                for turn, kind in enumerate(KINDS):
                    salt = number + turn * 1000
                    size = file_size(collector)
                    runs[kind].append(ours(source, salt, seconds, kind=kind))
                    if kind == "returning":
                        grown += file_size(collector) - size
                    if turn == 0:
                        noop.append(
                            wrk(noop_url, source, number, seconds, workers=[b.pid for b in bare])
                        )
                unknown.append(ours(NOBODY, number, seconds, refused=True))
                rate = runs["returning"][-1].rate
                talk.print(
                    f"{workers} worker(s), pair {number}: /track {rate:,.0f}/s,"
                    f" no-op {noop[-1].rate:,.0f}/s, ratio {rate / noop[-1].rate:.2f}"
                )
        finally:
            collector.stop()
            for process in bare:
                process.terminate()
                process.wait()
        acknowledged = sum(
            run.requests * events for kind, events in KINDS.items() for run in runs[kind]
        )
        rows = rows_of(collector) - before
        # Stored, but wrk hung up before it read the answer.
        in_flight = CONNECTIONS * len(KINDS) * 3 * rounds
        if not acknowledged <= rows <= acknowledged + in_flight:
            sys.exit(f"{acknowledged} events were acknowledged, but {rows} rows are stored.")
        file = grown / sum(run.requests * KINDS["returning"] for run in runs["returning"])
        return Layout(workers, runs, noop, unknown, acknowledged, rows, file)


def sqlite_floor(groups: int = 3000) -> float:
    """Microseconds of the processor that SQLite itself takes for a request: three rows with a
    unique id, in groups of 17 requests, synchronous=FULL."""
    with tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder:
        connection = sqlite3.connect(Path(folder) / "floor.db", isolation_level=None)
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "wal_autocheckpoint=2000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("CREATE TABLE t (seq INTEGER PRIMARY KEY, id TEXT UNIQUE, body TEXT)")
        values = ",".join(["(?, ?)"] * 51)
        insert = f"INSERT INTO t (id, body) VALUES {values}"
        prepared = [
            [part for _ in range(51) for part in (uuid7(), '{"product":"Sun glasses"}')]
            for _ in range(groups)
        ]
        started = time.process_time()
        for row in prepared:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute(insert, row)
            connection.execute("COMMIT")
        used = time.process_time() - started
        connection.close()
        return used / (groups * 17) * 1e6


def file_size(collector: Collector) -> int:
    """Bytes of the database, with what is in the write-ahead log, rollups too."""

    def is_counted() -> bool:
        (left,) = collector.rows(
            "SELECT (SELECT seq FROM sqlite_sequence WHERE name = 'event_rows') - seq AS count"
            " FROM rollup_marks WHERE name = 'live'"
        )
        return not left["count"]

    wait_for(is_counted, "the events to be counted")
    with sqlite3.connect(collector.db) as connection:
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    return collector.db.stat().st_size


def rows_of(collector: Collector) -> int:
    with sqlite3.connect(collector.db) as connection:
        return int(connection.execute("SELECT count(*) FROM event_rows").fetchone()[0])


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


NAMES = {
    "returning": "`/track`, durable, returning visitors",
    "new": "`/track`, durable, new visitors",
    "single": "`/track`, durable, one event",
}


def table_of(layout: Layout) -> list[tuple[str, list[Run], int]]:
    """What a layout's table has: name, runs, events a request."""
    return [
        *((NAMES[kind], layout.runs[kind], events) for kind, events in KINDS.items()),
        ("`/track`, unknown source", layout.unknown, 0),
        ("no-op", layout.noop, 3),
    ]


def report(layouts: list[Layout], floor: float, rounds: int, seconds: int) -> str:
    """The page of the docs."""
    body = layouts[0].runs["returning"][0].body_bytes
    lines = [
        "+++",
        'title = "Benchmarks"',
        'summary = "What a durable answer costs: /track beside a bare app on the same machine, in the'
        ' same minutes."',
        "order = 6",
        'aliases = ["docs/benchmarks.html"]',
        "+++",
        "",
        f"`make bench` wrote this page. It posts requests as the tracker sends them (three events,"
        f" {body:,} bytes)",
        f"with wrk over {CONNECTIONS} connections, in turns to the collector and to a bare Sanic app"
        " that reads the same body and answers `{}`.",
        "The collector answers when the rows are on disk (`synchronous=FULL`); the bare app has"
        " nothing to remember. Their ratio is what the",
        "promise costs. Returning visitors are 1,000 open sessions on 500 pages, of which one in ten"
        " requests begins another.",
        "",
        f"Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}. The load generator shares the"
        f" machine. {rounds} pairs of {seconds} s each;",
        "medians, and the medians of the pairs' ratios. Processor time and bytes are the kernel's"
        " count for our processes.",
        "",
        f"SQLite's own floor in the same minutes (three rows with a unique id, groups of 17 requests,"
        f" nothing else): {floor:.1f} µs a request.",
    ]
    for layout in layouts:
        plural = "s" if layout.workers > 1 else ""
        lines += [
            "",
            f"## {layout.workers} worker{plural}",
            "",
            "| | requests/s | events/s | p50 ms | p99 ms | ratio | worker µs | writer µs | bytes"
            " written an event |",
            "|---|---|---|---|---|---|---|---|---|",
        ]
        for name, runs, events in table_of(layout):
            rate = median(runs, "rate")
            ratio = f"{layout.versus(runs):.2f}" if name != "no-op" else ""
            written = (
                f"{median(runs, 'written') / events:,.0f}"
                if events and median(runs, "written")
                else ""
            )
            lines.append(
                f"| {name} | {rate:,.0f} | {rate * events:,.0f} | {median(runs, 'p50'):.1f} |"
                f" {median(runs, 'p99'):.1f} | {ratio} | {median(runs, 'worker'):.0f} |"
                f" {median(runs, 'writer'):.0f} | {written} |"
            )
        ours = layout.runs["returning"]
        pairs = ", ".join(f"{a.rate / b.rate:.2f}" for a, b in zip(ours, layout.noop, strict=True))
        cost = (median(ours, "worker") + median(ours, "writer")) / 3
        lines += [
            "",
            f"Returning visitors: ratio **{layout.versus(ours):.2f}** (pairs: {pairs}),"
            f" {cost:.1f} µs of the processor an event,",
            f"writer {median(ours, 'writer') / floor:.1f} times the floor. The file grows by"
            f" {layout.file:.0f} bytes an event, indexes and rollups included.",
            f"{layout.acknowledged:,} events were acknowledged and {layout.rows:,} rows stored; the"
            " difference was in flight when wrk hung up.",
        ]
    return "\n".join(lines) + "\n"


def show(layouts: list[Layout], floor: float) -> None:
    columns = (
        "workers",
        "",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "ratio",
        "worker",
        "writer",
        "bytes",
    )
    table = Table(*columns, box=None)
    for layout in layouts:
        for name, runs, events in table_of(layout):
            table.add_row(
                str(layout.workers), name.replace("`", ""), f"{median(runs, 'rate'):,.0f}",
                f"{median(runs, 'p50'):.1f}", f"{median(runs, 'p99'):.1f}",
                f"{layout.versus(runs):.2f}", f"{median(runs, 'worker'):.0f}",
                f"{median(runs, 'writer'):.0f}", f"{median(runs, 'written') / max(events, 1):,.0f}",
            )  # fmt: skip
    Console().print(table)
    for layout in layouts:
        Console().print(
            f"{layout.workers} worker(s): {layout.acknowledged:,} events acknowledged,"
            f" {layout.rows:,} rows stored, {layout.file:.0f} bytes an event in the file"
        )
    Console().print(f"SQLite's floor: {floor:.1f} µs a request")


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
    floor = sqlite_floor()
    show(layouts, floor)
    if not options.no_page:
        page = report(layouts, floor, options.rounds, options.seconds)
        PAGE.write_text(page, encoding="utf-8")
        talk.print(f"Written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
