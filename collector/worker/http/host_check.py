"""Refuses management requests under a name that is not the collector's.

A page can have its own name lead to this machine (DNS rebinding); its scripts then read what the
browser takes for the page's own server. The browser still sends that name as Host. An address
cannot be had that way, so addresses are fine.
"""

import re
from ipaddress import ip_address
from typing import Any
from urllib.parse import unquote

from sanic import HTTPResponse, Request, Sanic

from .responses import json_response

# Not what else is below /docs: those are pages of a site that is served here.
_CHECKED = re.compile(
    r"/(?:metrics|docs|docs/openapi\.json)/?|/(?:api|console|qa)(?:/.*)?", re.DOTALL
)
_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]]+))(?::[0-9]*)?")
_DETAIL = (
    "This address is not known by the name in Host. Use localhost or the address itself,"
    " or start the collector with --allowed-hosts NAME."
)


def add(app: Sanic[Any, Any], host: str, allowed: str) -> None:
    """Checks Host. `host`: where the collector listens; `allowed`: names, separated by commas."""
    names = {_plain(name) for name in [host, *allowed.split(",")]} - {""}

    async def check(request: Request) -> HTTPResponse | None:
        if not _CHECKED.fullmatch(unquote(request.path)):
            return None
        if is_own(request.headers.get("host", ""), names):
            return None
        return json_response(421, {"detail": _DETAIL})

    app.register_middleware(check, "request")


def is_own(header: str, names: set[str]) -> bool:
    """Whether a Host header names this collector: by an address, as localhost, or by one of these
    names. Without one it is no browser's request."""
    if not header:
        return True
    found = _HOST.fullmatch(header)
    if not found:
        return False
    if found[1]:
        return _is_address(found[1])
    name = _plain(found[2])
    local = name == "localhost" or name.endswith(".localhost")
    return local or name in names or _is_address(name)


def _plain(name: str) -> str:
    return name.strip().lower().removesuffix(".")


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
