"""`/health`, `/ready`, `/metrics`: what those who run a collector ask it."""

import asyncio
import contextlib
import logging
import shutil
import signal
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import json

from .. import __version__, metrics
from ..outbox import Outbox
from ..settings import Settings

log = logging.getLogger("collector.ops")

MIN_FREE = 64 * 1024 * 1024  # bytes on the database's disk
LOOK = 0.5  # seconds between looks at what waits
_FRESH = {"Cache-Control": "no-store"}


class Health:
    """How one worker is."""

    def __init__(self, settings: Settings, outbox: Outbox, times: metrics.Times) -> None:
        self._settings = settings
        self._outbox = outbox
        self._times = times
        self._draining = False
        self._task: asyncio.Task[None] | None = None

    def watch(self) -> None:
        """Begins to keep the metrics up to date, and to listen for the supervisor's word that the
        end is near."""
        loop = asyncio.get_running_loop()
        loop.add_signal_handler(signal.SIGUSR1, self._drain)
        self._task = loop.create_task(self._look())

    def close(self) -> None:
        """Writes what was gathered since the last look."""
        if self._task:
            self._task.cancel()
        self.refresh()

    def refresh(self) -> None:
        """Brings this worker's metrics up to date."""
        self._times.flush()
        metrics.show_waiting(*self._outbox.waiting)

    def _drain(self) -> None:
        self._draining = True

    async def _look(self) -> None:
        while True:
            self._outbox.give_up()
            self.refresh()
            await asyncio.sleep(LOOK)

    def report(self) -> dict[str, Any]:
        """What /ready says: `problems` is empty if this worker should get requests."""
        requests, size, oldest = self._outbox.waiting
        problems = []
        free = 0
        with contextlib.suppress(OSError):
            free = shutil.disk_usage(self._settings.db.resolve().parent).free
        if self._draining:
            problems.append("The collector is stopping.")
        elif trouble := self._outbox.trouble:
            problems.append(f"Events cannot be stored: {trouble}.")
        if free < MIN_FREE:
            problems.append(f"Less than {MIN_FREE // 1024**2} MB are free on the database's disk.")
        return {
            "ready": not problems,
            "problems": problems,
            "waiting": {"requests": requests, "bytes": size, "oldest_seconds": round(oldest, 3)},
            "last_commit_age_seconds": self._outbox.last_commit_age,
            "disk_free_bytes": free,
        }


def add_routes(app: Sanic[Any, Any], health: Health) -> None:
    """Adds /health, /ready and /metrics to the app."""

    @app.route("/health", methods=["GET", "HEAD"], name="health")
    async def up(_: Request) -> HTTPResponse:
        return json({"status": "ok", "version": __version__}, headers=_FRESH)

    @app.route("/ready", methods=["GET", "HEAD"], name="ready")
    async def ready(_: Request) -> HTTPResponse:
        report = health.report()
        return json(report, status=200 if report["ready"] else 503, headers=_FRESH)

    @app.get("/metrics", name="metrics")
    async def show(_: Request) -> HTTPResponse:
        health.refresh()
        return HTTPResponse(metrics.render(), headers=_FRESH, content_type=metrics.CONTENT_TYPE)
