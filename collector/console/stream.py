"""The stream of the live page: one look at the database each second, for all who watch."""

import asyncio
import logging
import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ..errors import Forbidden, StoreError
from ..store import source_names
from ..store.console_sessions import ConsoleSession, is_alive
from ..store.feed import MAX_LOOKED_AT, Cursor, FeedFilter, Row, between, cursor_now, parse_cursor
from . import access, login
from .calls import call_of
from .frame import error_page
from .live import ROWS, filter_of, row_of
from .rendering import render
from .responses import HEADERS, NO_STORE, ROOT

log = logging.getLogger("collector.console")

INTERVAL = 1.0  # seconds between two looks
KEEP_ALIVE = 15.0  # seconds after which a line is sent that says nothing, so that proxies wait
MAX_WATCHERS = 200
MAX_OF_SESSION = 60
# Messages that a browser has not taken. With one more its stream ends; it comes again, and gets what
# came since the last it has.
MAX_WAITING = 5
MAX_SECONDS = 900  # of a stream; the browser comes again, and is asked who it is


@dataclass(eq=False)
class _Watcher:
    """Somebody who watches."""

    wanted: FeedFilter
    session: ConsoleSession
    # None ends the stream.
    queue: "asyncio.Queue[str | None]" = field(default_factory=lambda: asyncio.Queue(MAX_WAITING))


class Stream:
    """One per console. It looks while somebody watches."""

    def __init__(self, app: Sanic[Any, Any]) -> None:
        self._app = app
        self._watchers: set[_Watcher] = set()
        self._cursor: Cursor | None = None
        self._task: asyncio.Task[None] | None = None

    def has_room(self, session: ConsoleSession) -> bool:
        """Whether somebody may open one more."""
        own = sum(watcher.session.hash == session.hash for watcher in self._watchers)
        return len(self._watchers) < MAX_WATCHERS and own < MAX_OF_SESSION

    async def watch(
        self, response: Any, session: ConsoleSession, wanted: FeedFilter, after: Cursor | None
    ) -> None:
        """Sends what comes in after a cursor, until the browser goes or the session ends."""
        watcher = _Watcher(wanted, session)
        self._watchers.add(watcher)
        try:
            # What is between the page's end and the first look; from there on, it is in the queue.
            joined: Cursor = self._cursor or await self._in_thread(cursor_now)
            self._cursor = self._cursor or joined
            if self._task is None:
                self._task = asyncio.get_running_loop().create_task(self._look())
            if after and after != joined:
                # As far back as the page looks: the cursor is whatever the address says.
                stored = max(after.stored, joined.stored - MAX_LOOKED_AT)
                after = after._replace(stored=stored)
                await response.send(await self._in_thread(_message, wanted, after, joined))
            else:
                await response.send(": here\n\n")
            until = asyncio.get_running_loop().time() + MAX_SECONDS
            while asyncio.get_running_loop().time() < until:
                try:
                    text = await asyncio.wait_for(watcher.queue.get(), KEEP_ALIVE)
                except TimeoutError:
                    text = ": still here\n\n"
                if text is None:
                    return
                await response.send(text)
        finally:
            self._watchers.discard(watcher)
            if not self._watchers and self._task:
                self._task.cancel()
                self._task = self._cursor = None

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(INTERVAL)
            before = self._cursor
            try:
                await self._end_sessions()
                now = await self._in_thread(cursor_now)
                if before is None or now == before:
                    continue
                messages: dict[FeedFilter, str] = {}
                # Again for those who come while it is read: they have joined at the cursor before.
                while new := {watcher.wanted for watcher in self._watchers} - messages.keys():
                    messages |= await self._in_thread(_messages, new, before, now)
            except sqlite3.Error as error:
                log.warning("the live page waits for the database: %s", error)
                continue
            self._cursor = now
            for watcher in [*self._watchers]:
                if not (text := messages[watcher.wanted]):
                    continue
                if watcher.queue.full():
                    self._end(watcher)
                else:
                    watcher.queue.put_nowait(text)

    async def _end_sessions(self) -> None:
        """Ends the streams of those who are logged out."""
        sessions = {watcher.session for watcher in self._watchers}
        gone = await self._in_thread(_ended, sessions)
        for watcher in [*self._watchers]:
            if watcher.session in gone:
                self._end(watcher)

    def _end(self, watcher: _Watcher) -> None:
        """Ends a stream; what waits in it is not sent."""
        self._watchers.discard(watcher)
        while not watcher.queue.empty():
            watcher.queue.get_nowait()
        watcher.queue.put_nowait(None)

    async def _in_thread(self, work: Any, *arguments: Any) -> Any:
        def run() -> Any:
            with self._app.ctx.readers.connection() as connection:
                return work(connection, *arguments)

        return await self._app.ctx.stopping.in_thread(run)


