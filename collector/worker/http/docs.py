"""`/docs`: the HTTP interface, for people and for programs. Nothing of it is on another server."""

import re
from collections.abc import Iterable
from html import escape
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic

from . import openapi
from .routes import Route, add_routes

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2426; --paper: #fdfdfc; --line: #d9dfe0; --accent: #0b5c66; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e4eaeb; --paper: #12181a; --line: #2d383b; --accent: #6cc7d3; }
}
body {
  margin: 0 auto; padding: 1.5rem; max-width: 52rem; font: 1rem/1.6 system-ui, sans-serif;
  color: var(--ink); background: var(--paper);
}
a { color: var(--accent); }
h3 { margin: 1.6rem 0 .2rem; font-size: 1rem; }
code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
ul { margin: .2rem 0; padding-left: 1.2rem; }
section { border-top: 1px solid var(--line); }
"""
_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8">
<title>HTTP interface · ThamesThrive</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><style>{style}</style></head>
<body><main><h1>HTTP interface</h1>
<p>As OpenAPI, for programs: <a href="/docs/openapi.json">openapi.json</a>. Management takes a token:
<code>Authorization: Bearer …</code></p>{sections}</main></body></html>
"""
_POLICY = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}


def add(app: Sanic[Any, Any], routes: Iterable[Route]) -> None:
    """Adds /docs and /docs/openapi.json to the app, which describe these routes."""
    document = openapi.document(routes)
    as_json, page = msgspec.json.encode(document), _html(document["paths"]).encode()

    async def as_openapi(_: Request) -> HTTPResponse:
        return HTTPResponse(as_json, content_type="application/json")

    async def docs(request: Request) -> HTTPResponse:
        accepted = request.headers.get("accept", "")
        if "json" in accepted and "html" not in accepted:
            return HTTPResponse(as_json, content_type="application/json")
        return HTTPResponse(page, headers=_POLICY, content_type="text/html; charset=utf-8")

    add_routes(app, [Route("GET", "/docs/openapi.json", as_openapi), Route("GET", "/docs", docs)])


def _html(paths: dict[str, Any]) -> str:
    by_tag: dict[str, list[str]] = {}
    for path, operations in paths.items():
        for method, operation in operations.items():
            by_tag.setdefault(operation["tags"][0], []).append(_operation(path, method, operation))
    sections = "".join(
        f"<section><h2>{tag}</h2>{''.join(parts)}</section>" for tag, parts in by_tag.items()
    )
    return _PAGE.format(style=_STYLE, sections=sections)


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(p['name'])}</code>: {_marked(p['description'])}</li>"
        for p in operation.get("parameters", ())
    )
    answers = "".join(
        f"<li>{status}: {_marked(answer['description'])}</li>"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>{_marked(operation['summary'])}"
        f"{_access(operation)}{f'<ul>{parameters}</ul>' if parameters else ''}<ul>{answers}</ul>"
    )


def _access(operation: dict[str, Any]) -> str:
    """Who may use it, if it takes a token."""
    return "".join(
        f" Role: <code>{role}</code>. {_marked(operation.get('description', ''))}"
        for needed in operation.get("security", ())
        for role in needed["token"]
    )


def _marked(text: str) -> str:
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text))
