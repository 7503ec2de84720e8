"""What comes in of a run of tests, as server-sent events."""

import re
import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from sanic import HTTPResponse, Request

from ...store.run_details import rejected_dict
from ...store.runs import events_of_run, rejected_of_run
from ..journal import Journal
from .responses import NO_STORE

PIECE = 200  # rows that are read at a time
LOOK_AGAIN = 1.0  # seconds until the database is looked at for what another process has stored
KEEP_ALIVE = 15  # such looks without news before a line is sent that says nothing
_ID = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})")


class Cursor(NamedTuple):
    """How far somebody has read: the numbers of the last event, rejected event and request."""

    event: int = 0
    rejected: int = 0
    request: int = 0

    def __str__(self) -> str:
        return f"{self.event}.{self.rejected}.{self.request}"


async def send_news(
    request: Request, run: str, connection: sqlite3.Connection, journal: Journal
) -> HTTPResponse:
    """Sends events, rejected events and requests of a run, and those that come, until the reader goes
    or the collector stops."""
    headers = {**NO_STORE, "X-Accel-Buffering": "no"}
    response: Any = await request.respond(content_type="text/event-stream", headers=headers)
    found = _ID.fullmatch(request.headers.get("last-event-id", ""))
    cursor = Cursor(*map(int, found.groups())) if found else Cursor()
    quiet = 0
    await response.send(": here\n\n")
    while not request.app.ctx.draining:
        seen = journal.requests(run)
        news = [*_news(run, cursor, connection, journal)]
        for kind, data, cursor in news:
            text = msgspec.json.encode(data).decode()
            await response.send(f"event: {kind}\nid: {cursor}\ndata: {text}\n\n")
        quiet = 0 if news else quiet + 1
        if quiet >= KEEP_ALIVE:
            quiet = 0
            await response.send(": still here\n\n")
        # Unless something has come meanwhile.
        if not news and seen == journal.requests(run):
            await journal.change(run, LOOK_AGAIN)
    await response.eof()
    ended: HTTPResponse = response
    return ended


def _news(
    run: str, cursor: Cursor, connection: sqlite3.Connection, journal: Journal
) -> Iterator[tuple[str, dict[str, Any], Cursor]]:
    """Some of what is after a cursor: its kind, the data, and the cursor behind it."""
    for event in events_of_run(connection, run, after=cursor.event, limit=PIECE):
        cursor = cursor._replace(event=event.seq)
        yield "event", event.as_dict(), cursor
    for row in rejected_of_run(connection, run, after=cursor.rejected, limit=PIECE):
        cursor = cursor._replace(rejected=row.seq)
        yield "rejected", rejected_dict(connection, row), cursor
    for entry in journal.entries(run, cursor.request):
        cursor = cursor._replace(request=entry.number)
        yield "request", entry.as_dict(), cursor