def _ended(
    connection: sqlite3.Connection, sessions: Iterable[ConsoleSession]
) -> set[ConsoleSession]:
    return {session for session in sessions if not is_alive(connection, session)}


def _messages(
    connection: sqlite3.Connection, filters: Iterable[FeedFilter], after: Cursor, upto: Cursor
) -> dict[FeedFilter, str]:
    return {wanted: _message(connection, wanted, after, upto) for wanted in filters}


def _message(
    connection: sqlite3.Connection, wanted: FeedFilter, after: Cursor, upto: Cursor
) -> str:
    """What has come between two cursors, as a message of the stream."""
    rows, count = between(connection, wanted, after, upto, ROWS)
    names = dict(source_names(connection))
    return _event(rows, names, upto) + _rate(len(rows), count, upto)


def _event(rows: Iterable[Row], names: dict[str, str], upto: Cursor) -> str:
    shown = [row_of(row) for row in rows]
    if not shown:
        return ""
    values = {"rows": shown, "names": names, "root": ROOT, "is_new": True}
    html = render("_live-rows.html", values)
    lines = "\n".join(f"data: {line}" for line in html.splitlines() if line.strip())
    return f"id: {upto}\n{lines}\n\n"


def _rate(shown: int, count: int, upto: Cursor) -> str:
    return f"event: rate\nid: {upto}\ndata: {shown} {count}\n\n"


def add(app: Sanic[Any, Any]) -> None:
    """Adds the stream to the app."""
    stream = Stream(app)

    async def serve(request: Request) -> HTTPResponse | None:
        answer: tuple[ConsoleSession, FeedFilter] | HTTPResponse
        answer = await app.ctx.stopping.in_thread(_admit, request)
        if not isinstance(answer, tuple):
            return answer
        session, wanted = answer
        if not stream.has_room(session):
            return error_page(request, session, 503, "Too many pages are watching. Close one.")
        cursor = request.headers.get("last-event-id") or request.args.get("after", "")
        headers = {**HEADERS, **NO_STORE, "X-Accel-Buffering": "no"}
        response: Any = await request.respond(content_type="text/event-stream", headers=headers)
        await stream.watch(response, session, wanted, parse_cursor(cursor))
        await response.eof()
        return None

    def _admit(request: Request) -> tuple[ConsoleSession, FeedFilter] | HTTPResponse:
        """Who watches, and what, or the answer to somebody who may not."""
        if (reason := access.refusal(request, app.ctx.settings)) is not None:
            return error_page(request, None, 403, reason)
        with app.ctx.readers.connection() as reading:
            session = access.session_of(request, reading)
            if session is None:
                return login.ask(request)
            access.note_use(app.ctx.settings.db, session)
            try:
                return session, filter_of(call_of(app, request, session, {}, reading))
            except (Forbidden, StoreError) as error:
                status = 403 if isinstance(error, Forbidden) else 422
                return error_page(request, session, status, str(error))

    app.add_route(serve, f"{ROOT}/live/stream", name="live_stream")
