"""Who reaches the console, and who is logged in."""

import logging
import sqlite3
from hmac import compare_digest
from pathlib import Path

from sanic import Request

from ..settings import Settings
from ..store.console_sessions import ConsoleSession, find_session, note_session_use
from ..worker.http.console_door import ELSEWHERE
from ..worker.http.local_peer import is_local
from .responses import cookie_of, is_own_form, session_cookie

log = logging.getLogger("collector.console")

OTHER_PAGE = (
    "This form was not sent by a page of the console, so nothing was changed. Open the page again,"
    " and send it from there."
)


def refusal(request: Request, settings: Settings) -> str | None:
    """Why a browser may not reach the console at all; None if it may."""
    if settings.console == "everywhere":
        return None
    return None if is_local(request) else ELSEWHERE


def session_of(request: Request, connection: sqlite3.Connection) -> ConsoleSession | None:
    """The session of a request; None if its sender is not logged in."""
    secret = cookie_of(request, session_cookie(request))
    return find_session(connection, secret) if secret else None


def note_use(path: Path, session: ConsoleSession) -> None:
    """Stores that a session is in use, so that it does not end."""
    try:
        note_session_use(path, session)
    except sqlite3.OperationalError as error:  # others write, or the disk is full
        log.info("the last use of a session was not stored: %s", error)


def is_wanted(request: Request, session: ConsoleSession, token: str) -> bool:
    """Whether a change was asked for by a page of this session, and not by another site's.
    `token`: what the form carries."""
    return is_own_form(request) and compare_digest(token.encode(), session.csrf.encode())
