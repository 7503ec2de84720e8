"""The console's script and style. Their addresses change with their contents, so browsers keep
them."""

import gzip
import hashlib
from typing import Any

import brotli
from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import NotFound

from .rendering import FILES, files_folder
from .responses import HEADERS, ROOT

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
ICON = "icon.svg"
_KINDS = {
    "js": "application/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}
_NOT_BUILT = "The console's script and style are not built. Run: thamesthrive build bundle"


def add(app: Sanic[Any, Any]) -> None:
    """Adds /console/files to the app, and `app.ctx.files`, the addresses by name."""
    folder = files_folder(app.ctx.settings)
    contents: dict[str, tuple[bytes, bytes, bytes]] = {}
    app.ctx.files = {}
    for name in (*FILES, ICON):
        try:
            raw = (folder / name).read_bytes()
        except FileNotFoundError:
            app.ctx.files[name] = ""
            continue
        packed = (raw, gzip.compress(raw, 9, mtime=0), brotli.compress(raw, quality=9))
        contents[name] = packed
        app.ctx.files[name] = f"{ROOT}/files/{hashlib.sha256(raw).hexdigest()[:12]}/{name}"
    app.ctx.files_problem = "" if len(contents) == len(FILES) + 1 else _NOT_BUILT

    async def serve(request: Request, digest: str, name: str) -> HTTPResponse:
        if app.ctx.files.get(name) != f"{ROOT}/files/{digest}/{name}":
            raise NotFound
        raw, gzipped, brotlied = contents[name]
        accepted = request.headers.get("accept-encoding", "")
        headers = {**HEADERS, **FOREVER}
        if "br" in accepted:
            headers["Content-Encoding"], raw = "br", brotlied
        elif "gzip" in accepted:
            headers["Content-Encoding"], raw = "gzip", gzipped
        kind = _KINDS[name.rpartition(".")[2]]
        return HTTPResponse(raw, headers=headers, content_type=kind)

    app.add_route(
        serve, f"{ROOT}/files/<digest:str>/<name:str>", methods=["GET", "HEAD"], name="files"
    )
