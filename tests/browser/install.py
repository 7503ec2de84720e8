"""Finds the browsers for the tests, and installs those that are missing: `python -m
tests.browser.install [chromium firefox webkit]`."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from playwright.sync_api import Browser, Error, Playwright, sync_playwright

SYSTEM = ("chromium", "chromium-browser", "google-chrome")
# The same engine without what a window needs. A context takes a fifth of the time there, so tests
# run in it where there is one, unless CHROMIUM=full asks for the other.
SHELL = "chromium-headless-shell"
DOWNLOAD_PATIENCE = 300  # seconds


def find_chromium() -> str | None:
    """Playwright's own Chromium where it is installed, a system one otherwise."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    if Path(own).is_file():
        return own
    return next((found for name in SYSTEM if (found := shutil.which(name))), None)


def find_shell() -> str | None:
    """The headless shell, if there is one and it is wanted: Playwright's own, or a system one."""
    if os.environ.get("CHROMIUM") == "full":
        return None
    with sync_playwright() as playwright:
        browsers = Path(playwright.chromium.executable_path).parents[2]
    own = sorted(browsers.glob("chromium_headless_shell-*/*/*headless*shell"))
    return str(own[-1]) if own else shutil.which(SHELL)


ENGINE = os.environ.get("ENGINE", "chromium")  # or firefox: which one `browser` is


def find_firefox() -> str | None:
    """Firefox ESR: the one that Playwright can drive without a build of its own."""
    return next(
        (found for name in ("firefox-esr", "firefox") if (found := shutil.which(name))), None
    )


def find_webkit() -> tuple[str | None, Path | None]:
    """WebKitGTK's driver, and the browser it drives."""
    folders = (
        "/usr/lib/*/webkit2gtk-4.1",
        "/usr/lib/*/webkitgtk-6.0",
        "/usr/libexec/webkit2gtk-4.1",
        "/usr/lib/webkit2gtk-4.1",
    )
    browsers = (
        found for folder in folders for found in sorted(Path("/").glob(f"{folder[1:]}/MiniBrowser"))
    )
    return shutil.which("WebKitWebDriver"), next(browsers, None)


def launch(playwright: Playwright, executable: str) -> Browser:
    """The engine that this run is for."""
    if ENGINE == "firefox":
        return playwright.firefox.launch(channel="moz-firefox", executable_path=executable)
    return playwright.chromium.launch(**launch_options(executable))  # type: ignore[arg-type]


def launch_options(executable: str) -> dict[str, object]:
    """Quiet, without the sandbox that Chromium refuses to root, and with the back/forward cache that
    visitors have: Playwright turns it off."""
    quiet = [
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
        "--no-first-run",
    ]
    return {
        "executable_path": executable,
        "ignore_default_args": ["--disable-back-forward-cache"],
        "args": [*quiet, *(["--no-sandbox"] if os.geteuid() == 0 else [])],
    }


def _works(executable: str) -> bool:
    try:
        with sync_playwright() as playwright:
            playwright.chromium.launch(**launch_options(executable)).close()  # type: ignore[arg-type]
    except Error as error:
        print(f"{executable} does not start: {error}", file=sys.stderr)
        return False
    return True


def _apt(*packages: str) -> None:
    if shutil.which("apt-get"):
        root = [] if os.geteuid() == 0 else ["sudo", "-n"]
        for step in (
            ["update", "-qq"],
            ["install", "-y", "-qq", "--no-install-recommends", *packages],
        ):
            environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
            subprocess.run(
                [*root, "apt-get", *step], stdout=sys.stderr, env=environment, check=False
            )


def _install_chromium() -> None:
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
    _apt("chromium", SHELL)


def chromium() -> str | None:
    """Sees to a Chromium; gives what to do if there is none."""
    if not find_chromium():
        _install_chromium()
    elif not find_shell():
        _apt(SHELL)
    found = find_shell() or find_chromium()
    if found and _works(found):
        return None
    return "No Chromium that starts. Install one: `playwright install --with-deps chromium`, or your system's package."


def firefox() -> str | None:
    """Sees to Firefox ESR; gives what to do if there is none."""
    if not find_firefox():
        _apt("firefox-esr")
    return None if find_firefox() else "No Firefox. On Debian: apt-get install firefox-esr"


def webkit() -> str | None:
    """Sees to WebKitGTK and a display; gives what to do if there is none."""
    if not all((*find_webkit(), shutil.which("Xvfb"))):
        _apt("webkit2gtk-driver", "xvfb")
    there = all((*find_webkit(), shutil.which("Xvfb")))
    return None if there else "No WebKitGTK. On Debian: apt-get install webkit2gtk-driver xvfb"


def main(names: list[str]) -> int:
    wanted = {"chromium": chromium, "firefox": firefox, "webkit": webkit}
    problems = [problem for name in names or ["chromium"] if (problem := wanted[name]())]
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    return 3 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
