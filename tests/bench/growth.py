"""What an event costs the writer while the table grows to millions of rows, and how long the queries
of an overview take then.

The writer itself, with groups as a busy collector forms them, on a file of its own; what makes the
groups is not measured. The events are those of a year: returning visitors, 500 pages, a few types
much more frequent than the others.
"""

import itertools
import json
import random
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from collector import store
from collector.event.types import Event, Payload, Rejection
from collector.ids import uuid7
from collector.ipc import SenderInfo, WriteRequest
from collector.store import reports
from collector.writer.group import Writer

from ..support import ROOT

GROUP = 32  # requests of three events in one transaction
VISITS = 1000  # open at a time; one request in ten begins another
PAGES, REFERRERS, CAMPAIGNS, TYPES = 500, 200, 50, 200
FREQUENT = ("page-view",) * 4 + ("click",) * 2 + ("scroll", "interest", "purchase-order")
PROPERTIES = ('{"product":"Sun glasses - Badoo","price":13.45}', '{"a":["b"]}', "{}")
DAYS = 365
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LAST = (FIRST + timedelta(days=DAYS - 1)).date()
COUNT_EVERY = 50_000  # events: as often as a busy writer counts
LOOKS = 5  # at each query


@dataclass(frozen=True)
class Sample:
    """A stretch of the run. Times per event in microseconds; the mean has the checkpoints in it,
    the median has not. `counting`: processor, for the rollups."""

    rows: int
    median: float
    mean: float
    processor: float
    counting: float
    file_mb: int


@dataclass(frozen=True)
class Look:
    """A query of an overview, its rows and its milliseconds."""

    query: str
    rows: int
    median: float
    worst: float


@dataclass(frozen=True)
class Growth:
    samples: list[Sample]
    looks: list[Look]
    bytes_by_table: dict[str, float]  # per event


class Visitors:
    """Requests of a year."""

    def __init__(self, source: str, goal: int) -> None:
        self._source, self._goal = source, goal
        self._random = random.Random(1)
        self._numbers = itertools.count(1)
        self._sessions = [self._visit() for _ in range(VISITS)]
        referrers = [f"https://www.site-{n}.example/x" for n in range(REFERRERS)]
        self._pages = [
            f'{{"page":{{"url":"https://shop.example.com/glasses/{n}","path":"/glasses/{n}",'
            f'"title":"Sun glasses","referrer":"{self._random.choice(referrers)}"}}}}'
            for n in range(PAGES)
        ]

    def _visit(self) -> tuple[str, str]:
        """Id and campaign of a session."""
        number = int(self._random.random() * CAMPAIGNS)
        return uuid7(), f'{{"source":"news","campaign":"campaign-{number}"}}'

    def group(self, rows: int) -> list[WriteRequest]:
        """The next requests, when there are so many rows already."""
        at = FIRST + timedelta(days=DAYS * min(1.0, rows / self._goal), milliseconds=-1)
        text = max(at, FIRST).isoformat(timespec="milliseconds")[:23] + "Z"
        return [self._request(text) for _ in range(GROUP)]

    def _request(self, at: str) -> WriteRequest:
        rand = self._random.random
        slot = int(rand() * VISITS)
        if rand() < 0.1:
            self._sessions[slot] = self._visit()
        session_id, campaign = self._sessions[slot]
        context = self._pages[int(rand() * rand() * PAGES)]
        events = tuple(
            Event(
                index,
                uuid7(),
                FREQUENT[int(rand() * len(FREQUENT))]
                if rand() < 0.9
                else f"type-{int(rand() * TYPES)}",
                at,
                properties,
                context,
            )
            for index, properties in enumerate(PROPERTIES)
        )
        session = (
            '{"browser":{"userAgent":"Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like'
            ' Gecko) Chrome/125.0.0.0 Safari/537.36","language":"en-US"},'
            '"screen":{"width":1280,"height":720}}'
        )
        rejected: tuple[Rejection, ...] = ()
        number = next(self._numbers)
        if number % 100 == 0:
            rejected = (Rejection(3, uuid7(), "invalid", "/price: -1", "purchase-order", "{}"),)
        return WriteRequest(
            source_id=self._source,
            request_id=uuid7(),
            received_at=at,
            sender=SenderInfo(ip="192.0.2.0"),
            payload=Payload(
                self._source,
                session_id,
                None,
                session_id,
                session,
                events=events,
                rejected=rejected,
                utm=campaign,
            ),
            number=number,
        )


