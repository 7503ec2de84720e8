"""`/qa/runs/*`: what is stored of a run of tests, what was rejected and refused of it, and when
nothing more of it is on its way."""

import asyncio
import re
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request

from ...errors import StoreError
from ...event.run_id import is_run_id
from ...store import SourceCache
from ...store.conditions import parse_condition
from ...store.events import StoredEvent
from ...store.run_details import rejected_dict
from ...store.runs import (
    events_of_run,
    latest_of_run,
    list_runs,
    rejected_of_run,
    remove_run,
    types_of_run,
)
from ..journal import Journal
from . import qa_access, qa_stream
from .responses import json_response
from .routes import Route

DEFAULT_LIMIT, MAX_LIMIT = 200, 1000
MAX_COUNT = 1_000_000
LATEST = 20  # events of a run that are shown when those that were waited for did not come
MAX_WAIT = 60.0  # seconds
LOOK = 0.005  # seconds between looks at what is on its way
LOOK_AGAIN = 1.0  # the same at the database, for what another process has stored
_OTHERS = ("rejected", "requests")  # what else is waited for
_DURATION = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(ms|s)")
STOPPING = "The collector is stopping."
_BAD_RUN = (
    "A run id has up to 64 letters, digits and the characters . _ : -, and begins with a letter or a"
    " digit."
)

Answer = Coroutine[Any, Any, HTTPResponse]


