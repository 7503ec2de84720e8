"""Prometheus metrics of a collector's processes.

They are added up through files in a folder that the supervisor makes for one run. Events are
counted by the writer, once for each group, when it has committed: the sums are those of the
database. What a worker refuses by itself is counted there.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

M = TypeVar("M", Counter, Gauge, Histogram)


class Described(NamedTuple):
    """What the reference says of a metric."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str


METRICS: list[Described] = []


def _declare(
    kind: type[M], name: str, meaning: str, labels: tuple[str, ...] = (), **options: Any
) -> M:
    shown = f"{name}_total" if kind is Counter else name
    METRICS.append(Described(shown, kind.__name__.lower(), labels, meaning))
    return kind(name, meaning, labels, **options)


_events = _declare(Counter, "thamesthrive_events", "Events by reason.", ("source", "reason"))
_requests = _declare(
    Counter, "thamesthrive_requests", "Answered ingestion requests by reason.", ("source", "reason")
)
_commit_seconds = _declare(
    Histogram, "thamesthrive_commit_seconds", "One group commit.", buckets=SECONDS
)
_commit_rows = _declare(
    Histogram,
    "thamesthrive_commit_events",
    "Events in one group commit.",
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000),
)
_waiting = _declare(
    Gauge,
    "thamesthrive_waiting_requests",
    "Requests that wait for the disk.",
    multiprocess_mode="livesum",
)
_waiting_bytes = _declare(
    Gauge, "thamesthrive_waiting_bytes", "Their size.", multiprocess_mode="livesum"
)
_oldest = _declare(
    Gauge,
    "thamesthrive_oldest_waiting_seconds",
    "How long the first of them has waited.",
    multiprocess_mode="livemax",
)

_retention_paused = _declare(
    Gauge,
    "thamesthrive_retention_paused",
    "1 while nothing is removed for its age, because the clock is not believed.",
    multiprocess_mode="livemax",
)

# A Histogram takes one observation at a time, two microseconds each. These counters take many at
# once, and are rendered as a histogram.
_REQUEST_SECONDS = Described(
    "thamesthrive_request_seconds", "histogram", (), "From a request's arrival to its answer."
)
METRICS.append(_REQUEST_SECONDS)
_request_buckets = Counter("thamesthrive_request_buckets", "By upper bound.", ["le"])
_request_sum = Counter("thamesthrive_request_sum", "Seconds of all requests.")


_answered: defaultdict[tuple[str, str], int] = defaultdict(int)  # by source and reason


@lru_cache(maxsize=4096)
def _event_counter(source_id: str, reason: str) -> Counter:
    return _events.labels(source_id, reason)


@lru_cache(maxsize=4096)
def _request_counter(source_id: str, reason: str) -> Counter:
    return _requests.labels(source_id, reason)


def count_events(source_id: str, reason: str, number: int) -> None:
    """Adds events with this reason code.

    `source_id` must be that of a source, so that senders cannot invent series.
    """
    if number:
        _event_counter(source_id, reason).inc(number)


def count_request(source_id: str, reason: str) -> None:
    """Adds an answered request. `source_id` is empty for an unknown source.

    It counts from the next `flush_requests` on: a counter's file costs a system call each time.
    """
    _answered[source_id, reason] += 1


def flush_requests() -> None:
    """Writes the requests that were counted since the last time."""
    for labels, number in _answered.items():
        _request_counter(*labels).inc(number)
    _answered.clear()


def count_commit(seconds: float, events: int) -> None:
    """Adds a group commit."""
    _commit_seconds.observe(seconds)
    _commit_rows.observe(events)


class RequestTimes:
    """Durations of requests, gathered in memory and written together, which costs a request
    nothing."""

    def __init__(self) -> None:
        self._pending: list[float] = []

    def add(self, started: float) -> None:
        """Adds a request that began at `started` (perf_counter) and ends now."""
        self._pending.append(time.perf_counter() - started)

    def flush(self) -> None:
        """Writes what was gathered."""
        pending, self._pending = self._pending, []
        counts = [0] * (len(SECONDS) + 1)
        for seconds in pending:
            counts[bisect_left(SECONDS, seconds)] += 1
        for bound, count in zip((*SECONDS, "+Inf"), counts, strict=True):
            if count:
                _request_buckets.labels(str(bound)).inc(count)
        if pending:
            _request_sum.inc(sum(pending))


def show_waiting(requests: int, size: int, oldest: float) -> None:
    """Sets what waits in this worker: requests, bytes, and the seconds the first has waited."""
    _waiting.set(requests)
    _waiting_bytes.set(size)
    _oldest.set(oldest)


def show_retention(*, paused: bool) -> None:
    """Sets whether nothing is removed for its age."""
    _retention_paused.set(int(paused))


class _AllProcesses(Collector):
    """The metrics of all processes, with the counters of request times as the histogram that they
    are."""

    def __init__(self) -> None:
        self._files = MultiProcessCollector(CollectorRegistry())  # type: ignore[no-untyped-call]

    def collect(self) -> Iterator[Metric]:
        families = {family.name: family for family in self._files.collect()}  # type: ignore[no-untyped-call]
        buckets = families.pop("thamesthrive_request_buckets", None)
        total = families.pop("thamesthrive_request_sum", None)
        if buckets and total:
            yield _histogram(buckets, sum(sample.value for sample in total.samples))
        yield from families.values()


def _histogram(buckets: Metric, total: float) -> HistogramMetricFamily:
    counts = {sample.labels["le"]: sample.value for sample in buckets.samples}
    below = 0.0
    cumulative: list[tuple[str, float]] = []
    for bound in (*map(str, SECONDS), "+Inf"):
        below += counts.get(bound, 0.0)
        cumulative.append((bound, below))
    return HistogramMetricFamily(
        _REQUEST_SECONDS.name, _REQUEST_SECONDS.meaning, buckets=cumulative, sum_value=total
    )


def render() -> bytes:
    """The metrics of all processes, in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(_AllProcesses())
    return generate_latest(registry)
