"""What all pages have around them."""

from typing import Any

from sanic import HTTPResponse, Request

from .. import __version__
from ..store.console_sessions import ConsoleSession
from .rendering import render
from .responses import ROOT, done_of, html_response, theme_of


def frame(request: Request, session: ConsoleSession | None) -> dict[str, Any]:
    """What each template has, whatever the page: `session` (None before one is logged in), `root`,
    `here` (the path), `done` (what the page before has done), `version`, `files` (addresses of
    script and style), `is_part` (htmx asks for a part of the page)."""
    return {
        "session": session,
        "root": ROOT,
        "here": request.path,
        "done": done_of(request),
        "theme": theme_of(request),
        "version": __version__,
        "files": request.app.ctx.files.addresses,
        "is_part": request.headers.get("hx-request") == "true",
    }


def error_page(
    request: Request, session: ConsoleSession | None, status: int, message: str
) -> HTTPResponse:
    """A page that says what is wrong."""
    values = {**frame(request, session), "status": status, "message": message}
    return html_response(request, render("error.html", values), status)