def grow(path: Path, goal: int, stretch: int, start: int) -> list[Sample]:
    """Writes `goal` events, and looks at `stretch` of them at `start` and then at each twentieth of
    the way."""
    from sqlite_utils import Database

    store.migrate(path)
    with closing(store.connect(path)) as connection:
        source = store.add_source(Database(connection), "Growth").id
    writer = Writer(path)
    visitors = Visitors(source, goal)
    samples: list[Sample] = []
    parts = (goal * part // 20 for part in range(1, 21))
    looks = [start, *(part for part in parts if part > start + stretch)]
    rows = uncounted = 0
    each = GROUP * 3

    def count() -> float:
        used = time.process_time()
        has_more = True
        while has_more:
            has_more = writer.read_uncounted(COUNT_EVERY)
            writer.write_counts()
        return time.process_time() - used

    while looks:
        until = looks.pop(0)
        times, processor, counting = [], 0.0, 0.0
        while rows < until:
            requests = visitors.group(rows)
            before, used = time.perf_counter(), time.process_time()
            writer.write(requests)
            if rows >= until - stretch:
                times.append(time.perf_counter() - before)
                processor += time.process_time() - used
            rows += each
            uncounted += each
            if uncounted >= COUNT_EVERY:
                took = count()
                uncounted = 0
                counting += took if times else 0
        micro = 1e6 / each
        sample = Sample(
            rows,
            round(statistics.median(times) * micro, 2),
            round(statistics.mean(times) * micro, 2),
            round(processor / len(times) * micro, 2),
            round(counting / len(times) * micro, 2),
            path.stat().st_size // 2**20,
        )
        samples.append(sample)
        print(json.dumps(asdict(sample)), file=sys.stderr)
    count()
    writer.close()
    return samples


Query = Callable[[sqlite3.Connection, str], object]


def queries(profile: str) -> Iterator[tuple[str, Query]]:
    """What an overview asks, by name."""
    week, month, year = (LAST - timedelta(days=days - 1) for days in (7, 30, DAYS))
    yield (
        "events of 24 hours by hour and type",
        lambda connection, source: [
            *reports.events_over_time(connection, source, "hour", f"{LAST}T00", f"{LAST}T23")
        ],
    )
    yield (
        "events of 30 days by day and type",
        lambda connection, source: [
            *reports.events_over_time(connection, source, "day", str(month), str(LAST))
        ],
    )

    def top(kind: str, first: date) -> Query:
        return lambda connection, source: reports.most_frequent(
            connection, source, kind, first, LAST
        )

    for kind in ("pages", "referrers", "campaigns"):
        yield f"top 10 {kind} of 7 days", top(kind, week)
        yield f"top 10 {kind} of 12 months", top(kind, year)
    yield (
        "visitors of 30 days by day",
        lambda connection, source: reports.visits_over_time(connection, source, month, LAST),
    )
    yield (
        "visitors of 30 days together",
        lambda connection, source: [reports.visitors_between(connection, source, month, LAST)],
    )
    yield (
        "visitors of 12 months together",
        lambda connection, source: [reports.visitors_between(connection, source, year, LAST)],
    )
    yield (
        "latest 50 of a source",
        lambda connection, source: store.list_events(connection, source_id=source),
    )
    yield (
        "latest 50 of a frequent type",
        lambda connection, _: store.list_events(connection, type="page-view"),
    )
    yield (
        "latest 50 of a rare type",
        lambda connection, _: store.list_events(connection, type="type-7"),
    )
    yield "one profile's story", lambda connection, _: [*store.export_profile(connection, profile)]
    yield (
        "rejected of 30 days by reason",
        lambda connection, source: [
            *reports.rejections(connection, source, "day", str(month), str(LAST))
        ],
    )


def look(path: Path) -> list[Look]:
    """Times each query on a new connection, as the command line and the API use one."""
    with closing(store.connect_readonly(path)) as connection:
        (source,) = connection.execute("SELECT id FROM sources").fetchone()
        (profile,) = connection.execute(
            "SELECT id FROM profile_rows ORDER BY key DESC LIMIT 1 OFFSET 500"
        ).fetchone()
    found = []
    for name, query in queries(profile):
        times, rows = [], 0
        for _ in range(LOOKS):
            with closing(store.connect_readonly(path)) as connection:
                before = time.perf_counter()
                with reports.up_to_date(connection):
                    rows = len(query(connection, source))  # type: ignore[arg-type]
                times.append((time.perf_counter() - before) * 1000)
        found.append(Look(name, rows, round(statistics.median(times), 1), round(max(times), 1)))
        print(json.dumps(asdict(found[-1])), file=sys.stderr)
    return found


def measure(rows: int, stretch: int = 90_000, start: int = 100_000) -> Growth:
    """Runs on a new file below build/, which needs about 350 bytes a row."""
    with tempfile.TemporaryDirectory(prefix="growth-", dir=ROOT / "build") as folder:
        path = Path(folder) / "events.db"
        samples = grow(path, rows, stretch, start)
        looks = look(path)
        with closing(store.connect_readonly(path)) as connection:
            sizes = {
                name: size / rows
                for name, size in connection.execute(
                    "SELECT name, sum(pgsize) FROM dbstat GROUP BY name ORDER BY 2 DESC LIMIT 12"
                )
            }
        return Growth(samples, looks, sizes)
