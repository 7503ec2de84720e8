"""`/tracker/*`: the built tracker, from memory, by exact name; the same below the path of an alias."""

import contextlib
import gzip
import hashlib
import json
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import brotli
from sanic import HTTPResponse, Request, Sanic

from ...alias import Alias, formers
from ...aliased_bundle import aliased_files
from ...store.sightings import TRACKER_FILE
from ..sender import readable
from ..sightings import Sightings
from . import openapi
from .cors import cors_headers
from .routes import Route, add_routes

log = logging.getLogger("collector.tracker")

_PATH = "/tracker"
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
    source_map: str | None


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
        content = {
            "identity": (folder / name).read_bytes(),
            "gzip": (folder / f"{name}.gz").read_bytes(),
            "br": (folder / f"{name}.br").read_bytes(),
        }
        # The hashed copy has the map of the file that it is a copy of.
        mapped = f"{name.split('.')[0]}.min.js" if name.endswith(".js") else name
        source_map = None if name.endswith(".map") else f"{mapped}.map"
        assets[name] = _asset(name, content, source_map, immutable=facts["immutable"])
    return assets


def load_aliased(folder: Path, alias: Alias, former: Iterable[str]) -> dict[str, Asset]:
    """The same under an alias. Raises SettingsError if the bundle is of another version."""
    assets = {}
    for file in aliased_files(folder, alias, former).values():
        # As the build does: the best compression takes too long for maps.
        quality = 11 if file.map else 5
        content = {
            "identity": file.content,
            "gzip": gzip.compress(file.content, 9, mtime=0),
            "br": brotli.compress(file.content, quality=quality),
        }
        assets[file.name] = _asset(file.name, content, file.map, immutable=file.immutable)
    return assets


def _asset(
    name: str, content: dict[str, bytes], source_map: str | None, *, immutable: bool
) -> Asset:
    return Asset(
        name,
        content,
        hashlib.sha256(content["identity"]).hexdigest()[:20],
        "text/javascript; charset=utf-8" if source_map else "application/json",
        _IMMUTABLE if immutable else _SHORT,
        source_map,
    )


class TrackerFiles:
    """The files of a folder. With `watched`, for those who are building it, they are read again
    when there is another build."""

    def __init__(self, folder: Path, aliases: tuple[Alias, ...], *, watched: bool) -> None:
        self.watched = watched
        self.aliases = aliases
        self._manifest = folder / "manifest.json"
        self._seen = self._changed()
        self._assets = self._load()

    def get(self, path: str, name: str) -> Asset | None:
        """A file by the path that it is below, as in `/tracker`, and its exact name."""
        if self.watched and (seen := self._changed()) != self._seen:
            # While the folder is being exchanged, the old files are served.
            with contextlib.suppress(FileNotFoundError):
                self._assets, self._seen = self._load(), seen
        return self._assets[path].get(name)

    def __bool__(self) -> bool:
        return bool(self._assets[_PATH])

    def _load(self) -> dict[str, dict[str, Asset]]:
        folder = self._manifest.parent
        loaded = {_PATH: load_bundle(folder)}
        for alias, former in zip(self.aliases, formers(self.aliases), strict=True):
            built = bool(loaded[_PATH])
            loaded[alias.prefix] = load_aliased(folder, alias, former) if built else {}
        return loaded

    def _changed(self) -> int:
        try:
            return self._manifest.stat().st_mtime_ns
        except FileNotFoundError:
            return 0


def add(app: Sanic[Any, Any], assets: TrackerFiles, sightings: Sightings) -> list[Route]:
    """Adds /tracker/<name> to the app, and the same under aliases, which are not documented."""

    async def tracker(request: Request, name: str, path: str = _PATH) -> HTTPResponse:
        asset = assets.get(path, name)
        headers = {**cors_headers(request), "X-Content-Type-Options": "nosniff"}
        if asset is None:
            hint = "There is no such file." if assets else NOT_BUILT
            return HTTPResponse(json.dumps({"detail": hint}), 404, headers, "application/json")
        if asset.source_map and request.method == "GET":
            _note_page(request, sightings)
        encoding = _negotiate(request.headers.get("accept-encoding", ""))
        etag = f'"{asset.etag}-{encoding}"'
        headers |= {
            "Cache-Control": "no-cache" if assets.watched else asset.cache_control,
            "Cross-Origin-Resource-Policy": "cross-origin",
            "Timing-Allow-Origin": "*",
            "Vary": "Origin, Accept-Encoding",
            "ETag": etag,
        }
        if asset.source_map:
            headers["SourceMap"] = asset.source_map
        if etag in request.headers.get("if-none-match", ""):
            return HTTPResponse(status=304, headers=headers)
        if encoding != "identity":
            headers["Content-Encoding"] = encoding
        return HTTPResponse(asset.content[encoding], 200, headers, asset.content_type)

    javascript = {"text/javascript": {"schema": openapi.TEXT}, **openapi.content({})}
    routes = [
        Route(
            "GET",
            f"{_PATH}/{{name}}",
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
    for alias in assets.aliases:
        files = partial(tracker, path=alias.prefix)
        routes.append(Route("GET", f"{alias.prefix}/{{name}}", files, head=True, cors=True))
    add_routes(app, routes)
    return routes


def _note_page(request: Request, sightings: Sightings) -> None:
    """Notes a page that has fetched a script. Others who look at the file do not count."""
    headers = request.headers
    wanted_for = headers.get("sec-fetch-dest")  # not where the collector is reached by plain http
    if wanted_for not in (None, "script"):
        return
    origin = headers.get("origin") or _origin_of(headers.get("referer", ""))
    if origin or wanted_for:
        sightings.note(None, readable(origin), TRACKER_FILE)


def _origin_of(url: str) -> str:
    """The origin of an address; empty if it is none."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}".lower() if host else ""


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
