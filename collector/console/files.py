"""The console's script and style. Their addresses change with their contents, so browsers keep
them."""

import gzip
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import brotli
from sanic import HTTPResponse, Request, Sanic
from sanic.exceptions import NotFound

from .rendering import FILES, files_folder
from .responses import HEADERS, ROOT

FOREVER = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}
_KINDS = {
    "js": "application/javascript; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "svg": "image/svg+xml",
}


@dataclass(frozen=True)
class _File:
    changed: int  # nanoseconds
    address: str
    raw: bytes
    gzip: bytes
    brotli: bytes


class Files:
    """The built files, in memory. `watched`: they are built again meanwhile, by people who change
    them."""

    def __init__(self, folder: Path, *, watched: bool) -> None:
        self._folder = folder
        self._watched = watched
        self._read = {name: found for name in FILES if (found := self._load(name)) is not None}

    def _load(self, name: str) -> _File | None:
        path = self._folder / name
        try:
            changed, raw = path.stat().st_mtime_ns, path.read_bytes()
        except FileNotFoundError:
            return None
        address = f"{ROOT}/files/{hashlib.sha256(raw).hexdigest()[:12]}/{name}"
        return _File(
            changed, address, raw, gzip.compress(raw, 9, mtime=0), brotli.compress(raw, quality=9)
        )

    def _current(self, name: str) -> _File | None:
        found = self._read.get(name)
        if not self._watched:
            return found
        try:
            changed = (self._folder / name).stat().st_mtime_ns
        except FileNotFoundError:  # a build is replacing it
            return found
        if (found is None or found.changed != changed) and (new := self._load(name)) is not None:
            self._read[name] = found = new
        return found

    @property
    def addresses(self) -> dict[str, str]:
        """Where each file is, by its name; empty for one that is not built."""
        return {name: found.address if (found := self._current(name)) else "" for name in FILES}

    def response(self, request: Request, address: str, name: str) -> HTTPResponse:
        """A file. Raises NotFound for an address of other contents."""
        found = self._current(name) if name in FILES else None
        if found is None or found.address != address:
            raise NotFound
        accepted = request.headers.get("accept-encoding", "")
        headers = {**HEADERS, **FOREVER}
        body = found.raw
        if "br" in accepted:
            headers["Content-Encoding"], body = "br", found.brotli
        elif "gzip" in accepted:
            headers["Content-Encoding"], body = "gzip", found.gzip
        kind = _KINDS[name.rpartition(".")[2]]
        return HTTPResponse(body, headers=headers, content_type=kind)


def add(app: Sanic[Any, Any]) -> None:
    """Adds /console/files to the app, and `app.ctx.files`."""
    settings = app.ctx.settings
    files = app.ctx.files = Files(files_folder(settings), watched=settings.qa)

    async def serve(request: Request, digest: str, name: str) -> HTTPResponse:
        return files.response(request, f"{ROOT}/files/{digest}/{name}", name)

    app.add_route(
        serve, f"{ROOT}/files/<digest:str>/<name:str>", methods=["GET", "HEAD"], name="files"
    )
