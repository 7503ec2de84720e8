"""What this program is: its version, and what it was built from."""

import json
import platform
import sqlite3
import subprocess
from importlib.metadata import version

from collector import __version__
from collector.settings import default_bundle

from . import paths


def about() -> str:
    """Name and version in the first line, what it runs on in the second, the tracker that it serves
    in the third."""
    commit = _commit()
    return "\n".join(
        [
            f"thamesthrive {__version__}" + (f" ({commit})" if commit else ""),
            f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, Sanic {version('sanic')}, {platform.system()} {platform.machine()}",
            _tracker(),
        ]
    )


def _commit() -> str:
    """Of the source tree; an installed copy has none."""
    if not paths.SOURCE_TREE:
        return ""
    command = [
        "git",
        "-C",
        str(paths.SOURCE_TREE),
        "describe",
        "--always",
        "--dirty",
        "--abbrev=12",
    ]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=5)
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return ""
    return f"commit {done.stdout.strip()}" if done.returncode == 0 else ""


def _tracker() -> str:
    try:
        files = json.loads((default_bundle() / "manifest.json").read_text(encoding="utf-8"))[
            "files"
        ]
    except FileNotFoundError:
        return "Tracker: not built. Run: thamesthrive build bundle"
    name = next(name for name, facts in files.items() if facts["immutable"])
    return f"Tracker: {name}, {files[name]['brotli']} bytes (brotli)"
