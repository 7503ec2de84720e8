"""A built site, served beside the collector: the files of one folder, and nothing else."""

import gzip
import os
from email.utils import formatdate, parsedate_to_datetime
from mimetypes import guess_type
from pathlib import Path
from typing import Any
from urllib.parse import unquote_to_bytes

from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import NotFound
from sanic.response import BaseHTTPResponse

_TEXTS = ("text/", "application/json", "application/javascript", "image/svg+xml")


def add(app: Sanic[Any, Any], folder: Path, *, fresh: bool) -> Path:
    """Serves the folder's files. `fresh`: browsers keep none of them, for those who are changing
    them."""

    async def serve(request: Request, path: str = "") -> HTTPResponse:
        file = find_file(folder, path)
        if file is None:
            raise NotFound
        try:
            return _response(request, file)
        except FileNotFoundError as error:  # a new build is taking its place
            raise NotFound from error

    methods = ["GET", "HEAD"]
    app.add_route(serve, "/", methods=methods, name="site_index")
    app.add_route(serve, "/<path:path>", methods=methods, name="site")

    async def finish(request: Request, response: BaseHTTPResponse) -> None:
        if fresh:
            # To ask whether a file has changed is not enough: two builds within one second have the
            # same Last-Modified.
            response.headers["Cache-Control"] = "no-store"
        if request.route and request.route.name.endswith((".site", ".site_index")):
            _compress(request, response)

    app.register_middleware(finish, "response")
    return folder


def find_file(folder: Path, path: str) -> Path | None:
    """The file at a path as it is in an address, of a folder its `index.html`.

    None if there is none, and for dotfiles, symbolic links that lead out of the folder, and paths
    that have two readings: `..`, backslashes, control characters, what is not UTF-8.
    """
    try:
        name = unquote_to_bytes(path).decode()
    except UnicodeDecodeError:
        return None
    parts = [part for part in name.split("/") if part]
    if not name.isprintable() or "\\" in name or any(part.startswith(".") for part in parts):
        return None
    try:
        root = folder.resolve(strict=True)
        found = root.joinpath(*parts).resolve(strict=True)
        if found.is_dir():
            found = (found / "index.html").resolve(strict=True)
        within = found.relative_to(root)
    # It is not there or too long; it is outside; it is a loop, for Python before 3.13.
    except (OSError, ValueError, RuntimeError):
        return None
    hidden = any(part.startswith(".") for part in within.parts)
    return found if found.is_file() and not hidden and os.access(found, os.R_OK) else None


def _response(request: Request, file: Path) -> HTTPResponse:
    changed = int(file.stat().st_mtime)
    headers = {"Last-Modified": formatdate(changed, usegmt=True), "Cache-Control": "no-cache"}
    if changed <= _seen(request):
        return HTTPResponse(status=304, headers=headers)
    kind = guess_type(file.name)[0] or "application/octet-stream"
    if kind.startswith("text/") or kind == "application/javascript":
        kind += "; charset=utf-8"
    return HTTPResponse(file.read_bytes(), headers=headers, content_type=kind)


def _seen(request: Request) -> float:
    """Of when the file is that a browser has, in seconds; 0 if it has none."""
    try:
        return parsedate_to_datetime(request.headers.get("if-modified-since", "")).timestamp()
    except (TypeError, ValueError, OverflowError):
        return 0


def _compress(request: Request, response: BaseHTTPResponse) -> None:
    """Texts travel in a third of their size."""
    if response.status == 200 and response.body and str(response.content_type).startswith(_TEXTS):
        response.headers["Vary"] = "Accept-Encoding"
        if "gzip" in request.headers.get("accept-encoding", ""):
            response.body = gzip.compress(response.body, 6, mtime=0)
            response.headers["Content-Encoding"] = "gzip"


def not_found_page(request: Request) -> bytes | None:
    """The site's own page for addresses that lead nowhere, for people."""
    folder: Path | None = getattr(request.app.ctx, "site", None)
    if not folder or "text/html" not in request.headers.get("accept", ""):
        return None
    try:
        return (folder / "404.html").read_bytes()
    except FileNotFoundError:
        return None
