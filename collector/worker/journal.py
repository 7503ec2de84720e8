"""What has become of each request of a run of tests, and which are still on their way.

One worker keeps it in memory, only with the `qa` setting. It is bounded, and ends with the process.
"""

import asyncio
import time
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from ..event.timestamps import Timestamp, current
from ..ids import uuid7

MAX_REQUESTS = 20_000
MAX_BYTES = 64 * 1024 * 1024
MAX_AGE = 24 * 3600.0  # seconds
MAX_SESSIONS = 10_000  # whose run is remembered
_ENTRY_BYTES = 2048  # of a request without events, about
_EVENT_BYTES = 512

Verdict = dict[str, Any]
"""`id`, `type`, `verdict` and `detail` of an event."""


@dataclass(eq=False, slots=True)
class Entry:
    """A request from its first byte to its answer. `run_from`: what names its run (header, query,
    payload, address, page, session). `reason`: the word for what became of it."""

    route: str
    method: str
    origin: str | None
    headers: dict[str, str]
    run: str | None = None
    run_from: str | None = None
    source_id: str | None = None
    size: int = 0  # bytes of the body
    request_id: str = field(default_factory=uuid7)
    received: Timestamp = field(default_factory=current)
    started: float = field(default_factory=perf_counter)
    is_taken: bool = False  # the pipeline ends it
    number: int = 0  # once it has ended
    ended: float = 0.0  # monotonic seconds
    ms: float = 0.0
    status: int = 0
    reason: str = ""
    detail: str | None = None
    events: list[Verdict] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The entry as JSON-ready data."""
        return {
            "request_id": self.request_id,
            "received_at": self.received.text,
            "ms": round(self.ms, 3),
            "route": self.route,
            "method": self.method,
            "origin": self.origin,
            "source_id": self.source_id,
            "status": self.status,
            "reason": self.reason,
            "detail": self.detail,
            "run_from": self.run_from,
            "bytes": self.size,
            "events": self.events,
            "headers": self.headers,
        }

    @property
    def memory(self) -> int:
        """Bytes that it takes, about."""
        texts = sum(len(name) + len(value) for name, value in self.headers.items())
        details = sum(len(event["detail"] or "") for event in self.events)
        return _ENTRY_BYTES + 2 * texts + _EVENT_BYTES * len(self.events) + 2 * details


@dataclass(slots=True)
class _Run:
    """A run's part of the journal. `last`: when its last request ended, monotonic seconds."""

    entries: deque[Entry] = field(default_factory=deque)
    requests: int = 0  # also those that are not kept any more
    last: float = 0.0
    waiting: list[asyncio.Future[None]] = field(default_factory=list)


class Journal:
    """One per collector. Used from one event loop."""

    def __init__(self, max_requests: int = MAX_REQUESTS, max_bytes: int = MAX_BYTES) -> None:
        self._max_requests, self._max_bytes = max_requests, max_bytes
        self._bytes = 0
        # Of the last request. Numbers of a collector that was started again go on above its own.
        self._number = time.time_ns() // 1_000_000
        self._in_flight: dict[Entry, None] = {}
        self._kept: deque[Entry] = deque()  # in the order in which they ended
        self._runs: dict[str, _Run] = {}
        self._sessions: dict[tuple[str, str], str] = {}

    def begin(self, entry: Entry) -> None:
        """A request has begun to arrive."""
        self._in_flight[entry] = None

    def drop(self, entry: Entry) -> None:
        """It was no request with events after all, or never arrived as a whole."""
        self._in_flight.pop(entry, None)

    def end(self, entry: Entry, status: int, reason: str, detail: str | None = None) -> None:
        """A request was answered; what it brought is committed. Only those of a run are kept."""
        if entry not in self._in_flight:
            return  # it has ended before
        del self._in_flight[entry]
        run = entry.run
        if run is None:
            return
        entry.status, entry.reason, entry.detail = status, reason, detail
        entry.ended, entry.ms = time.monotonic(), (perf_counter() - entry.started) * 1000
        self._number += 1
        entry.number = self._number
        of_run = self._run(run)
        of_run.entries.append(entry)
        of_run.requests += 1
        of_run.last = entry.ended
        self._kept.append(entry)
        self._bytes += entry.memory
        self._trim()
        self._notify(of_run)

    def entries(self, run: str, after: int = 0) -> Iterator[Entry]:
        """The requests of a run that are kept, with numbers above `after`, oldest first."""
        self._trim()
        found = self._runs.get(run)
        return (entry for entry in [*(found.entries if found else ())] if entry.number > after)

    def runs(self) -> Mapping[str, int]:
        """How many requests each run has had."""
        return {run: found.requests for run, found in self._runs.items() if found.requests}

    def requests(self, run: str) -> int:
        """How many requests a run has had."""
        found = self._runs.get(run)
        return found.requests if found else 0

    def in_flight(self, run: str) -> int:
        """Requests on their way that are the run's, or may turn out to be."""
        return sum(entry.run in (None, run) for entry in self._in_flight)

    def last(self, run: str) -> float:
        """When the last request of a run ended, monotonic seconds; 0 if there was none."""
        found = self._runs.get(run)
        return found.last if found else 0.0

    def remove(self, run: str) -> int:
        """Forgets a run. Returns how many requests of it were kept."""
        found = self._runs.get(run)
        if found is None:
            return 0
        removed = len(found.entries)
        self._kept = deque(entry for entry in self._kept if entry.run != run)
        self._bytes -= sum(entry.memory for entry in found.entries)
        found.entries.clear()
        found.requests = 0
        self._sessions = {key: of for key, of in self._sessions.items() if of != run}
        self._forget(run)
        return removed

    async def change(self, run: str, seconds: float) -> None:
        """Returns when a request of the run has ended, or after so many seconds."""
        of_run = self._run(run)
        changed = asyncio.get_running_loop().create_future()
        of_run.waiting.append(changed)
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await changed
        except TimeoutError:
            pass
        finally:
            if changed in of_run.waiting:
                of_run.waiting.remove(changed)
            self._forget(run)

    def remember_session(self, source_id: str, session_id: str, run: str) -> None:
        """What comes of this session from now on is the run's."""
        key = (source_id, session_id)
        self._sessions.pop(key, None)
        self._sessions[key] = run
        if len(self._sessions) > MAX_SESSIONS:
            del self._sessions[next(iter(self._sessions))]

    def run_of_session(self, source_id: str, session_id: str) -> str | None:
        """The run of a session, if it is remembered."""
        return self._sessions.get((source_id, session_id))

    def _run(self, run: str) -> _Run:
        return self._runs.setdefault(run, _Run())

    def _forget(self, run: str) -> None:
        """Forgets a run that nobody waits for, and that has nothing."""
        found = self._runs.get(run)
        if found and not (found.entries or found.requests or found.waiting):
            del self._runs[run]

    def _notify(self, of_run: _Run) -> None:
        waiting, of_run.waiting = of_run.waiting, []
        for changed in waiting:
            if not changed.done():
                changed.set_result(None)

    def _trim(self) -> None:
        oldest = time.monotonic() - MAX_AGE
        kept = self._kept
        while kept and (
            len(kept) > self._max_requests
            or self._bytes > self._max_bytes
            or kept[0].ended < oldest
        ):
            entry = kept.popleft()
            self._bytes -= entry.memory
            of_run = self._runs[entry.run or ""]
            of_run.entries.popleft()
            if not of_run.entries and of_run.last < oldest:
                of_run.requests = 0
                self._forget(entry.run or "")
