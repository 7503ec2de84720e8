"""`/tracker/*`: the built tracker, from memory, by exact name."""

import contextlib
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sanic import HTTPResponse, Request, Sanic

from . import openapi
from .cors import cors_headers
from .routes import Route, add_routes

log = logging.getLogger("collector.tracker")

_IMMUTABLE = "public, max-age=31536000, immutable"
_SHORT = "public, max-age=300"
NOT_BUILT = "The tracker is not built. Run `thamesthrive build bundle` and restart."


@dataclass(frozen=True)
class Asset:
    """One file of the bundle, compressed once."""

    name: str
    content: dict[str, bytes]  # encoding → bytes
    etag: str
    content_type: str
    cache_control: str


def load_bundle(folder: Path) -> dict[str, Asset]:
    """The files that the build's manifest names, by name; none if nothing was built yet."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        log.warning(
            "the tracker is not built, pages cannot load it: run `thamesthrive build bundle`"
        )
        return {}
    assets = {}
    for name, facts in manifest["files"].items():
        content = (folder / name).read_bytes()
        assets[name] = Asset(
            name,
            {
                "identity": content,
                "gzip": (folder / f"{name}.gz").read_bytes(),
                "br": (folder / f"{name}.br").read_bytes(),
            },
            hashlib.sha256(content).hexdigest()[:20],
            "application/json" if name.endswith(".map") else "text/javascript; charset=utf-8",
            _IMMUTABLE if facts["immutable"] else _SHORT,
        )
    return assets


class TrackerFiles:
    """The files of a folder. With `watched`, for those who are building it, they are read again
    when there is another build."""

    def __init__(self, folder: Path, *, watched: bool) -> None:
        self.watched = watched
        self._manifest = folder / "manifest.json"
        self._seen = self._changed()
        self._assets = load_bundle(folder)

    def get(self, name: str) -> Asset | None:
        """A file by its exact name."""
        if self.watched and (seen := self._changed()) != self._seen:
            # While the folder is being exchanged, the old files are served.
            with contextlib.suppress(FileNotFoundError):
                self._assets, self._seen = load_bundle(self._manifest.parent), seen
        return self._assets.get(name)

    def __bool__(self) -> bool:
        return bool(self._assets)

    def _changed(self) -> int:
        try:
            return self._manifest.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def add(app: Sanic[Any, Any], assets: TrackerFiles) -> list[Route]:
    """Adds /tracker/<name> to the app."""

    async def tracker(request: Request, name: str) -> HTTPResponse:
        asset = assets.get(name)
        headers = {**cors_headers(request), "X-Content-Type-Options": "nosniff"}
        if asset is None:
            hint = "There is no such file." if assets else NOT_BUILT
            return HTTPResponse(json.dumps({"detail": hint}), 404, headers, "application/json")
        encoding = _negotiate(request.headers.get("accept-encoding", ""))
        etag = f'"{asset.etag}-{encoding}"'
        headers |= {
            "Cache-Control": "no-cache" if assets.watched else asset.cache_control,
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Timing-Allow-Origin": "*",
            "Vary": "Origin, Accept-Encoding",
            "ETag": etag,
        }
        if asset.name.endswith(".js"):
            # The hashed copy has the map of the file that it is a copy of.
            headers["SourceMap"] = f"{asset.name.split('.')[0]}.min.js.map"
        elif not asset.name.endswith(".map"):
            headers["SourceMap"] = f"{asset.name}.map"
        if etag in request.headers.get("if-none-match", ""):
            return HTTPResponse(status=304, headers=headers)
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return HTTPResponse(asset.content[encoding], 200, headers, asset.content_type)

    javascript = {"text/javascript": {"schema": openapi.TEXT}, **openapi.content({})}
    routes = [
        Route(
            "GET",
            "/tracker/{name}",
            tracker,
            "A file of the tracker, by its exact name.",
            "Tracker",
            responses={
                "200": {"description": "The file.", "content": javascript},
                "304": {"description": "What you have is still good."},
                **openapi.errors({"404": "There is no such file."}),
            },
            head=True,
            cors=True,
        )
    ]
    add_routes(app, routes)
    return routes


def _negotiate(accepted: str) -> str:
    """The smallest encoding that the client takes."""
    offers = {}
    for part in accepted.split(","):
        name, _, parameters = part.strip().partition(";")
        offers[name.strip().lower()] = "".join(parameters.split()) not in (
            "q=0",
            "q=0.0",
            "q=0.00",
            "q=0.000",
        )
    for encoding in ("br", "gzip"):
        if offers.get(encoding, offers.get("*", False)):
            return encoding
    return "identity"
