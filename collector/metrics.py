"""Prometheus metrics of a collector's processes, added up through files in a folder that the
supervisor makes for one run.

Events are counted by the writer, once for each group, when it has committed: the sums are those of
the database. What a worker refuses by itself is counted there. Times of requests are gathered in
the worker and written twice a second, which costs a request nothing.
"""

import time
from bisect import bisect_left
from functools import lru_cache

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_events = Counter("thamesthrive_events", "Events by verdict.", ["source", "reason"])
_requests = Counter(
    "thamesthrive_requests", "Answered ingestion requests by verdict.", ["source", "reason"]
)
_seconds = Histogram(
    "thamesthrive_request_seconds", "From a request's arrival to its answer.", buckets=SECONDS
)
_commit_seconds = Histogram("thamesthrive_commit_seconds", "One group commit.", buckets=SECONDS)
_commit_rows = Histogram(
    "thamesthrive_commit_events",
    "Events in one group commit.",
    buckets=(1, 3, 10, 30, 100, 300, 1000, 3000),
)
_waiting = Gauge(
    "thamesthrive_waiting_requests", "Requests that wait for the disk.", multiprocess_mode="livesum"
)
_waiting_bytes = Gauge("thamesthrive_waiting_bytes", "Their size.", multiprocess_mode="livesum")
_oldest = Gauge(
    "thamesthrive_oldest_waiting_seconds",
    "How long the first of them has waited.",
    multiprocess_mode="livemax",
)


@lru_cache(maxsize=4096)
def _event_counter(source_id: str, reason: str) -> Counter:
    return _events.labels(source_id, reason)


@lru_cache(maxsize=4096)
def _request_counter(source_id: str, reason: str) -> Counter:
    return _requests.labels(source_id, reason)


def count_events(source_id: str, reason: str, number: int) -> None:
    """Adds events with this verdict. `source_id` must be that of a source, so that senders cannot
    invent series."""
    if number:
        _event_counter(source_id, reason).inc(number)


def count_request(source_id: str, reason: str) -> None:
    """Adds an answered request; `source_id` is empty where there is no such source."""
    _request_counter(source_id, reason).inc()


def count_commit(seconds: float, events: int) -> None:
    """Adds a group commit."""
    _commit_seconds.observe(seconds)
    _commit_rows.observe(events)


class Times:
    """Durations of requests on their way into the histogram."""

    def __init__(self) -> None:
        self._pending: list[float] = []

    def add(self, started: float) -> None:
        """A request that began at `started` (perf_counter) ends now."""
        self._pending.append(time.perf_counter() - started)

    def flush(self) -> None:
        """Writes what was gathered."""
        pending, self._pending = self._pending, []
        counts = [0] * (len(SECONDS) + 1)
        for seconds in pending:
            counts[bisect_left(SECONDS, seconds)] += 1
        # As observe() does, but once for each bucket.
        for bucket, count in zip(_seconds._buckets, counts, strict=True):
            if count:
                bucket.inc(count)
        if pending:
            _seconds._sum.inc(sum(pending))


def show_waiting(requests: int, size: int, oldest: float) -> None:
    """What waits in this worker: how many requests, bytes, and for how many seconds the first of
    them."""
    _waiting.set(requests)
    _waiting_bytes.set(size)
    _oldest.set(oldest)


def render() -> bytes:
    """The metrics of all processes, in Prometheus' text format."""
    registry = CollectorRegistry()
    MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return generate_latest(registry)
