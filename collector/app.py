"""`create_app(settings)`: the only place where the parts of the collector are wired together."""

import contextlib
import json
import logging
from http import HTTPStatus
from itertools import count
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import MethodNotAllowed, NotFound, PayloadTooLarge, SanicException

from . import metrics
from .errors import Internal, TooLarge
from .gate import Gate
from .http import api, bridges, bundle, docs, ingest, ops, qa, site
from .http.cors import cors_headers, is_ingestion
from .ids import uuid7
from .installed import default_bundle
from .outbox import Outbox
from .settings import Settings
from .store import Registry, connect_readonly

log = logging.getLogger("collector")

MAX_WIRE = 256 * 1024  # bytes of a body as it arrives
_numbers = count(1)


def create_app(settings: Settings, writer: Path) -> Sanic[Any, Any]:
    """One worker of the collector as a Sanic app. `writer`: the writer process's socket. The
    database must exist.

    Raises sqlite3.Error if it cannot be read.
    """
    app: Sanic[Any, Any] = Sanic(f"thamesthrive-{next(_numbers)}", configure_logging=False)
    app.config.update(
        {
            "REQUEST_MAX_SIZE": MAX_WIRE,
            "REQUEST_TIMEOUT": 30,  # seconds for a request to arrive
            "FALLBACK_ERROR_FORMAT": "json",
            "ACCESS_LOG": False,
            "MOTD": False,
            "KEEP_ALIVE_TIMEOUT": 75,
            "GRACEFUL_SHUTDOWN_TIMEOUT": 10.0,
            "AUTO_EXTEND": False,
        }
    )
    registry = Registry(settings.db)
    outbox = Outbox(writer, max_bytes=settings.queue_mb * 1024 * 1024 // settings.workers)
    ingestion = ingest.Ingest(Gate(registry), outbox, proxies=settings.proxies)
    health = ops.Health(settings, outbox, ingestion.times)
    ingest.add_routes(app, ingestion)
    bridges.add_routes(app, ingestion, registry)
    api.add_routes(app, registry, settings.db)
    docs.add_routes(app)
    bundle.add_routes(app, bundle.Bundle(settings.bundle or default_bundle(), watched=settings.qa))
    ops.add_routes(app, health)
    if settings.qa:
        qa.add_routes(app, connect_readonly(settings.db))
    if settings.site:
        app.ctx.site = site.add_routes(app, settings.site, fresh=settings.qa)
    app.error_handler.add(Exception, _on_error)

    @app.before_server_start
    async def start(_: Sanic[Any, Any]) -> None:
        await outbox.open()
        health.watch()

    @app.after_server_stop
    async def stop(_: Sanic[Any, Any]) -> None:
        await outbox.close()
        health.close()
        registry.close()

    return app


def _on_error(request: Request, error: Exception) -> HTTPResponse:
    """Whatever a route did not answer itself: unknown paths, bodies too large while reading, and
    our own mistakes."""
    if isinstance(error, PayloadTooLarge):
        metrics.count_request(ingest.NO_SOURCE, TooLarge.reason)
        return ingest.refuse(request, TooLarge(f"More than {MAX_WIRE // 1024} KB."), "")
    if not isinstance(error, SanicException):
        request_id = uuid7()
        log.error("request %s failed", request_id, exc_info=error)
        metrics.count_request(ingest.NO_SOURCE, Internal.reason)
        return ingest.refuse(request, Internal(), request_id)
    headers = dict(error.headers) if getattr(error, "headers", None) else {}
    if isinstance(error, MethodNotAllowed) and "Allow" not in headers:
        headers["Allow"] = ", ".join(_methods_of(request))
    if is_ingestion(request.path):
        headers |= cors_headers(request)
    elif error.status_code == HTTPStatus.NOT_FOUND and (page := site.not_found_page(request)):
        return HTTPResponse(page, 404, headers, "text/html; charset=utf-8")
    body = json.dumps({"detail": HTTPStatus(error.status_code).phrase + "."})
    return HTTPResponse(body, error.status_code, headers, "application/json")


def _methods_of(request: Request) -> list[str]:
    """The methods that a path takes; the router itself knows them only for paths without names in
    them."""
    taken = []
    for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"):
        with contextlib.suppress(MethodNotAllowed, NotFound):
            request.app.router.get(request.path, method, None)
            taken.append(method)
    return taken
