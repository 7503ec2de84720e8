"""All pages of the console, and what happens between a request and its page's work."""

import logging
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from typing import Any

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import SanicException

from ..errors import Forbidden, InUse, NotFound, Overloaded, Refused, ReplacedDatabase, StoreError
from ..store import acting_as, connect, refuse_newer
from ..store.console_sessions import ConsoleSession
from ..store.reports import NotCounted
from . import (
    access,
    explore,
    files,
    home,
    install,
    live,
    login,
    overview,
    profiles,
    rejected,
    replay,
    schemas,
    source_settings,
    stream,
    system,
    tokens,
    verify,
)
from .calls import call_of
from .file_to_send import FileToSend
from .frame import error_page, frame
from .jobs import Jobs
from .page import Call, Download, Html, Page, Redirect
from .rendering import render
from .responses import (
    ROOT,
    html_response,
    redirect_response,
)

log = logging.getLogger("collector.console")

PAGES: tuple[Page, ...] = (
    *home.PAGES,
    *install.PAGES,
    *verify.PAGES,
    *source_settings.PAGES,
    *schemas.PAGES,
    *live.PAGES,
    *overview.PAGES,
    *explore.PAGES,
    *rejected.PAGES,
    *replay.PAGES,
    *profiles.PAGES,
    *system.PAGES,
    *tokens.PAGES,
    *login.PAGES,
)
LOGIN = f"{ROOT}/login"
BUSY = "The database is busy at the moment. Load the page again."
STOPPING = "The collector is stopping. Load the page again in a moment."


class Readers:
    """Connections that read, kept for the next page: opening one reads the whole schema."""

    KEPT = 4

    def __init__(self, app: Sanic[Any, Any]) -> None:
        self._app = app
        self._free: list[sqlite3.Connection] = []

    @contextmanager
    def connection(self) -> Iterator[sqlite3.Connection]:
        """A connection for the block."""
        free = self._free
        try:
            connection = free.pop()
        except IndexError:  # threads take them at the same time
            connection = self._open()
        try:
            yield connection
        except BaseException:
            connection.close()
            raise
        if len(free) < self.KEPT:
            free.append(connection)
        else:
            connection.close()

    def _open(self) -> sqlite3.Connection:
        # Python's check would keep it to one thread; only one uses it at a time.
        path = self._app.ctx.settings.db
        connection = sqlite3.connect(
            f"{path.resolve().as_uri()}?mode=ro",
            timeout=5.0,
            isolation_level=None,
            uri=True,
            check_same_thread=False,
        )
        connection.row_factory = sqlite3.Row
        return connection


def add(app: Sanic[Any, Any]) -> None:
    """Adds /console to the app."""
    app.ctx.readers = Readers(app)
    app.ctx.jobs = Jobs(app.ctx.settings.db)
    app.ctx.verifications = verify.Verifications(app.ctx.settings.db)
    for page in PAGES:
        _add(app, page.method, page.path, _handler(app, page))
    files.add(app)
    login.add(app)
    stream.add(app)
    app.error_handler.add(Exception, _on_error)


def _add(app: Sanic[Any, Any], method: str, path: str, handler: Callable[..., Any]) -> None:
    uri = (ROOT + path).rstrip("/").replace("{", "<").replace("}", ":str>") or ROOT
    name = f"{method}_{path}".replace("/", "_").replace("{", "").replace("}", "").replace("-", "_")
    methods = ["GET", "HEAD"] if method == "GET" else [method]
    app.add_route(handler, uri, methods=methods, name=name, unquote=True)


def _handler(app: Sanic[Any, Any], page: Page) -> Callable[..., Any]:
    in_thread = app.ctx.stopping.in_thread

    async def handle(request: Request, **names: str) -> HTTPResponse | None:
        answer: HTTPResponse | FileToSend
        answer = await in_thread(_answer, app, page, request, names)
        return await answer.send(request, in_thread) if isinstance(answer, FileToSend) else answer

    return handle


def _answer(
    app: Sanic[Any, Any], page: Page, request: Request, names: dict[str, str]
) -> HTTPResponse | FileToSend:
    """The answer to a request, made in a thread."""
    if (reason := access.refusal(request, app.ctx.settings)) is not None:
        return error_page(request, None, 403, reason)
    session: ConsoleSession | None = None
    try:
        app.ctx.database.require()
        with ExitStack() as held:
            reading = held.enter_context(app.ctx.readers.connection())
            session = access.session_of(request, reading)
            if session is None:
                return login.ask(request)
            if page.method == "GET":
                call = call_of(app, request, session, names, reading)
                return _work(request, page, call, held)
        return _change(app, page, request, session, names)
    except (Forbidden, StoreError, Refused) as error:
        return error_page(request, session, _status_of(error), str(error))
    except sqlite3.OperationalError as error:
        log.warning("a page of the console was not made: %s", error)
        return error_page(request, session, 503, BUSY)
    finally:
        if session:
            access.note_use(app.ctx.settings.db, session)


def _change(
    app: Sanic[Any, Any],
    page: Page,
    request: Request,
    session: ConsoleSession,
    names: dict[str, str],
) -> HTTPResponse | FileToSend:
    with ExitStack() as held, acting_as(session.actor):
        writing = held.enter_context(closing(connect(app.ctx.settings.db)))
        refuse_newer(writing)
        call = call_of(app, request, session, names, writing)
        if not access.is_wanted(request, session, call.form.get("csrf", "")):
            raise Forbidden(access.OTHER_PAGE)
        return _work(request, page, call, held)


def _work(request: Request, page: Page, call: Call, held: ExitStack) -> HTTPResponse | FileToSend:
    """What a page's work has come to. `held`: the call's connection, which a file is read from until
    it is sent."""
    page.require(call.session)
    result = page.work(call)
    if isinstance(result, Download):
        return FileToSend(result, held)
    return respond(request, call, result)


def respond(request: Request, call: Call, result: Html | Redirect) -> HTTPResponse:
    """The response of what a page's work returned."""
    match result:
        case Html():
            values = {**frame(request, call.session), "call": call, **result.values}
            return html_response(request, render(result.template, values), result.status)
        case Redirect():
            return redirect_response(request, result.path, result.done)


def _status_of(error: Forbidden | StoreError | Refused) -> int:
    if isinstance(error, Refused):
        return error.status
    return {Forbidden: 403, NotFound: 404, InUse: 409, NotCounted: 503, ReplacedDatabase: 503}.get(
        type(error), 422
    )


def _session_of(request: Request) -> ConsoleSession | None:
    """Whose request it is, if that can be known: they get a way on."""
    try:
        with request.app.ctx.readers.connection() as reading:
            return access.session_of(request, reading)
    except sqlite3.Error:
        return None


def _on_error(request: Request, error: Exception) -> HTTPResponse:
    if isinstance(error, Overloaded):
        return error_page(request, None, 503, STOPPING)
    if isinstance(error, SanicException):
        message = {
            404: "There is no such page.",
            405: "This page cannot be used that way.",
            413: "That is more than a form may have.",
        }.get(error.status_code, "The request could not be read.")
        return error_page(request, _session_of(request), error.status_code, message)
    log.error("a page of the console failed", exc_info=error)
    text = "The console made a mistake, which is in the collector's log. Nothing that was acknowledged is lost."
    return error_page(request, None, 500, text)
