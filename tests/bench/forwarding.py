"""What forwarding costs: `make bench-forward`.

How fast a backlog is sent to PostgreSQL and ClickHouse, first all new and then all repeats; what a row
takes of the forwarder's processor; how long an event takes from its arrival to the store while a
collector is busy; and what that collector's senders feel of it. Writes
site/docs/explanation/forwarding-benchmarks.md.
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from collector import store
from collector.event.timestamps import stored

from ..engines.clickhouse_server import ClickHouseServer
from ..engines.edges import ClickHouse, Postgres, Store
from ..engines.postgres_server import PostgresServer
from ..support import ROOT, Collector, wait_for
from . import history
from .__main__ import machine, talk
from .console import send

DOCS = ROOT / "site" / "docs" / "explanation" / "forwarding-benchmarks.md"
EVENTS = 200_000
SECONDS = 20
PAIRS = 3
RATE = 400  # requests of five events a second: what these share two cores with
POLL = 0.005  # seconds between two looks at how far the store is
NAMES = {"postgresql": "PostgreSQL", "clickhouse": "ClickHouse"}


@dataclass(frozen=True)
class Drained:
    """A backlog that was sent. `rate`: events a second; `processor`: microseconds of the forwarder an
    event."""

    rate: float
    processor: float


@dataclass(frozen=True)
class Lag:
    """Milliseconds from arrival to the store, and the senders' 99th percentile beside it and alone."""

    p50: float
    p99: float
    beside: float
    alone: float


@contextmanager
def stores(folder: Path) -> Iterator[dict[str, Store]]:
    """An empty database of each engine. PostgreSQL waits for the disk, as it does at home."""
    for name in NAMES:
        (folder / name).mkdir()
    postgres = PostgresServer(folder / "postgresql", fsync="on")
    clickhouse = ClickHouseServer(folder / "clickhouse")
    postgres.start()
    clickhouse.start()
    try:
        yield {
            "postgresql": Postgres(postgres, postgres.add_database()),
            "clickhouse": ClickHouse(clickhouse, clickhouse.add_database()),
        }
    finally:
        postgres.stop()
        clickhouse.stop()


def drain(db: Path, url: str, *options: str) -> Drained:
    """Sends what waits, in another process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    started = time.perf_counter()
    words = ["forward", url, "--once", "--json", "--db", str(db), *options]
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *words], cwd=ROOT, check=True, capture_output=True
    )
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    (events,) = json.loads(done.stdout)["sent"].values()
    return Drained(events / seconds, spent / events * 1e6)


def measure_lag(folder: Path, target: Store, seconds: int) -> Lag:
    """A collector under load, alone and while it forwards."""
    alone = _p99(folder / "alone", (), seconds)[0]
    beside, lags = _p99(folder / "beside", ("--forward", target.url), seconds, target)
    lags.sort()
    return Lag(lags[len(lags) // 2] * 1000, lags[int(len(lags) * 0.99)] * 1000, beside, alone)


def _p99(
    folder: Path, options: tuple[str, ...], seconds: int, target: Store | None = None
) -> tuple[float, list[float]]:
    """The senders' 99th percentile in milliseconds, and for each event the seconds to the store."""
    folder.mkdir()
    collector = Collector(folder, options=options).start()
    seen: list[tuple[int, float]] = []
    try:
        source = collector.add_source()
        address = urlsplit(collector.url)
        place = (address.hostname or "", address.port or 0, source)
        asyncio.run(send(*place, 2, RATE))
        if target:
            times = asyncio.run(_send_and_look(place, seconds, target, seen))
        else:
            times = asyncio.run(send(*place, seconds, RATE))
    finally:
        collector.stop()
    times.sort()
    return times[int(len(times) * 0.99)], _lags(collector.db, seen)


async def _send_and_look(
    place: tuple[str, int, str], seconds: int, target: Store, seen: list[tuple[int, float]]
) -> list[float]:
    """`seen`: gets how far the store is, and since when."""
    done = asyncio.Event()

    def look() -> None:
        while not done.is_set():
            found = target.rows("SELECT max(cursor) FROM {}.edges")
            if found and found[0] and (not seen or found[0] > seen[-1][0]):
                seen.append((int(found[0]), time.time()))
            time.sleep(POLL)

    looking = asyncio.get_running_loop().run_in_executor(None, look)
    times = await send(*place, seconds, RATE)
    done.set()
    await looking
    return times


