"""The script with which `thamesthrive verify` agrees to what a page's consent manager asks, built into
`js/dist/verify/`."""

import json
from pathlib import Path

from ..errors import Missing

FOLDER = "verify"
PACKAGE = "@duckduckgo/autoconsent"
_FLAGS = (
    "--bundle",
    "--minify",
    "--target=es2022",
    "--format=iife",
    "--tsconfig-raw={}",
    "--log-level=warning",
    "--legal-comments=none",
)


def arguments_of(js: Path, out: str) -> list[str]:
    """What esbuild is called with, in `js`, to build into a folder there. Raises Missing."""
    # The licence requires a note that says where to find the source.
    banner = f"/*! {_notice(js)} */"
    return [f"--banner:js={banner}", "verify/consent.ts", f"--outdir={out}/{FOLDER}", *_FLAGS]


def _notice(js: Path) -> str:
    package = js / "node_modules" / PACKAGE / "package.json"
    if not package.is_file():
        raise Missing(f"{PACKAGE} is not installed. Run: npm ci --prefix {js}")
    version = json.loads(package.read_text(encoding="utf-8"))["version"]
    return (
        f"Contains {PACKAGE} {version}, https://github.com/duckduckgo/autoconsent, under the Mozilla"
        " Public License 2.0: https://mozilla.org/MPL/2.0/"
    )
