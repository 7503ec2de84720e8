"""Prometheus metrics of a collector's processes.

Events are counted by the writer, once for each group, when it has committed: the sums are those of
the database. What a worker refuses by itself is counted there. The numbers are in memory that all
processes share (counters.py), so counting needs no disk, and each worker can show the sums.
"""

import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from .counters import Counters, SharedMemory

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_SEPARATOR = "\0"  # in keys, between a metric's name and its labels


class Described(NamedTuple):
    """What the reference says of a metric. `bounds`: of a histogram's buckets."""

    name: str
    kind: str
    labels: tuple[str, ...]
    meaning: str
    bounds: tuple[float, ...] = ()
    combine: Callable[[Sequence[float]], float] = sum  # the gauges of all processes to one


METRICS: list[Described] = []


def _declare(
    kind: str,
    name: str,
    meaning: str,
    labels: tuple[str, ...] = (),
    bounds: tuple[float, ...] = (),
    combine: Callable[[Sequence[float]], float] = sum,
) -> Described:
    metric = Described(name, kind, labels, meaning, bounds, combine)
    METRICS.append(metric)
    return metric


_EVENTS = _declare(
    "counter", "thamesthrive_events_total", "Events by reason.", ("source", "reason")
)
_REQUESTS = _declare(
    "counter",
    "thamesthrive_requests_total",
    "Answered ingestion requests by reason.",
    ("source", "reason"),
)
_COMMIT_SECONDS = _declare(
    "histogram", "thamesthrive_commit_seconds", "One group commit.", bounds=SECONDS
)
_COMMIT_EVENTS = _declare(
    "histogram",
    "thamesthrive_commit_events",
    "Events in one group commit.",
    bounds=(1, 3, 10, 30, 100, 300, 1000, 3000),
)
_WAITING = _declare("gauge", "thamesthrive_waiting_requests", "Requests that wait for the disk.")
_WAITING_BYTES = _declare("gauge", "thamesthrive_waiting_bytes", "The memory they take.")
_OLDEST = _declare(
    "gauge",
    "thamesthrive_oldest_waiting_seconds",
    "How long the first of them has waited.",
    combine=max,
)
_CONNECTIONS = _declare("gauge", "thamesthrive_connections", "Connections of senders.")
_DROPPED = _declare(
    "counter",
    "thamesthrive_dropped_connections_total",
    "Connections that were ended because there were too many.",
)
_RETENTION_PAUSED = _declare(
    "gauge",
    "thamesthrive_retention_paused",
    "1 while nothing is removed for its age, because the clock is not believed.",
    combine=max,
)
_REQUEST_SECONDS = _declare(
    "histogram",
    "thamesthrive_request_seconds",
    "From a request's arrival to its answer.",
    bounds=SECONDS,
)
_GAUGES = [metric for metric in METRICS if metric.kind == "gauge"]

# Of destinations, which say these of themselves: what is in memory is not what was on disk.
_DESTINATION = ("destination",)
FORWARD_ROWS = _declare(
    "counter",
    "thamesthrive_forwarded_events_total",
    "Events sent, repeats among them.",
    _DESTINATION,
)
FORWARD_FAILURES = _declare(
    "counter", "thamesthrive_forward_failures_total", "Tries to send that failed.", _DESTINATION
)
FORWARD_BACKLOG = _declare(
    "gauge",
    "thamesthrive_forward_waiting_events",
    "Events that wait to be sent, about.",
    _DESTINATION,
)
FORWARD_LAG = _declare(
    "gauge",
    "thamesthrive_forward_waiting_seconds",
    "How long the first of them has waited.",
    _DESTINATION,
)
FORWARD_REFUSED = _declare(
    "gauge",
    "thamesthrive_forward_refused_rows",
    "Rows that the destination refuses, set aside.",
    _DESTINATION,
)
Given = Mapping[Described, Mapping[tuple[str, ...], float]]
"""Metrics that are not counted here: their values by their labels."""


class _Process:
    """The numbers of this process; of itself alone until it shares memory."""

    def __init__(self) -> None:
        self.counters = Counters()


_process = _Process()
_answered: defaultdict[tuple[str, str], int] = defaultdict(int)  # by source and reason


def share(memory: SharedMemory, process: int) -> None:
    """Counts in shared memory from now on, as this one of the processes that share it."""
    _process.counters = Counters(memory, process)


@lru_cache(maxsize=8192)
def _key(name: str, *labels: str) -> bytes:
    return _SEPARATOR.join((name, *labels)).encode()


@lru_cache(maxsize=1024)
def _bucket_key(name: str, place: int) -> bytes:
    return _key(name, str(place))


def count_events(source_id: str, reason: str, number: int) -> None:
    """Adds events with this reason code.

    `source_id` must be that of a source, so that senders cannot invent series.
    """
    if number:
        _process.counters.add(_key(_EVENTS.name, source_id, reason), number)


def count_request(source_id: str, reason: str) -> None:
    """Adds an answered request. `source_id` is empty for an unknown source.

    It counts from the next `flush_requests` on.
    """
    _answered[source_id, reason] += 1


def flush_requests() -> None:
    """Writes the requests that were counted since the last time."""
    for labels, number in _answered.items():
        _process.counters.add(_key(_REQUESTS.name, *labels), number)
    _answered.clear()


def count_commit(seconds: float, events: int) -> None:
    """Adds a group commit."""
    _observe(_COMMIT_SECONDS, (seconds,))
    _observe(_COMMIT_EVENTS, (events,))


