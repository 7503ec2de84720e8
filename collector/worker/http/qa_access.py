"""Who may read and remove runs of tests: programs of this machine, and who has a token."""

from urllib.parse import urlsplit

from sanic import Request

from ...store import SourceCache
from .api_access import token_of
from .local_peer import is_local

OTHER_ORIGIN = (
    "Pages of other origins may not read /qa. Ask from a program, such as the test itself."
)
ELSEWHERE = (
    "/qa/runs answers programs of the collector's own machine. From another one, send a token:"
    " Authorization: Bearer … (`thamesthrive token create NAME` makes one)."
)
LIMITED = "This token is limited to the source {}. Runs need one that reaches all sources."


def refusal(request: Request, sources: SourceCache) -> tuple[int, str] | None:
    """Status and detail of the answer to a request that may not be served; None if it may."""
    if is_foreign(request):
        return 403, OTHER_ORIGIN
    if request.headers.get("authorization") is None:
        return None if is_local(request) else (401, ELSEWHERE)
    token = token_of(request, sources)
    if isinstance(token, str):
        return 401, token
    if token.source_id is not None:
        return 403, LIMITED.format(token.source_id)
    return None


def is_foreign(request: Request) -> bool:
    """Whether a page of another origin has sent a request, or led to it."""
    headers = request.headers
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and _host_of(origin) != headers.get("host", "").lower()


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""
