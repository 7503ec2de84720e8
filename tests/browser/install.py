"""Finds a Chromium for the tests, and installs one if there is none. `python -m tests.browser.install`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Error, sync_playwright

SYSTEM = ("chromium", "chromium-browser", "google-chrome")
DOWNLOAD_PATIENCE = 300  # seconds


def find_chromium() -> str | None:
    """Playwright's own Chromium where it is installed, a system one otherwise."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if Path(own).is_file():
        return own
    return next((found for name in SYSTEM if (found := shutil.which(name))), None)


def launch_options(executable: str) -> dict[str, object]:
    """Quiet, and without the sandbox that Chromium refuses to root."""
    quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"]
    return {"executable_path": executable, "args": [*quiet, *(["--no-sandbox"] if os.geteuid() == 0 else [])]}


def _works(executable: str) -> bool:
    try:
        with sync_playwright() as playwright:
            playwright.chromium.launch(**launch_options(executable)).close()  # type: ignore[arg-type]
    except Error as error:
        print(f"{executable} does not start: {error}", file=sys.stderr)
        return False
    return True


def _install() -> None:
    print("Installing a Chromium for the browser tests …", file=sys.stderr)
    try:
        own = subprocess.run(
            [sys.executable, "-m", "playwright", "install", "chromium"],
            capture_output=True,
            timeout=DOWNLOAD_PATIENCE,
            check=False,
        )
        if own.returncode == 0:
            return
    except subprocess.TimeoutExpired:
        pass
    if shutil.which("apt-get"):
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        for step in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends", "chromium"]):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run([*root, "apt-get", *step], stdout=sys.stderr, env=environment, check=False)


def main() -> int:
    if not find_chromium():
        _install()
    found = find_chromium()
    if not found or not _works(found):
        print(
            "No Chromium that starts. Install one: `playwright install --with-deps chromium`, or your system's package.",
            file=sys.stderr,
        )
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
