"""What an event costs the writer while the table grows to millions of rows.

The writer itself, with groups as a busy collector forms them, on a file of its own; what makes the
groups is not measured.
"""

import itertools
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from ..support import ROOT

GROUP = 32  # requests of three events in one transaction
CONTEXT = '{"page":{"url":"https://shop.example.com/glasses/sun","path":"/glasses/sun","title":"Sun glasses"}}'
SESSION = '{"browser":{"language":"en-US","platform":"Linux x86_64"},"screen":{"width":1280,"height":720}}'
KINDS = (
    ("purchase-order", '{"product":"Sun glasses - Badoo","price":13.45}'),
    ("interest", '{"a":["b"]}'),
    ("page-view", "{}"),
)


@dataclass(frozen=True)
class Sample:
    """A stretch of the run. Times per event in microseconds; the mean has the checkpoints in it,
    the median has not."""

    rows: int
    median: float
    mean: float
    processor: float
    file_mb: int


def grow(folder: Path, goal: int, stretch: int, start: int) -> list[Sample]:
    """Writes `goal` events, and looks at `stretch` of them at `start` and then at each twentieth of
    the way."""
    from sqlite_utils import Database

    from collector import store
    from collector.event.timestamps import now
    from collector.event.types import Event, Payload
    from collector.ids import uuid7
    from collector.ipc import SenderInfo, WriteRequest
    from collector.writer.group import Writer

    path = folder / "events.db"
    store.migrate(path)
    connection = store.connect(path)
    source = store.add_source(Database(connection), "Growth").id
    connection.close()
    writer = Writer(path)
    numbers = itertools.count(1)

    def group() -> list[WriteRequest]:
        requests = []
        for _ in range(GROUP):
            at = now()
            events = tuple(
                Event(i, uuid7(), kind, at, properties, CONTEXT)
                for i, (kind, properties) in enumerate(KINDS)
            )
            payload = Payload(source, uuid7(), None, uuid7(), SESSION, events=events)
            requests.append(
                WriteRequest(
                    source_id=source,
                    request_id=uuid7(),
                    received_at=at,
                    sender=SenderInfo(ip="192.0.2.0"),
                    payload=payload,
                    number=next(numbers),
                )
            )
        return requests

    samples: list[Sample] = []
    looks = [start, *(goal * part // 20 for part in range(1, 21))]
    rows, each = 0, GROUP * len(KINDS)
    while looks:
        until = looks.pop(0)
        while rows < until - stretch:
            writer.write(group())
            rows += each
        times, processor = [], 0.0
        while rows < until:
            requests = group()
            before, used = time.perf_counter(), time.process_time()
            writer.write(requests)
            times.append(time.perf_counter() - before)
            processor += time.process_time() - used
            rows += each
        micro = 1e6 / each
        sample = Sample(
            rows,
            round(statistics.median(times) * micro, 2),
            round(statistics.mean(times) * micro, 2),
            round(processor / len(times) * micro, 2),
            path.stat().st_size // 2**20,
        )
        samples.append(sample)
        print(json.dumps(asdict(sample)), file=sys.stderr)
    writer.close()
    return samples


def measure(rows: int, stretch: int = 90_000, start: int = 100_000) -> list[Sample]:
    """Runs on a new file below build/, which needs about 900 bytes a row."""
    with tempfile.TemporaryDirectory(prefix="growth-", dir=ROOT / "build") as folder:
        metrics = Path(folder) / "metrics"
        metrics.mkdir()
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(metrics)
        return grow(Path(folder), rows, stretch, start)
