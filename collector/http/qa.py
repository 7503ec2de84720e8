"""`/qa/*`: reads stored events back for test pages. Only with the `qa` setting, and to no other
origin."""

import sqlite3
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.response import json

from ..store import list_events

MAX_ROWS = 200


def add_routes(app: Sanic[Any, Any], connection: sqlite3.Connection) -> None:
    """Adds /qa/events to the app."""

    @app.get("/qa/events", name="qa_events")
    async def events(request: Request) -> HTTPResponse:
        """The latest events of `?session_id=`, oldest first, as `{"events": […]}`."""
        session_id = request.args.get("session_id")
        if not session_id:
            return json({"detail": "Say which session: /qa/events?session_id=…"}, status=422)
        found = [
            e.as_dict() for e in list_events(connection, session_id=session_id, limit=MAX_ROWS)
        ]
        return json({"events": found}, headers={"Cache-Control": "no-store"})
