"""Four tabs that track, navigate, reload, crash and close, in good and bad networks: lost 0, stored
twice 0.

Short here; `make storm` runs it ten times in each network, with two hundred events in about a
minute.
"""

import asyncio
import contextlib
import json
import os
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Error, Page, async_playwright

from ..support import Collector, run_async, wait_for
from .install import ENGINE, launch_options
from .visitor import Network, Site, split_snippet

LONG = os.environ.get("STORM") == "long"
RUNS = range(10) if LONG else range(1)
EVENTS = 200 if LONG else 60
TABS = 4
PAUSE = 0.25 if LONG else 0.0  # seconds between acts
PATIENCE = (
    5.0  # seconds an act may take: a browser may never answer for a tab that has crashed meanwhile
)
WEIGHTS = {"track": 60, "navigate": 16, "reload": 12, "close": 8, "crash": 4}


class Storm:
    """One run: what was done, and the numbers of the events that were tracked."""

    def __init__(self, context: BrowserContext, address: str, chance: random.Random) -> None:
        self.context, self.address, self.chance = context, address, chance
        self.tracked: list[int] = []
        self.acts = dict.fromkeys(WEIGHTS, 0)
        self.next = 0

    async def run(self) -> None:
        tabs = [await self.open() for _ in range(TABS)]
        while len(self.tracked) < EVENTS:
            place = self.chance.randrange(TABS)
            (name,) = self.chance.choices([*WEIGHTS], [*WEIGHTS.values()])
            self.acts[name] += 1
            try:
                tabs[place] = await asyncio.wait_for(self.act(name, tabs[place]), PATIENCE)
            except (Error, TimeoutError):
                # The tab went elsewhere, or away, while it was asked. Nobody knows what it still
                # did; it is replaced.
                with contextlib.suppress(Error, TimeoutError):
                    await asyncio.wait_for(tabs[place].close(), PATIENCE)
                tabs[place] = await self.open()
            await asyncio.sleep(PAUSE)

    async def open(self) -> Page:
        page = await self.context.new_page()
        await page.goto(self.address, wait_until="commit")
        return page

    async def act(self, name: str, page: Page) -> Page:
        """Something that a visitor does in a tab; gives the tab that is there then."""
        if name == "track":
            await self.track(page)
        elif name == "navigate":
            await page.goto(f"{self.address}?{self.next}", wait_until="commit")
        elif name == "reload":
            await page.reload(wait_until="commit")
        else:
            if name == "crash":
                with contextlib.suppress(Error):
                    await page.goto("chrome://crash", wait_until="commit", timeout=1000)
            await page.close()
            return await self.open()
        return page

    async def track(self, page: Page) -> None:
        """One to three events; they count as tracked when `track` has returned."""
        numbers = list(range(self.next, self.next + self.chance.randint(1, 3)))
        self.next += len(numbers)
        options = self.chance.choice(["{}", "{}", "{fire: true}"])
        while not await page.evaluate("!!(window.tracker && window.tracker.track)"):
            await asyncio.sleep(0.01)
        await page.evaluate(
            f"numbers => {{ for (const n of numbers) window.tracker.track('storm', {{n}}, {options}) }}",
            numbers,
        )
        self.tracked += numbers
        if self.chance.random() < 0.2:  # and away, at once
            await page.evaluate("() => { location.href = location.pathname + '?left' }")


def clean(_: random.Random, __: float) -> Any:
    return None


def flaky(chance: random.Random, _: float) -> Any:
    bad = [
        "lost",
        "down",
        (503, {"Retry-After": "1"}, b"{}"),
        (500, {}, b"<h1>500</h1>"),
        (502, {}, b"<h1>502</h1>"),
        (429, {}, b"{}"),
    ]
    return chance.choice(bad) if chance.random() < 0.35 else None


def outage(_: random.Random, progress: float) -> Any:
    return "down" if 0.2 < progress < 0.8 else None


async def in_a_browser(executable: str, work: Callable[[BrowserContext], Awaitable[None]]) -> None:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(**launch_options(executable))  # type: ignore[arg-type]
        await work(await browser.new_context())
        await browser.close()


@pytest.mark.skipif(ENGINE != "chromium", reason="the driver crashes tabs of Chromium only")
@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("mood", [clean, flaky, outage], ids=lambda mood: mood.__name__)
def test_no_event_is_lost_and_none_is_stored_twice(
    page_collector: Collector,
    site: Site,
    executable: str,
    mood: Callable[[random.Random, float], Any],
    run: int,
) -> None:
    source = page_collector.add_source()
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    faults = random.Random(seed + 1)
    storms: list[Storm] = []

    def stored() -> list[int]:
        return [json.loads(row["properties"])["n"] for row in page_collector.events(source)]

    async def work(context: BrowserContext) -> None:
        storm = Storm(
            context,
            site.add("p.html", head=split_snippet(source, page_collector, network)),
            random.Random(seed),
        )
        storms.append(storm)
        await storm.run()
        network.weather = lambda _: None
        page = await storm.open()  # a later visit, when the network is well
        await page.evaluate("() => dispatchEvent(new Event('online'))")
        with contextlib.suppress(AssertionError):  # said below, with what is needed to see it again
            await asyncio.to_thread(
                wait_for, lambda: set(storm.tracked) <= set(stored()), "every tracked event", 60
            )

    with Network(page_collector) as network:
        network.weather = lambda _: mood(faults, len(storms[0].tracked) / EVENTS)
        run_async(in_a_browser(executable, work))
    (storm,) = storms
    rows = stored()
    lost = sorted(set(storm.tracked) - set(rows))
    twice = len(rows) - len(set(rows))
    facts = (
        f"seed {seed}, {len(storm.tracked)} events, {len(network.bodies)} requests, {storm.acts}"
    )
    print(f"\nstorm {mood.__name__} {run}: {facts}, lost {len(lost)}, twice {twice}")
    assert (lost, twice) == ([], 0), facts