class RunRoutes:
    """The routes of a collector. `beginning`: how many requests are arriving of which nothing is known
    yet."""

    def __init__(
        self,
        path: Path,
        connection: sqlite3.Connection,
        journal: Journal,
        sources: SourceCache,
        beginning: Callable[[], int],
    ) -> None:
        self._path = path
        self._connection = connection
        self._journal = journal
        self._sources = sources
        self._beginning = beginning

    def routes(self) -> list[Route]:
        """All of them, for `add_routes`."""
        run = "/qa/runs/{run}"
        handlers: list[tuple[str, str, Callable[..., Answer]]] = [
            ("GET", "/qa/runs", self.runs),
            ("GET", f"{run}/events", self.events),
            ("GET", f"{run}/wait", self.wait),
            ("GET", f"{run}/rejected", self.rejected),
            ("GET", f"{run}/quiesce", self.quiesce),
            ("GET", f"{run}/journal", self.journal),
            ("GET", f"{run}/stream", self.stream),
            ("DELETE", run, self.remove),
        ]
        return [Route(method, path, self._guarded(handler)) for method, path, handler in handlers]

    def _guarded(self, handler: Callable[..., Answer]) -> Callable[..., Answer]:
        async def handle(request: Request, **names: str) -> HTTPResponse:
            if refused := qa_access.refusal(request, self._sources):
                status, detail = refused
                headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
                return json_response(status, {"detail": detail}, headers)
            if "run" in names and not is_run_id(names["run"]):
                return json_response(422, {"detail": _BAD_RUN})
            try:
                return await handler(request, **names)
            except StoreError as error:
                return json_response(422, {"detail": str(error)})

        return handle

    async def runs(self, _: Request) -> HTTPResponse:
        """All runs, the newest first."""
        requests = self._journal.runs()
        stored = [run.as_dict() for run in list_runs(self._connection)]
        known = {run["run"] for run in stored}
        found = [{**run, "requests": requests.get(run["run"], 0)} for run in stored]
        found += [self._only_requests(run) for run in requests if run not in known]
        found.sort(key=lambda run: str(run["last_at"]), reverse=True)
        return json_response(200, {"runs": found})

    def _only_requests(self, run: str) -> dict[str, Any]:
        """A run of which nothing was stored."""
        times = [entry.received.text for entry in self._journal.entries(run)]
        return {
            "run": run,
            "events": 0,
            "rejected": 0,
            "first_at": min(times, default=""),
            "last_at": max(times, default=""),
            "requests": self._journal.requests(run),
        }

    async def events(self, request: Request, run: str) -> HTTPResponse:
        """Stored events, oldest first."""
        found = self._find(request, run, _number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT))
        return json_response(200, {"run": run, "events": _shown(found), "count": len(found)})

    def _find(self, request: Request, run: str, limit: int) -> list[StoredEvent]:
        """The events that a query asks for. Raises StoreError."""
        return events_of_run(
            self._connection,
            run,
            after=_number(request, "after", 0, 2**62, low=0),
            limit=limit,
            type=request.args.get("type"),
            source_id=request.args.get("source"),
            where=[parse_condition(text) for text in request.args.getlist("where") or []],
        )

    async def wait(self, request: Request, run: str) -> HTTPResponse:
        """The same once there are `count`, at the commit that stores them; 408 if there are not.
        `rejected` and `requests`: how many of these there are to be, too."""
        wanted = {name: _number(request, name, 0, MAX_COUNT, low=0) for name in _OTHERS}
        count = _number(request, "count", 0 if any(wanted.values()) else 1, MAX_COUNT, low=0)
        deadline = time.monotonic() + _seconds(request, "timeout", "5s")
        while True:
            found = self._find(request, run, max(count, MAX_LIMIT))
            others = self._others(run, wanted)
            if len(found) >= count and all(len(others[n]) >= wanted[n] for n in others):
                body = {"events": _shown(found), "count": len(found), **others}
                return json_response(200, body)
            left = deadline - time.monotonic()
            if request.app.ctx.draining:
                return json_response(503, {"detail": STOPPING})
            if left <= 0:
                return json_response(408, self._not_come(request, run, count, len(found)))
            await self._journal.change(run, min(left, LOOK_AGAIN))

    def _others(self, run: str, wanted: dict[str, int]) -> dict[str, list[dict[str, Any]]]:
        """Rejected events and requests, if they are waited for."""
        found: dict[str, list[dict[str, Any]]] = {}
        if number := wanted["rejected"]:
            found["rejected"] = self._rejected(run, max(number, MAX_LIMIT))
        if wanted["requests"]:
            found["requests"] = [entry.as_dict() for entry in self._journal.entries(run)]
        return found

    def _not_come(self, request: Request, run: str, count: int, found: int) -> dict[str, Any]:
        """What there is instead of events that were waited for."""
        what = f"{count} event{'s' if count > 1 else ''}"
        if kind := request.args.get("type"):
            what += f" of type {kind!r}"
        if conditions := request.args.getlist("where"):
            what += f" where {' and '.join(conditions)}"
        return {
            "detail": f"Waited for {what} of run {run}: {found} came.",
            "count": found,
            "seen": types_of_run(self._connection, run),
            "events": _shown(latest_of_run(self._connection, run, LATEST)),
            "rejected": self._rejected(run, LATEST),
        }

    async def rejected(self, request: Request, run: str) -> HTTPResponse:
        """Rejected events, oldest first."""
        limit = _number(request, "limit", DEFAULT_LIMIT, MAX_LIMIT)
        return json_response(200, {"rejected": self._rejected(run, limit)})

    def _rejected(self, run: str, limit: int) -> list[dict[str, Any]]:
        rows = rejected_of_run(self._connection, run, limit=limit)
        return [rejected_dict(self._connection, row) for row in rows]

    async def quiesce(self, request: Request, run: str) -> HTTPResponse:
        """Answers when nothing of the run has been on its way for `idle`; 408 if that takes longer
        than `timeout`."""
        idle = _seconds(request, "idle", "300ms")
        deadline = time.monotonic() + _seconds(request, "timeout", "10s")
        since = self._journal.last(run)  # when it was last seen busy
        while True:
            now = time.monotonic()
            in_flight = self._journal.in_flight(run) + self._beginning()
            since = max(now if in_flight else since, self._journal.last(run))
            if not in_flight and now - since >= idle:
                passed = round(min(now - since, 1e6) * 1000)
                counts = {"requests": self._journal.requests(run), "idle_ms": passed}
                return json_response(200, counts)
            if request.app.ctx.draining:
                return json_response(503, {"detail": STOPPING})
            if now >= deadline:
                detail = f"Requests of run {run} were on their way until the end of the wait."
                return json_response(408, {"detail": detail, "in_flight": in_flight})
            await asyncio.sleep(LOOK)

    async def journal(self, request: Request, run: str) -> HTTPResponse:
        """Each request of the run, oldest first, also those that were refused; `request`: the id of
        the only one that is wanted."""
        wanted = request.args.get("request")
        found = [
            entry.as_dict()
            for entry in self._journal.entries(run)
            if wanted in (None, entry.request_id)
        ]
        return json_response(200, {"requests": found})

    async def stream(self, request: Request, run: str) -> HTTPResponse:
        """What comes in, from the beginning or from `Last-Event-ID` on, until the reader goes."""
        return await qa_stream.send_news(request, run, self._connection, self._journal)

    async def remove(self, request: Request, run: str) -> HTTPResponse:
        """Removes what is stored of a run, and its journal."""
        try:
            removed = await asyncio.to_thread(remove_run, self._path, run)
        except sqlite3.OperationalError as error:  # another program is writing
            return json_response(503, {"detail": f"The database is busy: {error}."})
        return json_response(200, {**removed, "requests": self._journal.remove(run)})


def _shown(events: Iterable[StoredEvent]) -> list[dict[str, Any]]:
    return [event.as_dict() for event in events]


def _number(request: Request, name: str, default: int, highest: int, low: int = 1) -> int:
    """A whole number of the query. Raises StoreError."""
    text = request.args.get(name)
    if text is None:
        return default
    if not re.fullmatch("[0-9]{1,18}", text) or not low <= int(text) <= highest:
        raise StoreError(f"{name} must be a whole number from {low} to {highest}.")
    return int(text)


def _seconds(request: Request, name: str, default: str) -> float:
    """A duration of the query, in seconds. Raises StoreError."""
    found = _DURATION.fullmatch(request.args.get(name, default))
    seconds = float(found[1]) / (1000 if found[2] == "ms" else 1) if found else -1.0
    if not 0 <= seconds <= MAX_WAIT:
        raise StoreError(f"{name} must be a duration up to {MAX_WAIT:.0f}s, as in 300ms or 5s.")
    return seconds
