"""HTTP of the console: headers that keep a page from doing anything it was not written to do."""

import gzip
from collections.abc import Mapping
from http.cookies import SimpleCookie
from urllib.parse import quote, unquote, urlsplit

from sanic import HTTPResponse, Request

from ..settings import Settings

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self';"
    " img-src 'self' data:; form-action 'self'; frame-ancestors 'none'; base-uri 'none';"
    " require-trusted-types-for 'script'; trusted-types thamesthrive"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not `no-referrer`, with which browsers leave `Origin` out of forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
NO_STORE = {"Cache-Control": "no-store"}
DONE = "thamesthrive_done"  # the cookie with what has been done, for the next page
DONE_SECONDS = 20
MIN_GZIP = 1024  # bytes
ROOT = "/console"


def html_response(
    request: Request, text: str, status: int = 200, headers: Mapping[str, str] | None = None
) -> HTTPResponse:
    """A page that nobody may keep."""
    body = text.encode("utf-8", "replace")
    all_ = {**HEADERS, **NO_STORE, "Vary": "Accept-Encoding", **(headers or {})}
    if len(body) > MIN_GZIP and "gzip" in request.headers.get("accept-encoding", ""):
        body = gzip.compress(body, 5, mtime=0)
        all_["Content-Encoding"] = "gzip"
    response = HTTPResponse(body, status, all_, "text/html; charset=utf-8")
    if cookie_of(request, DONE) and "hx-request" not in request.headers:
        set_cookie(request, response, DONE, "", max_age=0)  # it has been said
    return response


def redirect_response(request: Request, path: str, done: str = "") -> HTTPResponse:
    """Sends the browser to a page of the console, which says what has been done."""
    response = HTTPResponse(
        status=303,
        headers={**HEADERS, **NO_STORE, "Location": path},
        content_type="text/plain; charset=utf-8",
    )
    if done:
        set_cookie(request, response, DONE, quote(done[:500]), max_age=DONE_SECONDS)
    return response


def cookie_of(request: Request, name: str) -> str | None:
    """The value of a cookie. If there are several of the name, the first, as the browser sends that
    with the longest path first."""
    for line in request.headers.getall("cookie", []):
        for part in line.split(";"):
            key, _, value = part.strip().partition("=")
            if key == name and value:
                return str(value)
    return None


def done_of(request: Request) -> str:
    """What the page before has done, in a sentence."""
    return unquote(cookie_of(request, DONE) or "")


def theme_of(request: Request) -> str:
    """The colours that the reader has chosen; the script sets this cookie."""
    theme = cookie_of(request, "thamesthrive_theme")
    return theme if theme in ("light", "dark") else "auto"


def session_cookie(request: Request) -> str:
    """The name of the session's cookie. Browsers do not tell ports apart, but two collectors of one
    machine have different sessions."""
    info = request.conn_info
    return f"thamesthrive_console_{info.server_port if info else 0}"


def set_cookie(
    request: Request, response: HTTPResponse, name: str, value: str, *, max_age: int | None = None
) -> None:
    """Sets a cookie that no script reads, and that is sent with requests of the console's own
    pages alone. Without `max_age` it ends with the browser."""
    cookie: SimpleCookie = SimpleCookie()
    cookie[name] = value
    cookie[name]["path"] = ROOT
    cookie[name]["httponly"] = True
    cookie[name]["samesite"] = "Strict"
    if is_https(request):
        cookie[name]["secure"] = True
    if max_age is not None:
        cookie[name]["max-age"] = max_age
    response.headers.add("Set-Cookie", cookie[name].OutputString())


def is_https(request: Request) -> bool:
    """Whether the browser speaks HTTPS, as a proxy of ours says."""
    settings: Settings = request.app.ctx.settings
    proto = request.headers.get("x-forwarded-proto", "")
    return bool(settings.proxies) and proto.split(",")[-1].strip().lower() == "https"


def address_of(request: Request) -> str:
    """The collector's address as the browser calls it, without a slash at its end."""
    return f"http{'s' if is_https(request) else ''}://{request.headers.get('host', '')}"


def is_own_form(request: Request) -> bool:
    """Whether a form was sent by a page of the console, as far as the browser says."""
    site = request.headers.get("sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    try:
        host = urlsplit(origin).netloc.lower()
    except ValueError:
        return False
    return bool(host) and host == str(request.headers.get("host", "")).lower()


def download_headers(name: str) -> dict[str, str]:
    """Of a file to keep."""
    return {
        **HEADERS,
        **NO_STORE,
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
    }
