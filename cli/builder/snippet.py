"""The HTML a site owner pastes, from templates/snippet.html and the compiled loader."""

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from markupsafe import Markup

from collector.alias import Alias, formers
from collector.aliased_bundle import aliased_files, aliased_loader

from ..errors import BuildError, Missing, Usage
from .templates import template_environment

_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


@dataclass(frozen=True)
class _Names:
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
    `bundle` is the folder of the built tracker. Raises Usage if `api` is not an address, and
    Missing if the tracker is not built.
    """
    from .javascript import JavaScriptError, check_html

    api = api.rstrip("/")
    if not _ADDRESS.fullmatch(api):
        raise Usage(f"{api!r} is not an address. Write it as in https://events.example.com")
    manifest = _manifest(bundle)
    names = _default_names(bundle, manifest) if not aliases else _aliased_names(bundle, aliases)
    template = template_environment().get_template("snippet.html")
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
    try:
        check_html(html)
    except JavaScriptError as error:
        cause = f"{error} (line {error.line})"
        raise BuildError(
            f"The snippet does not parse: {cause}. Is {bundle} from a finished build?"
        ) from error
    return Snippet(html, None if one_line else _csp_hash(html))


def snippet_renderer(api: str, bundle: Path) -> Callable[[str, str], str]:
    """Returns a function that renders the snippet of a form and a source id, once each."""

    @cache
    def render(form: str, source_id: str) -> str:
        return render_snippet(source_id, api, bundle, one_line=form == "one-line").html

    return render


def _js_string(value: str) -> Markup:
    """Returns a JavaScript string literal that cannot end the script element."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))  # noqa: S704


def _manifest(bundle: Path) -> dict[str, Any]:
    try:
        text = (bundle / "manifest.json").read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise Missing("The tracker is not built. Run: thamesthrive build bundle") from error
    manifest: dict[str, Any] = json.loads(text)
    return manifest


def _default_names(bundle: Path, manifest: dict[str, Any]) -> _Names:
    loader = (bundle / "loader.min.js").read_text(encoding="utf-8")
    for name, file in manifest["files"].items():
        if file["immutable"]:
            return _Names("/tracker", "tracker.min.js", name, file["integrity"], loader)
    raise BuildError("The manifest names no file with a hash. Run: thamesthrive build bundle")


def _aliased_names(bundle: Path, aliases: tuple[Alias, ...]) -> _Names:
    alias = aliases[0]
    files = aliased_files(bundle, alias, formers(aliases)[0])
    hashed = next(file for file in files.values() if file.immutable)
    return _Names(
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
