"""The HTML a site owner pastes, from templates/snippet.html and the compiled loader."""

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from ..errors import BuildError, Missing, Usage
from .templates import environment

_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")


@dataclass(frozen=True)
class Snippet:
    """`html` to paste; `csp_hash` of its inline script, None if it has none."""

    html: str
    csp_hash: str | None


def render_snippet(
    source_id: str,
    api: str,
    bundle: Path,
    *,
    one_line: bool = False,
    integrity: bool = False,
    nonce: str | None = None,
) -> Snippet:
    """The snippet of a source, for a collector that pages reach at `api`. `bundle`: folder of the
    built tracker.

    Raises Usage for an address that is none, Missing if the tracker is not built.
    """
    from .javascript import JavaScriptError, check_html

    api = api.rstrip("/")
    if not _ADDRESS.fullmatch(api):
        raise Usage(f"{api!r} is not an address. Write it as in https://events.example.com")
    manifest = _manifest(bundle)
    template = environment().get_template("snippet.html")
    html = template.render(
        source=source_id,
        api=api,
        one_line=one_line,
        nonce=nonce,
        loader=Markup((bundle / "loader.min.js").read_text(encoding="utf-8")),  # noqa: S704 - our own build
        tracker=_pinned(manifest) if integrity else {"name": "tracker.min.js", "integrity": None},
        js=_js,
    ).strip()
    try:
        check_html(html)
    except JavaScriptError as error:
        raise BuildError(
            f"The snippet would not parse: {error} (line {error.line}). Is {bundle} from a finished build?"
        ) from error
    return Snippet(html, None if one_line else _csp_hash(html))


def _js(value: str) -> Markup:
    """A text as a JavaScript literal that cannot end the script element."""
    return Markup(json.dumps(value).replace("<", "\\u003c"))  # noqa: S704


def _manifest(bundle: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((bundle / "manifest.json").read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise Missing("The tracker is not built. Run: thamesthrive build bundle") from error
    return found


def _pinned(manifest: dict[str, Any]) -> dict[str, str]:
    for name, facts in manifest["files"].items():
        if facts["immutable"]:
            return {"name": name, "integrity": facts["integrity"]}
    raise BuildError("The manifest names no file with a hash. Run: thamesthrive build bundle")


def _csp_hash(html: str) -> str:
    content = html.split(">", 1)[1].rsplit("</", 1)[0]
    return "sha256-" + base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
