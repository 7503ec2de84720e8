"""A Chromium that Playwright drives. Neither is part of the installation: verify works without, and
says so."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from .check import CouldNotLook

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserType

SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
INSTALL = "pip install 'thamesthrive[verify]' && playwright install --with-deps chromium"
_QUIET = (
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)


def find_chromium(own: str) -> str | None:
    """The executable: Playwright's `own` one where it is installed, a system one otherwise."""
    if Path(own).is_file():
        return own
    return next((found for name in SYSTEM if (found := shutil.which(name))), None)


@asynccontextmanager
async def chromium(hosts: Mapping[str, str] | None = None) -> AsyncIterator["Browser"]:
    """A browser without a past. `hosts`: addresses of names, in place of what the DNS says. Raises
    CouldNotLook, which says what to install."""
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as error:
        raise CouldNotLook(f"Playwright is not installed. Run: {INSTALL}") from error
    async with async_playwright() as driver:
        try:
            browser = await _launch(driver.chromium, hosts or {})
        except Error as error:
            first = str(error).strip().splitlines()[0]
            raise CouldNotLook(f"Chromium does not start: {first}. Run: {INSTALL}") from error
        try:
            yield browser
        finally:
            await asyncio.wait_for(browser.close(), 10)


async def _launch(engine: "BrowserType", hosts: Mapping[str, str]) -> "Browser":
    executable = find_chromium(engine.executable_path)
    if executable is None:
        raise CouldNotLook(f"There is no Chromium. Run: {INSTALL}")
    # Chromium refuses its sandbox to root.
    flags = [*_QUIET, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    if hosts:
        rules = ", ".join(f"MAP {name} {address}" for name, address in hosts.items())
        flags.append(f"--host-resolver-rules={rules}")
    return await engine.launch(executable_path=executable, args=flags)
