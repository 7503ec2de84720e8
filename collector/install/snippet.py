"""The HTML that a site's owner pastes, from templates/snippet.html and the compiled loader."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ..alias import Alias, formers
from ..aliased_bundle import aliased_files, aliased_loader
from ..errors import BadAddress, NotBuilt
from .files import SNIPPET, templates_folder

_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


@dataclass(frozen=True)
class TrackerNames:
    """Where the tracker is: the path, its name there, the name with a hash and the `integrity` of
    that one; and the loader that loads it."""

    path: str
    tracker: str
    hashed: str
    integrity: str
    loader: str


@dataclass(frozen=True)
class Snippet:
    """The `html` to paste, and the `csp_hash` of its inline script, None if it has none."""

    html: str
    csp_hash: str | None


def render_snippet(
    source_id: str,
    api: str,
    bundle: Path,
    *,
    one_line: bool = False,
    global_free: bool = False,
    integrity: bool = False,
    nonce: str | None = None,
    aliases: tuple[Alias, ...] = (),
) -> Snippet:
    """Renders the snippet of a source, for a collector that pages reach at `api`. It has the names
    of the first alias, if there is any.

    `global_free` puts the classic form in a block, so that its `options` is no global of the page.
    `bundle` is the folder of the built tracker. Raises BadAddress if `api` is not an address, and
    NotBuilt if the tracker is not built.
    """
    api = clean_address(api)
    names = names_of(bundle, aliases)
    template = _environment().get_template(SNIPPET)
    html = template.render(
        source_id=source_id,
        api=api,
        # Without data-api, the tracker sends to the root of the site that it comes from.
        has_path=bool(urlsplit(api).path),
        one_line=one_line,
        global_free=global_free,
        nonce=nonce,
        loader=Markup(names.loader),  # noqa: S704 - our own build
        path=names.path,
        tracker=names.hashed if integrity else names.tracker,
        integrity=names.integrity if integrity else None,
        js=_js_string,
    ).strip()
    return Snippet(html, None if one_line else _csp_hash(html))


def clean_address(api: str) -> str:
    """A collector's address without a slash at the end. Raises BadAddress."""
    api = api.rstrip("/")
    if not _ADDRESS.fullmatch(api):
        raise BadAddress(f"{api!r} is not an address. Write it as in https://events.example.com")
    return api


def names_of(bundle: Path, aliases: tuple[Alias, ...]) -> TrackerNames:
    """Where the tracker is. Raises NotBuilt."""
    manifest = _manifest(bundle)
    return _aliased_names(bundle, aliases) if aliases else _default_names(bundle, manifest)


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _js_string(value: str) -> Markup:
    """Returns a JavaScript string literal that cannot end the script element."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))  # noqa: S704


def _manifest(bundle: Path) -> dict[str, Any]:
    try:
        text = (bundle / "manifest.json").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise NotBuilt("The tracker is not built. Run: thamesthrive build bundle") from error
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def _default_names(bundle: Path, manifest: dict[str, Any]) -> TrackerNames:
    loader = (bundle / "loader.min.js").read_text(encoding="utf-8")
    for name, file in manifest["files"].items():
        if file["immutable"]:
            return TrackerNames("/tracker", "tracker.min.js", name, file["integrity"], loader)
    raise NotBuilt("The manifest names no file with a hash. Run: thamesthrive build bundle")


def _aliased_names(bundle: Path, aliases: tuple[Alias, ...]) -> TrackerNames:
    alias = aliases[0]
    files = aliased_files(bundle, alias, formers(aliases)[0])
    hashed = next(file for file in files.values() if file.immutable)
    return TrackerNames(
        alias.prefix,
        alias.script,
        hashed.name,
        f"sha384-{_base64(hashlib.sha384(hashed.content))}",
        aliased_loader(bundle, alias),
    )


def _csp_hash(html: str) -> str:
    content = html.split(">", 1)[1].rsplit("</", 1)[0]
    return f"sha256-{_base64(hashlib.sha256(content.encode()))}"


def _base64(digest: "hashlib._Hash") -> str:
    return base64.b64encode(digest.digest()).decode()