def _observe(metric: Described, values: Sequence[float]) -> None:
    counts: dict[int, int] = {}
    for value in values:
        place = bisect_left(metric.bounds, value)
        counts[place] = counts.get(place, 0) + 1
    add = _process.counters.add
    for place, count in counts.items():
        add(_bucket_key(metric.name, place), count)
    add(_key(metric.name, "sum"), sum(values))


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
        if pending:
            _observe(_REQUEST_SECONDS, pending)


def show_waiting(requests: int, size: int, oldest: float) -> None:
    """Sets what waits in this worker: requests, bytes, and the seconds the first has waited."""
    for metric, value in ((_WAITING, requests), (_WAITING_BYTES, size), (_OLDEST, oldest)):
        _process.counters.set_gauge(_GAUGES.index(metric), value)


def show_connections(number: int, dropped: int) -> None:
    """Sets how many connections this worker has, and adds those it has dropped."""
    _process.counters.set_gauge(_GAUGES.index(_CONNECTIONS), number)
    _process.counters.add(_key(_DROPPED.name), dropped)


def show_retention(*, paused: bool) -> None:
    """Sets whether nothing is removed for its age."""
    _process.counters.set_gauge(_GAUGES.index(_RETENTION_PAUSED), int(paused))


class Load(NamedTuple):
    """What the collector does, of all processes. Times are in seconds; those of commits and requests
    are of which half, 95 and 99 of 100 take no longer, as closely as the buckets of the histograms
    tell; None if there was none. `waiting`, `waiting_bytes`, `oldest_waiting` and `connections` are
    of this moment, the rest is since the start."""

    commits: int
    commit_seconds: tuple[float, float, float] | None
    events_per_commit: float
    requests: int
    request_seconds: tuple[float, float, float] | None
    waiting: int
    waiting_bytes: int
    oldest_waiting: float
    connections: int


def load() -> Load:
    """The load of the collector, from the memory that its processes share."""
    totals = _process.counters.totals()

    def counts_of(metric: Described) -> list[float]:
        places = range(len(metric.bounds) + 1)
        return [totals.get(_bucket_key(metric.name, place), 0.0) for place in places]

    def gauge(metric: Described) -> float:
        return metric.combine(_process.counters.gauges(_GAUGES.index(metric)))

    commits, requests = counts_of(_COMMIT_SECONDS), counts_of(_REQUEST_SECONDS)
    events = totals.get(_key(_COMMIT_EVENTS.name, "sum"), 0.0)
    return Load(
        commits=int(sum(commits)),
        commit_seconds=_quantiles(commits),
        events_per_commit=events / sum(commits) if any(commits) else 0.0,
        requests=int(sum(requests)),
        request_seconds=_quantiles(requests),
        waiting=int(gauge(_WAITING)),
        waiting_bytes=int(gauge(_WAITING_BYTES)),
        oldest_waiting=gauge(_OLDEST),
        connections=int(gauge(_CONNECTIONS)),
    )


def _quantiles(counts: Sequence[float]) -> tuple[float, float, float] | None:
    """The median, and the 95th and 99th percentile, of a histogram with the bounds SECONDS."""
    if not any(counts):
        return None
    return _quantile(counts, 0.5), _quantile(counts, 0.95), _quantile(counts, 0.99)


def _quantile(counts: Sequence[float], part: float) -> float:
    """Of a histogram's bucket it is the part that lies before it; above the last bound, that."""
    wanted, low = part * sum(counts), 0.0
    for count, bound in zip(counts, SECONDS, strict=False):
        if count and wanted <= count:
            return low + (bound - low) * wanted / count
        wanted, low = wanted - count, bound
    return low


def render(given: Given) -> bytes:
    """The metrics of all processes, and others that are given, in Prometheus' text format."""
    from prometheus_client import CollectorRegistry, generate_latest
    from prometheus_client.registry import Collector

    class Sums(Collector):
        def collect(self) -> Iterator["Metric"]:
            return _families(given)

    registry = CollectorRegistry()
    registry.register(Sums())
    return generate_latest(registry)


def _families(given: Given) -> Iterator["Metric"]:
    from prometheus_client.metrics_core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
    )

    sums: dict[str, dict[tuple[str, ...], float]] = {metric.name: {} for metric in METRICS}
    for key, number in _process.counters.totals().items():
        name, *labels = key.decode().split(_SEPARATOR)
        sums[name][tuple(labels)] = number
    for metric in METRICS:
        found = given.get(metric, sums[metric.name])
        if metric.kind == "counter":
            family = CounterMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for label_values, number in found.items():
                family.add_metric(label_values, number)
            yield family
        elif metric.kind == "gauge" and metric.labels:
            labeled = GaugeMetricFamily(metric.name, metric.meaning, labels=metric.labels)
            for label_values, number in found.items():
                labeled.add_metric(label_values, number)
            yield labeled
        elif metric.kind == "gauge":
            of_all = _process.counters.gauges(_GAUGES.index(metric))
            yield GaugeMetricFamily(metric.name, metric.meaning, metric.combine(of_all))
        else:
            buckets = _cumulative(metric, found)
            total = found.get(("sum",), 0.0)
            yield HistogramMetricFamily(
                metric.name, metric.meaning, buckets=buckets, sum_value=total
            )


def _cumulative(
    metric: Described, counts: Mapping[tuple[str, ...], float]
) -> list[tuple[str, float]]:
    """A histogram's buckets as Prometheus wants them: each with all that is below its bound."""
    below = 0.0
    found: list[tuple[str, float]] = []
    for place, bound in enumerate((*map(float, metric.bounds), "+Inf")):
        below += counts.get((str(place),), 0.0)
        found.append((str(bound), below))
    return found
