"""`/qa/*`: reads stored events back for test pages. Only with the `qa` setting, and to no other
origin."""

import sqlite3
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ...store import list_events
from .responses import json_response
from .routes import Route, add_routes

MAX_ROWS = 200


def add(app: Sanic[Any, Any], connection: sqlite3.Connection) -> None:
    """Adds /qa/events to the app."""

    async def events(request: Request) -> HTTPResponse:
        """The latest events of `?session_id=`, oldest first, as `{"events": […]}`."""
        session_id = request.args.get("session_id")
        if not session_id:
            return json_response(422, {"detail": "Name the session: /qa/events?session_id=…"})
        found = list_events(connection, session_id=session_id, limit=MAX_ROWS)
        return json_response(200, {"events": [event.as_dict() for event in reversed(found)]})

    add_routes(app, [Route("GET", "/qa/events", events)])
