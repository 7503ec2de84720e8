"""The run of one test: what the collector says of it, asked for as rarely as possible."""

from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from .client import CollectorUnreachable
from .evidence import Event, Evidence
from .steps import Ask, Steps

MOMENT = 0.3  # seconds that a request has from a page to the collector
SETTLE = 10.0  # seconds until a run has to be quiet
PAGE = 1000  # events of one answer
LONGEST = 60.0  # seconds that the collector waits
LATEST = 100  # events without a run that are looked through
OTHERS = 20  # runs that are looked through for an event that is missing


class Run:
    """What the collector knows of a run. Events are kept: those that are known are not asked for
    again."""

    def __init__(self, run: str, source: str, collector: str) -> None:
        self.run = run
        self.source = source
        self.collector = collector
        self.events: list[Event] = []
        self._last = 0  # the highest `seq` of these
        self._began = datetime.now(UTC)
        self._base = f"/qa/runs/{quote(run, safe='')}"

    def fetch(self) -> Steps[list[Event]]:
        """All events until now, in the order in which they were tracked."""
        while True:
            data = yield from self._get("events", after=str(self._last), limit=str(PAGE))
            new = [Event.of(raw) for raw in data["events"]]
            self.events += new
            self._last = max((event.seq for event in new), default=self._last)
            if len(new) < PAGE:
                break
        self.events.sort(key=lambda event: (event.occurred_at, event.seq))
        return self.events

    def rejected(self) -> Steps[list[dict[str, Any]]]:
        """The rejected events until now."""
        data = yield from self._get("rejected", limit=str(PAGE))
        return list(data["rejected"])

    def journal(self) -> Steps[list[dict[str, Any]]]:
        """The requests until now, those that were refused included."""
        data = yield from self._get("journal")
        return list(data["requests"])

    def wait(self, seconds: float, type_: str | None = None) -> Steps[bool]:
        """Waits until an event is stored that is not known yet, of a type if it is named. Returns
        whether there is one."""
        named = (("type", type_),) if type_ else ()
        return (yield from self._wait(("after", str(self._last)), *named, seconds=seconds))

    def _wait(self, *query: tuple[str, str], seconds: float) -> Steps[bool]:
        seconds = min(seconds, LONGEST)
        timeout = f"{max(1, round(seconds * 1000))}ms"
        status, data = yield Ask(f"{self._base}/wait", (*query, ("timeout", timeout)), seconds)
        if status not in (200, 408):
            raise CollectorUnreachable(f"{self._base}/wait: {status} {data.get('detail')}")
        return status == 200

    def wait_for_rejected(self, count: int, seconds: float) -> Steps[bool]:
        """Waits until that many events are rejected, or until the time is over."""
        return (yield from self._wait(("rejected", str(count)), seconds=seconds))

    def wait_for_requests(self, count: int, seconds: float) -> Steps[bool]:
        """Waits until that many requests are answered, or until the time is over."""
        return (yield from self._wait(("requests", str(count)), seconds=seconds))

    def settle(self) -> Steps[bool]:
        """Waits until nothing of the run is on its way. Returns whether that has come about."""
        # What a page sends while it is left arrives a moment later. /quiesce cannot know of it.
        yield from self.fetch()
        yield from self.wait(MOMENT)
        query = (("idle", f"{MOMENT * 1000:.0f}ms"), ("timeout", f"{SETTLE:.0f}s"))
        status, _ = yield Ask(f"{self._base}/quiesce", query, SETTLE)
        return status == 200

    def evidence(self) -> Steps[Evidence]:
        """All that the collector knows of the run, and what other runs have stored meanwhile."""
        events = yield from self.fetch()
        rejected = yield from self.rejected()
        requests = yield from self.journal()
        others = yield from self._others()
        return Evidence(self.run, self.source, self.collector, events, rejected, requests, others)

    def _others(self) -> Steps[list[tuple[str, Event]]]:
        """Events of the same source since this run began: with another run, or without one ("")."""
        _, data = yield Ask("/qa/runs")
        runs = [each for each in data.get("runs", ()) if each["run"] != self.run]
        found: list[tuple[str, Event]] = []
        for each in runs[:OTHERS]:
            if _time(each["last_at"]) >= self._began:
                query = (("source", self.source), ("limit", str(PAGE)))
                path = f"/qa/runs/{quote(each['run'], safe='')}/events"
                _, data = yield Ask(path, query)
                found += [(each["run"], Event.of(raw)) for raw in data.get("events", ())]
        # Refused without a token; then they are not known.
        query = (("source_id", self.source), ("limit", str(LATEST)))
        _, data = yield Ask("/api/events", query)
        found += [("", Event.of(raw)) for raw in data.get("events", ())]
        return [(run, event) for run, event in found if _time(event.received_at) >= self._began]

    def _get(self, what: str, **query: str) -> Steps[dict[str, Any]]:
        status, data = yield Ask(f"{self._base}/{what}", tuple(query.items()))
        if status == 404:
            raise CollectorUnreachable(
                f"The collector at {self.collector} has no /qa/runs: start it with --qa."
            )
        if status != 200:
            raise CollectorUnreachable(
                f"{self.collector}{self._base}/{what}: {status} {data.get('detail')}"
            )
        return data


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text)
