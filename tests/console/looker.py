"""Somebody who looks at the console: a browser that is logged in, and notes whatever a page should not
do."""

from types import TracebackType
from typing import Any

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request

from collector.store.console_sessions import create_link

from ..accessibility import COLOUR_RULES, violations
from ..browser.install import ENGINE
from ..support import Collector

WIDE, NARROW = {"width": 1280, "height": 900}, {"width": 360, "height": 740}
OVERFLOW = "document.documentElement.scrollWidth - document.documentElement.clientWidth"


class Looker:
    """A browser profile of its own. At its end, no page may have said anything on the console, or
    have asked another host for anything."""

    def __init__(self, browser: Browser, collector: Collector, **options: Any) -> None:
        if ENGINE == "firefox" and options.get("java_script_enabled") is False:
            pytest.skip("its driver cannot turn scripts off")
        self.collector = collector
        self.root = f"{collector.url}/console"
        self.problems: list[str] = []
        self.context = browser.new_context(**{"viewport": WIDE, **options})
        self.page = self.watched(self.context.new_page())

    def watched(self, page: Page) -> Page:
        """A page of which everything is noted."""
        page.on("console", self._note)
        page.on("pageerror", lambda error: self.problems.append(f"{page.url}: {error}"))
        page.on("request", self._check)
        return page

    def _note(self, message: ConsoleMessage) -> None:
        # A browser says itself that a page is an error's, which is what was wanted then.
        is_status = message.text.startswith("Failed to load resource: the server responded with")
        if not (is_status and message.location["url"] == self.page.url):
            self.problems.append(f"{message.location['url']}: {message.text}")

    def _check(self, request: Request) -> None:
        if not request.url.startswith((self.collector.url, "data:", "about:")):
            self.problems.append(f"asked for {request.url}")

    def __enter__(self) -> "Looker":
        with self.collector.database() as database:
            secret = create_link(database.conn)
        self.page.goto(f"{self.root}/login/{secret}")
        if self.page.url != self.root:  # without a script
            if "login" in self.page.url:
                self.page.locator("form button").click(no_wait_after=True)
            self.page.wait_for_url(self.root)
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self.context.close()
        if error[0] is None:
            assert not self.problems, "\n".join(self.problems)

    def goto(self, path: str) -> Page:
        """Opens a page of the console by what follows `/console`."""
        self.page.goto(self.root + path)
        return self.page

    def check_looks(self) -> None:
        """That the page is accessible in light and dark, and fits narrow screens."""
        page = self.page
        assert violations(page) == []
        page.emulate_media(color_scheme="dark")
        assert violations(page, *COLOUR_RULES) == []
        page.emulate_media(color_scheme="light")
        page.set_viewport_size(NARROW)  # type: ignore[arg-type]
        assert page.evaluate(OVERFLOW) == 0, f"{page.url} is wider than a small screen"
        assert violations(page) == []
        page.set_viewport_size(WIDE)  # type: ignore[arg-type]
