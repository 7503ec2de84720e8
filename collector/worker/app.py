"""`create_app`: one worker of the collector, and the only place where its parts are wired."""

import contextlib
import json
import os
import resource
import socket
from collections.abc import Callable
from http import HTTPStatus
from itertools import count
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import MethodNotAllowed, NotFound, PayloadTooLarge, SanicException

from .. import metrics
from ..countries import Countries
from ..database_file import DatabaseFile
from ..descriptors import most_connections
from ..errors import TooLarge
from ..event.limits import MAX_WIRE
from ..ipc import Task
from ..settings import Settings
from ..store import SourceCache
from .admission import Admission
from .answer import refused
from .http import (
    api,
    bridges,
    docs,
    health,
    host_check,
    qa,
    static_site,
    track,
    tracker_files,
)
from .http.connection import Connection
from .http.connections import Connections
from .http.console_door import ConsoleDoor
from .http.cors import cors_headers, ingestion_paths, is_ingestion
from .http.head import MAX_HEAD
from .http.responses import IngestionResponse
from .http.watched_connection import WatchedConnection
from .pipeline import NO_SOURCE, Pipeline, failed
from .sightings import Sightings
from .stopping import Stopping, StopSignal
from .writer_client import WriterClient

_numbers = count(1)


def run(task: Task, on_start: Callable[[], None]) -> None:
    """The body of a worker process. Calls `on_start` when it is set up, returns after SIGTERM."""
    database = task.database or DatabaseFile.at(task.settings.db)
    app = create_app(task.settings, database, socket.socket(fileno=task.writer), task.console)
    on_start()
    # A hint for Sanic's own users, on terminals.
    os.environ["SANIC_IGNORE_PRODUCTION_WARNING"] = "1"
    app.prepare(
        sock=socket.socket(fileno=task.descriptor),
        single_process=True,
        motd=False,
        access_log=False,
        register_sys_signals=False,
        protocol=WatchedConnection if task.settings.qa else Connection,
    )
    Sanic.serve_single(app)
    if app.ctx.stopping.has_threads:
        os._exit(0)  # Python would wait for them


def create_app(
    settings: Settings, database: DatabaseFile, writer_socket: socket.socket, console: int = -1
) -> Sanic[Any, Any]:
    """One worker of the collector as a Sanic app. The writer takes its connection from the socket.

    `database`: the file of `settings.db` that the writer has. `console`: the descriptor of the
    socket through which the console takes connections; -1 if there is none.
    Raises sqlite3.Error if the database does not exist or cannot be read.
    """
    app: Sanic[Any, Any] = Sanic(f"thamesthrive-{next(_numbers)}", configure_logging=False)
    app.config.update(
        {
            "REQUEST_MAX_SIZE": MAX_WIRE,
            "REQUEST_MAX_HEADER_SIZE": MAX_HEAD,
            "REQUEST_TIMEOUT": settings.request_seconds,
            "FALLBACK_ERROR_FORMAT": "json",
            "ACCESS_LOG": False,
            "MOTD": False,
            "KEEP_ALIVE_TIMEOUT": 75,
            "AUTO_EXTEND": False,
        }
    )
    sources = SourceCache(settings.db, database)
    writer = WriterClient(
        writer_socket, max_bytes=settings.queue_mb * 1024 * 1024 // settings.workers
    )
    sightings = Sightings(database)
    countries = Countries(settings.countries) if settings.countries else None
    parts = (Admission(sources), writer, sightings, settings.proxies, countries)
    tests = qa.Qa(settings, sources) if settings.qa else None
    pipeline = tests.pipeline(*parts) if tests else Pipeline(*parts)
    connections = Connections(
        most_connections(settings.connections, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        None if settings.proxies else settings.connections_per_address,
        settings.buffer_mb * 1024 * 1024 // settings.workers,
    )
    state = health.Health(
        settings, database, writer, pipeline.times, pipeline.log_limit, connections
    )
    aliases = settings.aliases
    files = tracker_files.TrackerFiles(settings.tracker_folder, aliases, watched=settings.qa)
    app.ctx.connections = connections
    app.ctx.console_door = ConsoleDoor(console, is_open=settings.console == "everywhere")
    app.ctx.pipeline = pipeline
    app.ctx.track_targets = track.targets(aliases)
    app.ctx.ingestion_paths = ingestion_paths(aliases)
    app.ctx.draining = False
    stopping = app.ctx.stopping = Stopping(app, writer)
    docs.add(
        app,
        [
            *track.add(app, pipeline, aliases),
            *bridges.add(app, pipeline, sources),
            *tracker_files.add(app, files, sightings),
            *health.add(app, state),
            *api.add(app, sources, writer, database, stopping),
        ],
    )
    if tests:
        tests.add(app)
    if settings.site:
        app.ctx.site = static_site.add(app, settings.site, fresh=settings.qa)
    host_check.add(app, settings.host, settings.allowed_hosts)
    app.error_handler.add(Exception, _on_error)

    @app.before_server_start
    async def start(_: Sanic[Any, Any]) -> None:
        await writer.open()
        state.watch(on_drain=stopping.drain)

    stop_signal = StopSignal(app)

    @app.after_server_start
    async def listen_to_signals(_: Sanic[Any, Any]) -> None:
        stop_signal.listen()

    @app.before_server_stop
    async def begin_stop(_: Sanic[Any, Any]) -> None:
        stop_signal.heard()
        stopping.begin()

    @app.after_server_stop
    async def stop(_: Sanic[Any, Any]) -> None:
        await writer.close()
        sightings.close()
        state.close()
        sources.close()

    return app


def _on_error(request: Request, error: Exception) -> HTTPResponse:
    """Answers what a route did not: unknown paths, bodies too large while reading, and our own
    mistakes."""
    if isinstance(error, PayloadTooLarge):
        metrics.count_request(NO_SOURCE, TooLarge.code)
        answer = refused(TooLarge(f"More than {MAX_WIRE // 1024} KB."))
        return IngestionResponse(request, answer)
    if not isinstance(error, SanicException):
        return IngestionResponse(request, failed(error))
    headers = dict(error.headers) if getattr(error, "headers", None) else {}
    if isinstance(error, MethodNotAllowed) and "Allow" not in headers:
        headers["Allow"] = ", ".join(_methods_of(request))
    if is_ingestion(request.path, request.app):
        headers |= cors_headers(request)
    elif error.status_code == HTTPStatus.NOT_FOUND and (
        page := static_site.not_found_page(request)
    ):
        return HTTPResponse(page, 404, headers, "text/html; charset=utf-8")
    body = json.dumps({"detail": HTTPStatus(error.status_code).phrase + "."})
    return HTTPResponse(body, error.status_code, headers, "application/json")


def _methods_of(request: Request) -> list[str]:
    """The methods that a path takes. The router itself knows them only for paths without names."""
    taken = []
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        with contextlib.suppress(MethodNotAllowed, NotFound):
            request.app.router.get(request.path, method, None)
            taken.append(method)
    return taken
