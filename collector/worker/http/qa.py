"""`/qa/*`: reads stored events back for test pages and for tests. Only with the `qa` setting, and to
no other origin."""

import sqlite3
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ...settings import Settings
from ...store import SourceCache, connect_readonly, list_events
from ...store.rows import ANY_RUN
from ...store.runs import run_of_session
from ..journal import Journal
from ..watched import WatchedPipeline
from .qa_runs import RunRoutes
from .responses import json_response
from .routes import Route, add_routes
from .watched_connection import WatchedConnection, set_current

MAX_ROWS = 200


class Qa:
    """What a collector for tests has besides. It has one worker, so this knows of all requests."""

    def __init__(self, settings: Settings, sources: SourceCache) -> None:
        """Raises sqlite3.Error if the database cannot be read."""
        self._path = settings.db
        self._connection = connect_readonly(settings.db)
        self._sources = sources
        self._journal = Journal()
        self._connections: set[WatchedConnection] = set()

    def pipeline(self, *parts: Any) -> WatchedPipeline:
        """A pipeline that keeps the journal. `parts`: as of `Pipeline`."""

        def find_run(source_id: str, session_id: str) -> str | None:
            return run_of_session(self._connection, source_id, session_id)

        return WatchedPipeline(self._journal, find_run, *parts)

    def add(self, app: Sanic[Any, Any]) -> None:
        """Adds /qa to the app, and what its connections need."""
        app.ctx.journal = self._journal
        app.ctx.watched = self._connections
        app.register_middleware(set_current, "request")
        runs = RunRoutes(
            self._path, self._connection, self._journal, self._sources, self._count_beginning
        )
        add_routes(app, [_events_route(self._connection), *runs.routes()])

    def _count_beginning(self) -> int:
        return sum(connection.is_beginning for connection in self._connections)


def _events_route(connection: sqlite3.Connection) -> Route:
    async def events(request: Request) -> HTTPResponse:
        """The latest events of `?session_id=`, oldest first, as `{"events": […]}`."""
        session_id = request.args.get("session_id")
        if not session_id:
            return json_response(422, {"detail": "Name the session: /qa/events?session_id=…"})
        found = list_events(connection, session_id=session_id, limit=MAX_ROWS, run=ANY_RUN)
        return json_response(200, {"events": [event.as_dict() for event in reversed(found)]})

    return Route("GET", "/qa/events", events)
