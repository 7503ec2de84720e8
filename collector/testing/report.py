"""What a report says of each test: when its pages did something, what was tracked then, and when it
was stored."""

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from math import ceil
from typing import Any

from .record import ExpectationRecord, TestRecord

BEGINNING = "The test begins"
UNREAD = "Events that were not read"  # those of a request that was refused before


@dataclass(frozen=True)
class Arrival:
    """An event on its way into the database. Times are milliseconds since the test began. `committed`
    is None where nothing is known of the request that brought it, and of what was not stored.
    `verdict`: "stored", or the reason why it was not."""

    type: str
    properties: str  # JSON text
    tracked: float
    received: float
    committed: float | None
    verdict: str
    detail: str = ""
    request_id: str = ""

    @property
    def took(self) -> float:
        """Milliseconds from the call of `track` until it was stored."""
        end = self.received if self.committed is None else self.committed
        return max(0.0, end - self.tracked)


@dataclass
class Act:
    """Something that the test did, and the events that came of it. `at`: milliseconds since the test
    began."""

    kind: str  # "step", "open", "click", …
    title: str
    at: float
    arrivals: list[Arrival] = field(default_factory=list)


@dataclass(frozen=True)
class TestView:
    """A test as a page shows it. `spent`: milliseconds."""

    __test__ = False  # not a test class

    record: TestRecord
    anchor: str
    acts: list[Act]
    spent: float

    @property
    def failed(self) -> list[ExpectationRecord]:
        """The expectations that did not hold."""
        return [one for one in self.record.expectations if not one.held]

    @property
    def arrivals(self) -> list[Arrival]:
        """All events, in the order in which they were tracked."""
        return [arrival for act in self.acts for arrival in act.arrivals]


@dataclass(frozen=True)
class Latency:
    """How long events of a type took from `track` to the commit, in milliseconds."""

    type: str
    events: int
    p50: float
    p99: float
    slowest: float


def views_of(records: Iterable[TestRecord]) -> list[TestView]:
    """Each test's view; those that failed come first, otherwise in the order of their names."""
    ordered = sorted(records, key=lambda record: (record.outcome != "failed", record.node_id))
    return [
        TestView(record, f"test-{number}", _acts(record), _spent(record))
        for number, record in enumerate(ordered, 1)
    ]


def latencies(views: Iterable[TestView]) -> list[Latency]:
    """The latency of each type that was stored, in alphabetical order."""
    found: dict[str, list[float]] = {}
    for view in views:
        for arrival in view.arrivals:
            if arrival.verdict == "stored":
                found.setdefault(arrival.type, []).append(arrival.took)
    return [_latency(event_type, sorted(took)) for event_type, took in sorted(found.items())]


def _latency(event_type: str, took: list[float]) -> Latency:
    def percentile(share: float) -> float:
        return took[max(0, ceil(share * len(took)) - 1)]

    return Latency(event_type, len(took), percentile(0.5), percentile(0.99), took[-1])


def _spent(record: TestRecord) -> float:
    return max(0.0, 1000 * (record.ended_at - record.started_at))


def _acts(record: TestRecord) -> list[Act]:
    start = record.started_at
    acts = [Act("begin", BEGINNING, 0.0)]
    acts += [Act("step", step.name, 1000 * (step.started_at - start)) for step in record.steps]
    acts += [
        Act(str(action["action"]), _title(action), 1000 * (float(action["at"]) - start))
        for action in record.actions
    ]
    acts.sort(key=lambda act: act.at)
    arrivals = sorted([*_stored(record), *_refused(record)], key=lambda arrival: arrival.tracked)
    for arrival in arrivals:
        # What was tracked before anything else was seen belongs to the first.
        owner = next((act for act in reversed(acts) if act.at <= arrival.tracked), acts[0])
        owner.arrivals.append(arrival)
    return [act for act in acts if act.arrivals or act.kind != "begin"]


def _title(action: Mapping[str, Any]) -> str:
    """What was done and to what, whatever it is called there."""
    rest = [str(value) for key, value in action.items() if key not in ("action", "at")]
    return " ".join([str(action["action"]), *rest])


def _stored(record: TestRecord) -> Iterator[Arrival]:
    requests = _requests_by_event(record)
    for event in record.events:
        request = requests.get(str(event["id"]))
        received = _since(record, event["received_at"])
        committed = None
        if request is not None:
            received = _since(record, request["received_at"])
            committed = received + float(request["ms"])
        yield Arrival(
            type=str(event["type"]),
            properties=json.dumps(event["properties"], ensure_ascii=False),
            tracked=_since(record, event["occurred_at"]),
            received=received,
            committed=committed,
            verdict="stored",
            request_id=str(request["request_id"]) if request else "",
        )


def _requests_by_event(record: TestRecord) -> dict[str, Mapping[str, Any]]:
    """The request that stored each event. A later one may have repeated it."""
    return {
        str(verdict["id"]): request
        for request in reversed(record.requests)
        for verdict in request.get("events", ())
        if verdict.get("verdict") == "stored"
    }


def _refused(record: TestRecord) -> Iterator[Arrival]:
    """What was sent, and is not in the database: rejected events, and those of refused requests."""
    for row in record.rejected:
        at = _since(record, row["received_at"])
        yield Arrival(
            type=str(row.get("type") or UNREAD),
            properties=_payload(row.get("payload")),
            tracked=at,
            received=at,
            committed=None,
            verdict=str(row["reason"]),
            detail=_detail(row),
        )
    for request in record.requests:
        if int(request["status"]) >= 400:
            at = _since(record, request["received_at"])
            verdicts: list[Mapping[str, Any]] = [*request.get("events", ())] or [{}]
            for verdict in verdicts:
                yield Arrival(
                    type=str(verdict.get("type") or UNREAD),
                    properties="",
                    tracked=at,
                    received=at,
                    committed=None,
                    verdict=f"{request['status']} {request['reason']}",
                    detail=f"{request['method']} {request['route']}",
                    request_id=str(request["request_id"]),
                )


def _detail(row: Mapping[str, Any]) -> str:
    pointer, detail = row.get("pointer") or "", row.get("detail") or ""
    at = f"{pointer}: " if pointer and not detail.startswith(pointer) else ""
    return f"{at}{detail}" + (f" (rule: {row['rule']})" if row.get("rule") else "")


def _payload(payload: Any) -> str:
    if payload is None or isinstance(payload, str):
        return payload or ""
    return json.dumps(payload, ensure_ascii=False)


def _since(record: TestRecord, at: str) -> float:
    """Milliseconds since the test began."""
    return 1000 * (datetime.fromisoformat(at).timestamp() - record.started_at)
