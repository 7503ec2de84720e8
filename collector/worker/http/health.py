"""`/health`, `/ready`, `/metrics`: what those who run a collector ask it."""

import asyncio
import contextlib
import hmac
import logging
import shutil
import signal
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ... import __version__, metrics
from ...database_file import DatabaseFile
from ...errors import NewerDatabase, ReplacedDatabase, StoreError
from ...settings import Settings
from ...store import connect_readonly, paused, refuse_newer
from ...store.forward_state import DestinationState, list_destinations
from ..log_limit import LogLimit
from ..sender import hops_of
from ..writer_client import WriterClient
from . import openapi
from .connections import Connections
from .responses import NO_STORE, json_response
from .routes import Route, add_routes

log = logging.getLogger("collector.http")

MIN_FREE = 64 * 1024 * 1024  # bytes on the database's disk
INTERVAL = 0.5  # seconds between updates of the metrics


class Health:
    """The state of one worker."""

    def __init__(
        self,
        settings: Settings,
        file: DatabaseFile,
        writer: WriterClient,
        times: metrics.RequestTimes,
        log_limit: LogLimit,
        connections: Connections,
    ) -> None:
        self._settings = settings
        self._file = file
        self._writer = writer
        self._times = times
        self._log_limit = log_limit
        self._connections = connections
        self._database = connect_readonly(settings.db)
        self._draining = False
        self._task: asyncio.Task[None] | None = None

    def watch(self, on_drain: Callable[[], None]) -> None:
        """Begins to keep the metrics up to date, and to listen for the supervisor's word that the
        end is near; `on_drain` is called then."""
        self._on_drain = on_drain
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._drain)
        self._task = loop.create_task(self._update())

    def close(self) -> None:
        """Writes what was gathered since the last update."""
        if self._task:
            self._task.cancel()
        self.refresh()
        self._log_limit.flush(all_=True)
        self._database.close()

    def refresh(self) -> None:
        """Brings this worker's metrics up to date."""
        self._times.flush()
        metrics.flush_requests()
        metrics.show_waiting(*self._writer.waiting)
        dropped, self._connections.dropped = self._connections.dropped, 0
        metrics.show_connections(self._connections.count, dropped)
        if dropped and self._log_limit.is_first("connections dropped"):
            log.warning("too many connections: the slowest are dropped, see --connections")

    def proxies(self, forwarded: Sequence[str]) -> dict[str, int]:
        """How many proxies should stand before the collector, and how many a request has passed that
        name their client. `forwarded`: the lines of X-Forwarded-For."""
        return {"expected": self._settings.proxies, "seen": len(hops_of(forwarded))}

    def may_read(self, authorization: str) -> bool:
        """Whether a request with this header may read the metrics."""
        wanted = self._settings.metrics_token
        scheme, _, token = authorization.partition(" ")
        given, known = (text.encode("utf-8", "surrogateescape") for text in (token, wanted))
        is_same = hmac.compare_digest(given.strip(), known)
        return not wanted or (scheme.lower() == "bearer" and is_same)

    def _drain(self) -> None:
        self._draining = True
        self._on_drain()

    async def _update(self) -> None:
        while True:
            self._writer.refuse_overdue()
            self.refresh()
            self._log_limit.flush()
            await asyncio.sleep(INTERVAL)

    def report(self) -> dict[str, Any]:
        """What /ready says: `problems` is empty if this worker should get requests."""
        requests, size, oldest = self._writer.waiting
        problems = []
        free = 0
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self._settings.db.resolve().parent).free
        if self._draining:
            problems.append("The collector is stopping.")
        elif problem := self._other or self._writer.problem:
            problems.append(f"Events cannot be stored: {problem.rstrip('.')}.")
        if free < MIN_FREE:
            problems.append(f"Less than {MIN_FREE // 1024**2} MB are free on the database's disk.")
        return {
            "ready": not problems,
            "problems": problems,
            "warnings": self._warnings,
            "waiting": {"requests": requests, "bytes": size, "oldest_seconds": round(oldest, 3)},
            "last_commit_age_seconds": self._writer.last_commit_age,
            "disk_free_bytes": free,
        }

    @property
    def _other(self) -> str | None:
        """What has become of the database beneath this program: another file, or that of a newer
        one."""
        try:
            self._file.require()  # first: a query may open another database's log
            refuse_newer(self._database)
        except (ReplacedDatabase, NewerDatabase) as error:
            return str(error)
        except sqlite3.Error:
            pass  # the writer says what is wrong with it
        return None

    @property
    def _warnings(self) -> list[str]:
        """What should be looked at, although events are stored."""
        found = []
        with contextlib.suppress(sqlite3.Error, ReplacedDatabase):
            self._file.require()
            if problem := paused(self._database):
                found.append(problem)
            try:
                found += [problem for state in self._destinations() if (problem := state.problem)]
            except StoreError as error:
                found.append(str(error))
        return found

    def _destinations(self) -> list[DestinationState]:
        return list_destinations(self._settings.db, self._database)

    def metrics(self) -> bytes:
        """What /metrics says."""
        self.refresh()
        given: dict[metrics.Described, dict[tuple[str, ...], float]] = {}
        with contextlib.suppress(StoreError, sqlite3.Error):  # /ready says what is wrong
            for state in self._destinations():
                for metric, value in (
                    (metrics.FORWARD_ROWS, state.rows),
                    (metrics.FORWARD_FAILURES, state.failures),
                    (metrics.FORWARD_BACKLOG, state.backlog_rows),
                    (metrics.FORWARD_LAG, state.backlog_seconds),
                    (metrics.FORWARD_REFUSED, state.aside),
                ):
                    given.setdefault(metric, {})[state.name,] = value
        return metrics.render(given)


def add(app: Sanic[Any, Any], health: Health) -> list[Route]:
    """Adds /health, /ready and /metrics to the app."""

    async def show_health(request: Request) -> HTTPResponse:
        said: dict[str, Any] = {"status": "ok", "version": __version__}
        if request.query_string == "proxies":
            forwarded = request.headers.getall("x-forwarded-for", [])
            said["proxies"] = health.proxies(forwarded)
        return json_response(200, said)

    async def show_ready(_: Request) -> HTTPResponse:
        report = health.report()
        return json_response(200 if report["ready"] else 503, report)

    async def show_metrics(request: Request) -> HTTPResponse:
        if not health.may_read(request.headers.get("authorization", "")):
            headers = {"WWW-Authenticate": "Bearer"}
            return json_response(401, {"detail": "Send the token of --metrics-token."}, headers)
        return HTTPResponse(health.metrics(), headers=NO_STORE, content_type=metrics.CONTENT_TYPE)

    ready = openapi.ref("Ready")
    routes = [
        Route(
            "GET",
            "/health",
            show_health,
            "The process is up.",
            "Operation",
            responses={"200": openapi.response("It is.", openapi.ANY)},
            head=True,
        ),
        Route(
            "GET",
            "/ready",
            show_ready,
            "Requests may be sent here.",
            "Operation",
            responses={
                "200": openapi.response("They may.", ready),
                "503": openapi.response("They may not; `problems` says why.", ready),
            },
            head=True,
        ),
        Route(
            "GET",
            "/metrics",
            show_metrics,
            "Metrics for Prometheus.",
            "Operation",
            responses={
                "200": openapi.response("In its text format.", openapi.TEXT, "text/plain"),
                **openapi.errors({"401": "A token is wanted: `--metrics-token`."}),
            },
        ),
    ]
    add_routes(app, routes)
    return routes
