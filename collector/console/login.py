"""Logging in, by a token or by a link that is good once; and out."""

from contextlib import closing
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

from sanic import HTTPResponse, Request, Sanic

from ..store import connect
from ..store.console_sessions import (
    close_session,
    open_session_by_link,
    open_session_by_token,
)
from . import access
from .frame import error_page, frame
from .page import Call, Page, Redirect
from .rendering import render
from .responses import (
    ROOT,
    cookie_of,
    html_response,
    is_own_form,
    redirect_response,
    session_cookie,
    set_cookie,
)

LOGIN = f"{ROOT}/login"
UNKNOWN = (
    "There is no such token, or it has expired. `thamesthrive token create NAME` makes another one."
)
USED = (
    "This link has been used, or is older than a minute. `thamesthrive console` opens the console"
    " with a new one."
)
MAX_SECRET = 500  # characters
NEXT = "thamesthrive_next"  # the cookie with the page that was asked for


def ask(request: Request) -> HTTPResponse:
    """Has somebody log in who asked for a page."""
    if request.headers.get("hx-request") == "true":
        # A part of a page: the whole one has to be loaded again.
        return HTTPResponse(status=401, headers={"HX-Redirect": LOGIN, "Cache-Control": "no-store"})
    if request.method not in ("GET", "HEAD") or request.path == ROOT:
        return redirect_response(request, LOGIN)
    response = redirect_response(request, LOGIN)
    # Where to go on, for this browser alone: in the address it would travel.
    query = f"?{request.query_string}" if request.query_string else ""
    set_cookie(request, response, NEXT, quote((request.path + query)[:2000], safe=""), max_age=600)
    return response


def _next_of(request: Request) -> str:
    """Where somebody wanted to go who had to log in first."""
    path = unquote(cookie_of(request, NEXT) or "")
    parts = urlsplit(path)
    own = not parts.netloc and not parts.scheme and path.startswith(f"{ROOT}/")
    return path if own and path.isprintable() and "\\" not in path else ROOT


def add(app: Sanic[Any, Any]) -> None:
    """Adds the pages for those who are not logged in."""

    def show(request: Request, template: str, status: int = 200, **values: Any) -> HTTPResponse:
        all_ = {**frame(request, None), "problem": "", **values}
        return html_response(request, render(template, all_), status)

    async def form(request: Request) -> HTTPResponse:
        if (reason := access.refusal(request, app.ctx.settings)) is not None:
            return error_page(request, None, 403, reason)
        return show(request, "login.html")

    async def link(request: Request, secret: str) -> HTTPResponse:
        # Looking at it uses nothing up: programs that preview links do so.
        if (reason := access.refusal(request, app.ctx.settings)) is not None:
            return error_page(request, None, 403, reason)
        return show(request, "link.html", secret=secret)

    async def log_in(request: Request) -> HTTPResponse:
        answer: HTTPResponse
        answer = await app.ctx.stopping.in_thread(_log_in, request)
        return answer

    def _log_in(request: Request) -> HTTPResponse:
        if (reason := access.refusal(request, app.ctx.settings)) is not None:
            return error_page(request, None, 403, reason)
        if not is_own_form(request):
            return error_page(request, None, 403, access.OTHER_PAGE)
        app.ctx.database.require()
        fields = parse_qs(request.body.decode("utf-8", "replace"), max_num_fields=10)
        given = {name: values[0].strip()[:MAX_SECRET] for name, values in fields.items()}
        with closing(connect(app.ctx.settings.db)) as connection:
            if "link" in given:
                secret = open_session_by_link(connection, given["link"])
            else:
                secret = open_session_by_token(connection, given.get("token", ""))
        if secret is None:
            return show(request, "login.html", 403, problem=USED if "link" in given else UNKNOWN)
        response = redirect_response(request, _next_of(request))
        set_cookie(request, response, session_cookie(request), secret)
        set_cookie(request, response, NEXT, "", max_age=0)
        return response

    app.add_route(form, LOGIN, methods=["GET", "HEAD"], name="login")
    app.add_route(log_in, LOGIN, methods=["POST"], name="log_in")
    app.add_route(link, f"{LOGIN}/<secret:str>", methods=["GET", "HEAD"], name="login_link")


def _log_out(call: Call) -> Redirect:
    everywhere = call.form.get("everywhere") == "yes"
    close_session(call.db, call.session, everywhere=everywhere)
    return Redirect(
        LOGIN, "You are logged out everywhere." if everywhere else "You are logged out."
    )


PAGES = (Page("POST", "/logout", _log_out),)
