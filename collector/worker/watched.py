"""The pipeline of a collector for tests: notes which run a request belongs to, and what becomes of
it. Without the `qa` setting there is none of this."""

from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

from ..errors import Duplicate, Refused, Stored
from ..event.run_id import PARAMETER, named_in
from ..event.types import Payload
from ..ipc import WriteResult
from ..store import Source
from .answer import Answer
from .inflate import inflated
from .journal import Entry, Journal, Verdict
from .pipeline import Incoming, Pipeline
from .sender import Headers

CURRENT: ContextVar[Entry | None] = ContextVar("request", default=None)
"""The request that is worked on."""
VALIDATED = "validated"  # the source only validates: it is correct, and not stored

FindRun = Callable[[str, str], str | None]
"""The run that is stored of a session: source id and session id are given."""


class WatchedPipeline(Pipeline):
    """One per collector."""

    hidden = (PARAMETER,)

    def __init__(self, journal: Journal, find_run: FindRun, *parts: Any) -> None:
        """`parts`: as of `Pipeline`."""
        super().__init__(*parts)
        self.journal = journal
        self._find_run = find_run

    async def track(self, headers: Headers, body: bytes, peer: str) -> Answer:
        entry = CURRENT.get()
        if entry is None:
            return await super().track(headers, body, peer)
        entry.is_taken = True
        entry.size = len(body)
        self._read_names(entry, headers, body)
        return await self._ended(entry, super().track(headers, body, peer))

    def _read_names(self, entry: Entry, headers: Headers, body: bytes) -> None:
        """Notes what the body says of run and events, also if it is refused."""
        try:
            named = named_in(inflated(body, headers.get("content-encoding")))
        except Refused:
            return
        entry.source_id = named.source_id
        entry.events = [_verdict(id_, type_, "") for id_, type_ in named.events]
        if entry.run is None:
            entry.run, entry.run_from = named.run, named.run_from
        self._adopt_session(entry, named.source_id, named.session_id)

    async def run(self, incoming: Incoming, read: Callable[[Incoming], Payload]) -> Answer:
        entry = CURRENT.get()
        if entry is None or incoming.bridge == "rest":
            return await super().run(incoming, read)
        return await self._ended(entry, super().run(incoming, read))

    async def _ended(self, entry: Entry, work: Coroutine[Any, Any, Answer]) -> Answer:
        """Has a request answered, and notes that it was."""
        status, reason = 500, "internal"
        try:
            answer = await work
            status, reason = answer.status, answer.code
        finally:
            self.journal.end(entry, status, reason, entry.detail)
        return answer

    def incoming(
        self, headers: Headers, peer: str, size: int, bridge: str, **known: Any
    ) -> Incoming:
        incoming = super().incoming(headers, peer, size, bridge, **known)
        if entry := CURRENT.get():
            entry.is_taken = True
            entry.size = size
            entry.source_id = incoming.source_id or entry.source_id
            entry.request_id, entry.received = incoming.request_id, incoming.received
            incoming.run = entry.run
        return incoming

    async def _store(self, incoming: Incoming, payload: Payload, source: Source) -> WriteResult:
        entry = CURRENT.get()
        if entry is None:
            return await super()._store(incoming, payload, source)
        entry.source_id = source.id
        self._adopt_session(entry, source.id, payload.session_id)
        incoming.run = run = entry.run
        entry.events = _verdicts(payload, "", ())
        if run and payload.session_id:
            self.journal.remember_session(source.id, payload.session_id, run)
        result = await super()._store(incoming, payload, source)
        if run and result.session_id:
            self.journal.remember_session(source.id, result.session_id, run)
        verdict = VALIDATED if source.validate_only else Stored.code
        entry.events = _verdicts(payload, verdict, result.duplicates)
        return result

    def _adopt_session(self, entry: Entry, source_id: str | None, session_id: str | None) -> None:
        """Takes a request that names no run as one of the run that its session belongs to."""
        if entry.run is None and source_id and session_id:
            found = self.journal.run_of_session(source_id, session_id)
            entry.run = found or self._find_run(source_id, session_id)
            entry.run_from = "session" if entry.run else None

    def refuse(
        self, refusal: Refused, started: float, incoming: Incoming | None = None, **known: Any
    ) -> Answer:
        if entry := CURRENT.get():
            entry.detail = refusal.detail
            for event in entry.events:
                event["verdict"] = event["verdict"] or refusal.code
        return super().refuse(refusal, started, incoming, **known)

    def _note_sighting(self, source_id: str | None, origin: str | None, code: str) -> None:
        entry = CURRENT.get()
        if entry is None or entry.run is None:
            super()._note_sighting(source_id, origin, code)


def _verdicts(payload: Payload, verdict: str, duplicates: tuple[str, ...]) -> list[Verdict]:
    """What became of the events of a request, in its order. `verdict`: of those that are neither
    rejected nor duplicates."""
    left = [*duplicates]
    found: list[tuple[int, Verdict]] = []
    for event in reversed(payload.events):
        is_repeat = event.id in left
        if is_repeat:
            left.remove(event.id)
        word = Duplicate.code if is_repeat else verdict
        found.append((event.index, _verdict(event.id, event.type, word)))
    found += [
        (
            rejection.index,
            _verdict(rejection.id, rejection.type, rejection.reason, rejection.detail),
        )
        for rejection in payload.rejected
    ]
    return [item for _, item in sorted(found, key=lambda pair: pair[0])]


def _verdict(
    event_id: str | None, event_type: str | None, verdict: str, detail: str | None = None
) -> Verdict:
    return {"id": event_id, "type": event_type, "verdict": verdict, "detail": detail}