def _lags(db: Path, seen: list[tuple[int, float]]) -> list[float]:
    if not seen:
        return []
    bounds = [cursor for cursor, _ in seen]
    with closing(store.connect_readonly(db)) as connection:
        rows = connection.execute(
            "SELECT seq, received_at FROM events WHERE seq > ? AND seq <= ?",
            [bounds[0], bounds[-1]],
        ).fetchall()
    return [
        seen[bisect_left(bounds, seq)][1] - stored(received).at.timestamp()
        for seq, received in rows
    ]


def report(
    events: int,
    drained: dict[str, tuple[list[Drained], list[Drained]]],
    lags: dict[str, Lag],
    load: float,
) -> str:
    """The page of the docs. `load`: the machine's, when it began."""
    lines = [
        "+++",
        'title = "What forwarding costs"',
        'summary = "Rows a second to PostgreSQL and ClickHouse, and how long an event takes to get there."',
        "order = 11",
        "+++",
        "",
        f"`make bench-forward` wrote this page. Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        f"The stores ran on the same machine, PostgreSQL 15 with `fsync` and ClickHouse 26.9 as a library; its load was {load:.1f} at the beginning.",
        "",
        "## A backlog",
        "",
        f"{events:,} events of a year, with properties and context, are sent by `thamesthrive forward --once`: to an empty store, and then all of",
        f"them again. The process's start is in the figures. Medians of {PAIRS} runs.",
        "",
        "| store | new events a second | repeats a second | processor of the forwarder, an event |",
        "|---|---|---|---|",
        *(
            f"| {NAMES[name]} | {_median(new, 'rate'):,.0f} | {_median(old, 'rate'):,.0f} |"
            f" {_median(new, 'processor'):.1f} µs |"
            for name, (new, old) in drained.items()
        ),
        "",
        "## Under load",
        "",
        f"A collector with one worker gets {RATE * 5:,} events a second. The time to the store counts from an event's arrival until a",
        "query there sees it. What senders feel is the 99th percentile of their requests, on a collector that forwards and on one that does not.",
        "",
        "| store | to the store, p50 | p99 | requests, p99 | without forwarding |",
        "|---|---|---|---|---|",
        *(
            f"| {NAMES[name]} | {lag.p50:.0f} ms | {lag.p99:.0f} ms | {lag.beside:.1f} ms | {lag.alone:.1f} ms |"
            for name, lag in lags.items()
        ),
    ]
    return "\n".join(lines) + "\n"


def _median(runs: list[Drained], field: str) -> float:
    return float(statistics.median(getattr(run, field) for run in runs))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--no-page", action="store_true", help="leave the docs as they are")
    options = parser.parse_args()
    (ROOT / "build").mkdir(exist_ok=True)
    load = os.getloadavg()[0]
    drained: dict[str, tuple[list[Drained], list[Drained]]] = {}
    lags = {}
    with tempfile.TemporaryDirectory(prefix="forward-", dir=ROOT / "build") as text:
        folder = Path(text)
        db = folder / "history.db"
        history.make(db, EVENTS, datetime.now(UTC))
        with closing(store.connect_readonly(db)) as connection:
            events = store.last_seq(connection)
        for name in NAMES:
            drained[name] = ([], [])
        for number in range(PAIRS):
            (folder / str(number)).mkdir()
            with stores(folder / str(number)) as found:
                for name, target in found.items():
                    new = drain(db, target.url)
                    again = drain(db, target.url, "--since", "2000-01-01")
                    wait_for(
                        lambda target=target: (
                            target.rows("SELECT count(*) FROM {}.events")  # type: ignore[misc]
                            == [events]
                        ),
                        f"all events in {name}",
                    )
                    drained[name][0].append(new)
                    drained[name][1].append(again)
                    talk.print(f"{name}: {new.rate:,.0f} new, {again.rate:,.0f} repeats a second")
        (folder / "lag").mkdir()
        with stores(folder / "lag") as found:
            for name, target in found.items():
                (folder / f"lag-{name}").mkdir()
                lags[name] = measure_lag(folder / f"lag-{name}", target, SECONDS)
                talk.print(f"{name}: p50 {lags[name].p50:.0f}, p99 {lags[name].p99:.0f} ms")
    if not options.no_page:
        DOCS.write_text(report(events, drained, lags, load), encoding="utf-8")
        talk.print(f"Written to {DOCS.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
