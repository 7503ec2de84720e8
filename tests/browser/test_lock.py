"""Whatever the tabs' lock does, what is tracked is stored, while the page stays open."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Playwright

from collector.testing import Tracking

from ..support import Collector, wait_for
from .environment import Network, Site, through
from .install import ENGINE, launch_options

READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"
HOLD = "() => new Promise((held) => navigator.locks.request('thamesthrive-queue', () => (held(), new Promise(() => {}))))"
WATCH = "() => { onpageshow = (event) => { window.was = event.persisted } }"


@pytest.fixture(scope="module")
def browser(full_browser: Browser) -> Browser:
    return full_browser


LOCKS = "navigator.locks.query().then(({held, pending}) => [held.length, pending.length])"


def fire(page: Page, event: str) -> None:
    page.evaluate(f"() => {{ tracker.track('{event}', {{}}, {{fire: true}}) }}")


def test_a_lock_that_another_page_never_frees_holds_nothing_up(
    page: Page, context: BrowserContext, site: Site, head: str, tracking: Tracking
) -> None:
    holder = context.new_page()
    holder.goto(site.add("holder.html"))
    holder.evaluate(HOLD)
    page.goto(site.add("p.html", head=head))
    page.wait_for_function(READY)
    fire(page, "one")
    tracking.expect_exactly("one")
    fire(page, "two")
    tracking.expect_exactly("one", "two")
    wait_for(lambda: page.evaluate(LOCKS) == [1, 0], "the tracker to wait no longer")


@pytest.mark.parametrize(
    "locks",
    [
        "undefined",
        "{request: () => Promise.reject(new DOMException('', 'SecurityError'))}",
        "{request: () => new Promise(() => {})}",
        "{request: (_, __, turn) => { turn(); return new Promise(() => {}) }}",
    ],
    ids=["missing", "denied", "never answers", "never ends"],
)
def test_strange_locks_hold_nothing_up(
    page: Page, site: Site, head: str, tracking: Tracking, locks: str
) -> None:
    """Plain http has none. The first flush finds nothing to send, and ends at once."""
    strange = f"<script>Object.defineProperty(navigator, 'locks', {{value: {locks}}})</script>"
    page.goto(site.add("p.html", head=strange + head))
    page.wait_for_function(READY)
    for events in (["one"], ["one", "two"]):
        page.evaluate("() => { tracker.flush() }")
        fire(page, events[-1])
        tracking.expect_exactly(*events)


@pytest.mark.skipif(ENGINE != "chromium", reason="Firefox keeps no page that sends")
def test_a_page_leaves_its_lock_behind_when_it_enters_the_back_forward_cache(
    page: Page,
    context: BrowserContext,
    site: Site,
    head: str,
    page_collector: Collector,
    tracking: Tracking,
) -> None:
    """Chromium throws a page that has one out of the cache, after seconds in which nobody sends."""
    elsewhere = site.add("elsewhere.html")
    with Network(page_collector) as network:
        network.weather = lambda _: "hang" if len(network.bodies) == 1 else None
        address = site.add("p.html", head=through(network, head))
        other = context.new_page()
        for each in (page, other):
            each.goto(address)
        page.wait_for_function(READY)
        page.evaluate(WATCH)
        fire(page, "one")
        wait_for(lambda: network.bodies, "the first request")
        page.goto(elsewhere)
        fire(other, "other")
        tracking.expect_exactly("other")
        page.go_back(wait_until="commit")
        page.wait_for_function("window.was === true")
        network.over.set()
        tracking.expect_exactly("one", "other")


@pytest.fixture
def stock(playwright: Playwright, full_executable: str, tmp_path: Path) -> Iterator[BrowserContext]:
    """A Chromium that was started as a person does, and is driven from outside."""
    flags = [f for f in launch_options(full_executable)["args"] if f == "--no-sandbox"]  # type: ignore[attr-defined]
    command = [
        full_executable,
        *flags,
        "--headless=new",
        "--remote-debugging-port=0",
        f"--user-data-dir={tmp_path / 'profile'}",
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            port_file = tmp_path / "profile" / "DevToolsActivePort"
            wait_for(lambda: port_file.exists() and port_file.read_text(), "Chromium's port")
            port, path = port_file.read_text().split()
            browser = playwright.chromium.connect_over_cdp(f"ws://127.0.0.1:{port}{path}")
            yield browser.contexts[0]
            browser.close()
        finally:
            process.terminate()
            process.communicate(timeout=20)


@pytest.mark.skipif(ENGINE != "chromium", reason="a bug of Chromium's")
def test_two_waiting_pages_in_the_back_forward_cache_hold_nothing_up(
    site: Site, head: str, page_collector: Collector, tracking: Tracking, stock: BrowserContext
) -> None:
    """Once two have waited there, Chromium grants that lock to nobody."""
    tracking.attach(stock)
    elsewhere = site.add("elsewhere.html")
    with Network(page_collector) as network:
        network.weather = lambda _: "hang" if len(network.bodies) == 1 else None
        address = site.add("p.html", head=through(network, head))
        pages = [stock.new_page() for _ in range(4)]
        for page in pages:
            page.goto(address)
            page.wait_for_function(READY)
        holder, first, second, last = pages
        fire(holder, "held")
        wait_for(lambda: network.bodies, "the first request")
        for page in (first, second):
            page.evaluate("() => { tracker.flush() }")
            page.evaluate(WATCH)
        wait_for(lambda: last.evaluate(LOCKS) == [1, 2], "two pages to wait")
        for page in (first, second):
            page.goto(elsewhere)
        network.over.set()
        fire(last, "last")
        tracking.expect_exactly("held", "last")
        for page in (first, second):
            page.go_back(wait_until="commit")
            page.wait_for_function("window.was === true")
