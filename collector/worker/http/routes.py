"""Routes, each declared once: what Sanic serves and what OpenAPI says come from the same `Route`."""

import re
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from ...event.limits import MAX_ID, MAX_TYPE
from .cors import preflight_headers

Handler = Callable[..., Coroutine[Any, Any, HTTPResponse]]

PARAMETERS = {
    "source_id": "The event source.",
    "event_type": "The event's type.",
    "session_id": "The session it belongs to. Without one, no profile is made.",
    "redirect_id": "The redirect.",
    "profile_id": "The visitor.",
    "name": "tracker.min.js, loader.min.js, their maps, or the hashed name.",
    "run": "The run of tests.",
    "kind": "What is counted: pages, referrers and so on.",
}
"""What the names in paths mean."""


@dataclass(frozen=True)
class Route:
    """A method of a path. Names in the path are in braces, as in `/redirect/{redirect_id}`.

    `query`: parameters as OpenAPI has them; `body`: its requestBody; `responses`: its answers by
    status. `head`: HEAD is answered, too. `cors`: pages of other origins use it, so OPTIONS is
    answered. `tag`: its heading in the documentation; a route without one is not documented. `role`: the least
    that the token must have, where one is needed; `description`: what its reader must know.
    """

    method: str
    path: str
    handler: Handler
    summary: str = ""
    tag: str = ""
    query: tuple[dict[str, Any], ...] = ()
    body: dict[str, Any] | None = None
    responses: dict[str, Any] = field(default_factory=dict)
    head: bool = False
    cors: bool = False
    role: str = ""
    description: str = ""

    @property
    def methods(self) -> list[str]:
        """What Sanic routes to the handler."""
        return [self.method, "HEAD"] if self.head else [self.method]


def add_routes(app: Sanic[Any, Any], routes: Iterable[Route]) -> None:
    """Adds routes to the app, and an answer to OPTIONS for those that pages of other origins use."""
    methods: dict[str, list[str]] = {}
    for route in routes:
        _add(app, route.path, route.handler, route.methods)
        if route.cors:
            methods.setdefault(route.path, []).extend(route.methods)
    for path, allowed in methods.items():
        _add(app, path, _preflight(", ".join([*allowed, "OPTIONS"])), ["OPTIONS"])


def _add(app: Sanic[Any, Any], path: str, handler: Handler, methods: list[str]) -> None:
    names = "{" in path
    name = re.sub(r"\W+", "_", f"{methods[0]} {path}").strip("_")
    uri = path.replace("{", "<").replace("}", ":str>")
    app.add_route(handler, uri, methods=methods, name=name, unquote=names)


def _preflight(methods: str) -> Handler:
    async def preflight(request: Request, **_: str) -> HTTPResponse:
        return HTTPResponse(status=204, headers=preflight_headers(request, methods))

    return preflight


def path_parameters(path: str) -> list[dict[str, Any]]:
    """The names in a path, as OpenAPI has them."""
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "description": PARAMETERS[name],
            "schema": {"type": "string", "minLength": 1, **_bounds_of(name, path)},
        }
        for name in re.findall(r"{(\w+)}", path)
    ]


def _bounds_of(name: str, path: str) -> dict[str, Any]:
    """What a name must be, or the answer is 422. Redirects accept any session id."""
    if name == "session_id" and path.startswith("/collect"):
        return {"maxLength": MAX_ID, "pattern": r"^[^\x00-\x1f\x7f]*$"}
    if name == "event_type" and path.startswith("/api"):
        return {"maxLength": MAX_TYPE, "pattern": r"[^\s\x85]"}
    return {}


def query_parameter(name: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    """A name in the query, as OpenAPI has it."""
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }
