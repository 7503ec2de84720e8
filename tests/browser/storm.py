"""A visitor with four tabs, who does in them what visitors do."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import BrowserContext, Error, Page, async_playwright

from .install import ENGINE, launch_options

TABS = 4
IN_TIME = 60.0  # seconds until all is stored, once the network is well
PATIENCE = (
    5.0  # seconds an act may take: a browser may never answer for a tab that has crashed meanwhile
)
WEIGHTS = {
    "track": 40,
    "click": 10,
    "location": 10,
    "reload": 10,
    "back": 10,
    "forward": 4,
    "close": 12,
    "crash": 4 if ENGINE == "chromium" else 0,  # the driver crashes no others
}
# What the storm tracks is numbered, and says of which page it is.
BODY = """<a id="out" href="?left">out</a>
<script>
  var name = Math.random() + "", next;
  var run = (numbers, options) => numbers.map((n) => { tracker.track("storm", {n, page: name}, options); return n; });
  onclick = () => run(next, {});
  addEventListener("pageshow", (event) => {
    if (event.persisted) localStorage.persisted = +(localStorage.persisted || 0) + 1;
  });
</script>"""


async def in_a_browser(executable: str, work: Callable[[BrowserContext], Awaitable[None]]) -> None:
    """Does something in a browser that nobody has used, and ends it."""
    async with async_playwright() as playwright:
        if ENGINE == "firefox":
            browser = await playwright.firefox.launch(
                channel="moz-firefox", executable_path=executable
            )
        else:
            browser = await playwright.chromium.launch(**launch_options(executable))  # type: ignore[arg-type]
        await work(await browser.new_context())
        await browser.close()


class Storm:
    """One run: what was done, and the numbers of the events that were tracked."""

    def __init__(
        self, context: BrowserContext, addresses: list[str], chance: random.Random, events: int
    ) -> None:
        self.context, self.addresses, self.chance, self.events = context, addresses, chance, events
        self.tracked: list[int] = []
        self.acts = dict.fromkeys(WEIGHTS, 0)
        self.replaced = 0
        self.next = 0

    async def run(self, seconds: float) -> None:
        """Tracks about `events` events in about `seconds`."""
        loop = asyncio.get_running_loop()
        started = loop.time()
        # At once, as a browser opens its last session again.
        tabs = list(await asyncio.gather(*(self.open() for _ in range(TABS))))
        while len(self.tracked) < self.events:
            tab = self.chance.randrange(TABS)
            (name,) = self.chance.choices([*WEIGHTS], [*WEIGHTS.values()])
            self.acts[name] += 1
            try:
                tabs[tab] = await asyncio.wait_for(self.act(name, tabs[tab]), PATIENCE)
            except (Error, TimeoutError):
                # The tab navigated or closed during the call. What it still did is unknown, so it
                # is replaced.
                self.replaced += 1
                with contextlib.suppress(Error, TimeoutError):
                    await asyncio.wait_for(tabs[tab].close(), PATIENCE)
                tabs[tab] = await self.open()
            ahead = len(self.tracked) / self.events * seconds - (loop.time() - started)
            await asyncio.sleep(max(0.0, ahead))

    async def open(self) -> Page:
        page = await self.context.new_page()
        await self.go(page)
        return page

    async def go(self, page: Page) -> None:
        """Opens one of the pages, if the server is there."""
        with contextlib.suppress(Error):
            await page.goto(self.chance.choice(self.addresses), wait_until="commit")

    async def act(self, name: str, page: Page) -> Page:
        """Something that a visitor does in a tab; gives the tab that is there then."""
        if name == "track":
            await self.track(page, "numbers => run(numbers, OPTIONS)")
        elif name == "click":
            await self.track(
                page,
                "numbers => { next = numbers; document.getElementById('out').click(); return numbers }",
            )
        elif name == "location":
            await self.track(
                page, "numbers => { location.href = '?left'; return run(numbers, OPTIONS) }"
            )
        elif name == "reload":
            await page.reload(wait_until="commit")
        elif name == "back":
            await page.go_back(wait_until="commit")
        elif name == "forward":
            await page.go_forward(wait_until="commit")
        else:
            await self.track(page, "numbers => run(numbers, OPTIONS)")
            if name == "crash":
                with contextlib.suppress(Error):
                    await page.goto("chrome://crash", wait_until="commit", timeout=1000)
            await page.close()
            return await self.open()
        if self.chance.random() < 0.2:
            await self.go(page)
        return page

    async def track(self, page: Page, script: str) -> None:
        """One to three events; they count as tracked when `track` has returned."""
        numbers = list(range(self.next, self.next + self.chance.randint(1, 3)))
        self.next += len(numbers)
        if page.url == "about:blank":  # where a tab begins, and where going back ends
            await self.go(page)
        options = self.chance.choice(["{}", "{}", "{fire: true}", "{asBeacon: true}"])
        while not await page.evaluate("!!(window.tracker && window.tracker.track && window.run)"):
            await asyncio.sleep(0.01)
        self.tracked += await page.evaluate(script.replace("OPTIONS", options), numbers)


async def visit(context: BrowserContext, addresses: list[str]) -> int:
    """A later visit of each page; returns how many pages have come back from the back/forward
    cache before."""
    found: Any = 0
    for address in addresses:
        page = await context.new_page()
        await page.goto(address)
        found = await page.evaluate("+(localStorage.persisted || 0)")
    return int(found)
