"""The console's script and style: one file each, built into `js/dist/console/`."""

import shutil
from pathlib import Path

from .. import paths

FOLDER = "console"
FILES = ("console.js", "console.css")
# Browsers that people work with: a private field needs no detour there.
FLAGS = (
    "--bundle",
    "--minify",
    "--target=es2022",
    "--format=iife",
    "--sourcemap=external",
    "--tsconfig-raw={}",
    "--log-level=warning",
    "--loader:.svg=dataurl",
    "--legal-comments=none",
)


def arguments_of(out: str) -> list[str]:
    """What esbuild is called with, in `js`, to build into a folder there."""
    return [
        "console=console/main.ts",
        "style=console/console.css",
        f"--outdir={out}/{FOLDER}",
        *FLAGS,
    ]


def finish(out: Path) -> None:
    """Gives the files their names, and adds the icon."""
    folder = out / FOLDER
    (folder / "style.css").replace(folder / "console.css")
    (folder / "style.css.map").unlink(missing_ok=True)
    shutil.copy(paths.TEMPLATES / "assets" / "icon.svg", folder / "icon.svg")
