"""Source → Install, in a browser: the snippet is there to copy, and the lamps follow what comes in."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from collector import store
from collector.store.install import SAMPLE

from ..browser.environment import Site, opened, snippet
from ..browser.install import ENGINE
from ..support import Collector, wait_for
from .looker import Looker

SHOP = "https://shop.example.com"
TABS = [
    "HTML", "One line", "npm", "Google Tag Manager", "WordPress", "Shopify", "Next.js", "cURL",
    "noscript pixel",
]  # fmt: skip


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as site:
        yield site


def lamp(page: Page, name: str) -> Locator:
    return page.locator(f"[data-lamp={name}]")


def is_on(page: Page) -> list[bool]:
    found = page.locator("[data-lamp]").evaluate_all("(all) => all.map((one) => one.className)")
    return ["on" in classes for classes in found]


def test_the_lamps_go_on_one_by_one(
    browser: Browser, collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = collector.add_source()
    with Looker(browser, collector) as looker:
        page = looker.goto(f"/sources/{source}/install")
        assert is_on(page) == [False, False, False]
        looker.check_looks()
        head = snippet(source, collector.url)
        shop = opened(context, site.add("p.html", head=head, script='window.tracker.track("a")'))
        for name in ("page_seen", "script_loaded", "event_stored"):
            expect(lamp(page, name)).to_have_class("on", timeout=20_000)
            expect(lamp(page, name)).to_contain_text(site.origin)
        expect(page.get_by_text("Events arrive.")).to_be_visible()
        assert shop.url.startswith(site.origin)
        looker.check_looks()
        # Those that are lit stay as they are; from now on there is nothing yet.
        page.get_by_role("link", name="check again from now on").click()
        assert is_on(page) == [False, False, False]


def test_a_wrong_origin_is_shown_and_allowing_it_cures_that(
    browser: Browser, collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = collector.add_source(origins=[SHOP])
    head = snippet(source, collector.url)
    with Looker(browser, collector) as looker:
        page = looker.goto(f"/sources/{source}/install?tab=nextjs")
        opened(context, site.add("p.html", head=head, script='window.tracker.track("a")'))
        cause = page.locator("[data-cause=origin_not_allowed]")
        expect(cause).to_contain_text(site.origin, timeout=20_000)
        assert is_on(page) == [True, True, False]
        looker.check_looks()
        cause.get_by_role("button", name=f"Allow {site.origin}").click()
        expect(page.get_by_text(f"Pages of {site.origin} may send now.")).to_be_visible()
        expect(cause).to_have_count(0)
        expect(page.get_by_role("link", name="Next.js")).to_have_attribute("aria-current", "page")
        nothing = {"source": {"id": source}, "events": []}
        sender = {"Origin": site.origin}
        wait_for(
            lambda: collector.post(nothing, headers=sender).status_code == 200,
            "the collector to know",
        )
        opened(context, site.add("q.html", head=head, script='window.tracker.track("b")'))
        expect(lamp(page, "event_stored")).to_have_class("on", timeout=20_000)
    assert store_of(collector, source) == [SHOP, site.origin]
    (entry,) = collector.rows("SELECT * FROM audit WHERE action = 'source.set'")
    assert site.origin in entry["changes"]


def store_of(collector: Collector, source: str) -> list[str]:
    """The origins that a source lists, as the command line shows them."""
    with collector.database() as database:
        return list(store.get_source(database, source).origins)


def test_guesses_come_after_a_minute(looker: Looker) -> None:
    source = looker.collector.add_source(origins=[SHOP])
    page = looker.goto(f"/sources/{source}/install?api=http://127.0.0.1:8686")
    expect(page.locator("[data-cause]")).to_have_count(0)
    looker.goto(
        f"/sources/{source}/install?api=http://127.0.0.1:8686&opened=2026-11-01T00:00:00.000Z"
    )
    codes = page.locator("[data-cause]").evaluate_all(
        "(all) => all.map((one) => one.dataset.cause)"
    )
    assert codes == ["loopback_address", "nothing_fetched"]
    looker.check_looks()


def test_each_tab_has_its_code_with_the_address_that_was_typed(looker: Looker) -> None:
    source = looker.collector.add_source()
    page = looker.goto(f"/sources/{source}/install")
    expect(page.locator("#code-1")).to_contain_text(f'api: "{looker.collector.url}"')
    page.get_by_label("The collector's address").fill("https://events.example.com/")
    page.get_by_role("button", name="Use it").click()
    tabs = page.get_by_role("navigation", name="Ways to install the snippet").get_by_role("link")
    assert tabs.all_inner_texts() == TABS
    for name in TABS[:-1]:
        tabs.filter(has_text=re.compile(f"^{re.escape(name)}$")).click()
        expect(page.locator("#code-1")).to_contain_text("https://events.example.com")
        assert source in page.locator("main").inner_text()
    tabs.filter(has_text="noscript").click()
    page.get_by_role("button", name="Accept the bridge webhook").click()
    expect(page.locator("#code-1")).to_contain_text(f"{source}/pixel.gif")
    page.get_by_label("The collector's address").fill("javascript:alert(1)")
    page.get_by_role("button", name="Use it").click()
    expect(page.get_by_role("alert")).to_contain_text("is not an address")
    looker.check_looks()


def test_the_snippet_is_copied_as_it_is(browser: Browser, console_collector: Collector) -> None:
    source = console_collector.add_source()
    with Looker(browser, console_collector) as looker:
        if ENGINE == "chromium":  # others ask nobody
            looker.context.grant_permissions(["clipboard-read", "clipboard-write"])
        page = looker.goto(f"/sources/{source}/install?tab=html")
        page.get_by_role("button", name="Copy").first.click()
        expect(page.get_by_role("button", name="Copied")).to_be_visible()
        if ENGINE == "chromium":
            copied = page.evaluate("navigator.clipboard.readText()")
            assert copied == snippet(source, console_collector.url)


def test_a_sample_is_stored_and_is_no_pages_event(looker: Looker) -> None:
    source = looker.collector.add_source(origins=[SHOP])
    page = looker.goto(f"/sources/{source}/install")
    page.get_by_role("button", name="Send a sample").click()
    expect(page.get_by_text("A sample is stored")).to_be_visible()
    (event,) = looker.collector.events(source)
    assert (event["type"], event["session_id"]) == (SAMPLE, None)
    assert is_on(page) == [False, False, False]
    with looker.collector.database() as database:
        store.update_source(database, source, {"enabled": False})
    looker.goto(f"/sources/{source}/install")
    page.get_by_role("button", name="Enable the source").click()
    expect(page.get_by_text("The source is enabled.")).to_be_visible()


def test_the_test_page_sends_an_event(browser: Browser, collector: Collector) -> None:
    source = collector.add_source()
    with Looker(browser, collector) as looker:
        page = looker.goto(f"/sources/{source}/install")
        with looker.context.expect_page() as opened:
            page.get_by_role("link", name="Open the test page").click()
        looker.watched(opened.value)
        (event,) = collector.wait_for_events(source, 1)
        assert event["type"] == "page-view"
        assert json.loads(event["context"])["page"]["url"].endswith("/install/test-page")
        page.bring_to_front()  # behind another tab it asks for nothing
        expect(lamp(page, "event_stored")).to_have_class("on", timeout=20_000)


def test_without_a_script_the_page_is_looked_at_again(
    browser: Browser, collector: Collector
) -> None:
    source = collector.add_source(origins=[SHOP])
    with Looker(browser, collector, java_script_enabled=False) as looker:
        page = looker.goto(f"/sources/{source}/install")
        body = {"source": {"id": source}, "events": [{"type": "a"}]}
        assert collector.post(body, headers={"Origin": "https://b.example"}).status_code == 403
        wait_for(lambda: collector.rows("SELECT 1 FROM sightings"), "the sighting")
        page.get_by_role("link", name="Look again").click()
        page.get_by_role("button", name="Allow https://b.example").click()
        expect(page.get_by_text("may send now")).to_be_visible()
        expect(page.locator("[data-cause]")).to_have_count(0)
        expect(page.get_by_role("button", name="Copy").first).to_be_hidden()


def test_who_may_only_look_is_shown_the_command_and_no_button(
    browser: Browser, collector: Collector
) -> None:
    source, other = collector.add_source(origins=[SHOP]), collector.add_source()
    body = {"source": {"id": source}, "events": [{"type": "a"}]}
    assert collector.post(body, headers={"Origin": "https://b.example"}).status_code == 403
    wait_for(lambda: collector.rows("SELECT 1 FROM sightings"), "the sighting")
    with collector.database() as database:
        secret = store.create_token(database, "anna", role="read", source_id=source)[1]
    page = browser.new_page()
    page.goto(f"{collector.url}/console/sources/{source}/install")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("[data-cause]")).to_contain_text("thamesthrive source allow")
    for name in ("Allow", "Send a sample"):
        expect(page.get_by_role("button", name=name)).to_have_count(0)
    answer = page.goto(f"{collector.url}/console/sources/{other}/install")
    assert answer
    assert answer.status == 403
    cookies = {c.get("name", ""): c.get("value", "") for c in page.context.cookies()}
    csrf = page.locator("input[name=csrf]").first.get_attribute("value")
    for action in ("fix", "sample"):
        url = f"{collector.url}/console/sources/{source}/install/{action}"
        tried = httpx.post(url, data={"action": "enable", "csrf": csrf}, cookies=cookies)
        assert tried.status_code == 403
    page.close()
    assert collector.events(source) == []


def test_nothing_new_is_an_answer_without_content(looker: Looker) -> None:
    """So that what is focused stays, and nothing is read out again."""
    source = looker.collector.add_source()
    page = looker.goto(f"/sources/{source}/install")
    with page.expect_response("**/install/lamps*", timeout=20_000) as found:
        pass
    assert found.value.status == 204
    expect(lamp(page, "page_seen")).to_be_visible()
