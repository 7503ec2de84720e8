"""Live, in a browser: the list, its stream, filters and the drawer."""

import json
from collections.abc import Callable

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from collector import store

from ..browser.install import ENGINE
from ..support import Collector, wait_for
from .looker import Looker


def source_of(collector: Collector, name: str) -> str:
    with collector.database() as database:
        return store.add_source(database, name).id


def send(collector: Collector, source: str, *types: str, **event: object) -> None:
    events = [{"type": kind, **event} for kind in types]
    answer = collector.post({"source": {"id": source}, "events": events})
    assert answer.status_code == 200, answer.text


def types_of(looker: Looker) -> list[str]:
    return looker.page.locator("#live-rows td:nth-child(2) a").all_inner_texts()


def test_what_comes_in_appears_once_the_latest_first(looker: Looker) -> None:
    source = source_of(looker.collector, "Stream")
    send(looker.collector, source, "before-1", "before-2")
    page = looker.goto(f"/live?source={source}")
    assert types_of(looker) == ["before-2", "before-1"]
    for number in range(5):
        send(looker.collector, source, f"after-{number}")
    expect(page.locator("#live-rows tr")).to_have_count(7, timeout=20_000)
    assert types_of(looker) == [f"after-{n}" for n in (4, 3, 2, 1, 0)] + ["before-2", "before-1"]
    looker.check_looks()


def test_nothing_is_lost_between_the_page_and_its_stream(looker: Looker) -> None:
    """What comes in after the page was made, and before its stream begins."""
    source = source_of(looker.collector, "Between")
    page = looker.page

    def hold(route: object) -> None:
        send(looker.collector, source, "between")
        route.continue_()  # type: ignore[attr-defined]

    page.route("**/live/stream*", hold)
    looker.goto(f"/live?source={source}")
    expect(page.locator("#live-rows tr")).to_have_count(1, timeout=20_000)
    send(looker.collector, source, "after")
    expect(page.locator("#live-rows tr")).to_have_count(2, timeout=20_000)
    assert types_of(looker) == ["after", "between"]


def test_the_stream_goes_on_after_the_console_was_killed(
    browser: Browser, collector: Collector
) -> None:
    import os
    import signal

    source = source_of(collector, "Killed")
    with Looker(browser, collector) as looker:
        page = looker.goto(f"/live?source={source}")
        send(collector, source, "one")
        expect(page.locator("#live-rows tr")).to_have_count(1, timeout=20_000)
        (process,) = collector.children("collector.child\0console")
        os.kill(process, signal.SIGKILL)
        send(collector, source, "two")
        expect(page.locator("#live-rows tr")).to_have_count(2, timeout=30_000)
        send(collector, source, "three")
        expect(page.locator("#live-rows tr")).to_have_count(3, timeout=20_000)
        assert types_of(looker) == ["three", "two", "one"]
        looker.problems.clear()  # the browser notes the broken connection itself


def test_a_rush_is_sampled_and_said(looker: Looker) -> None:
    source = source_of(looker.collector, "Rush")
    page = looker.goto(f"/live?source={source}")
    for _ in range(3):
        send(looker.collector, source, *[f"t{n}" for n in range(100)])
    expect(page.locator("#live-rate")).to_contain_text("showing 50 of", timeout=20_000)


def test_pausing_keeps_what_comes(looker: Looker) -> None:
    source = source_of(looker.collector, "Pause")
    page = looker.goto(f"/live?source={source}")
    page.get_by_role("button", name="Pause").click()
    send(looker.collector, source, "waiting")
    go_on = page.get_by_role("button", name="Go on (1 waiting)")
    expect(go_on).to_be_visible(timeout=20_000)
    assert types_of(looker) == []
    go_on.click()
    assert types_of(looker) == ["waiting"]


def test_filters_are_in_the_address_and_hold_for_the_stream(looker: Looker) -> None:
    collector = looker.collector
    source = source_of(collector, "Filters")
    with collector.database() as database:
        store.set_schema(database, source, "order", json.dumps({"required": ["price"]}))
    wait_for(
        lambda: (
            collector.post(
                {"source": {"id": source}, "events": [{"type": "order", "properties": {"p": 1}}]}
            )
            .json()
            .get("errors")
        ),
        "the schema to hold",
    )
    send(collector, source, "boots", properties={"colour": "Crimson"})
    send(collector, source, "shoes", properties={"colour": "blue"})
    page = looker.goto(f"/live?source={source}&text=CRIMSON")
    assert types_of(looker) == ["boots"]
    send(collector, source, "coat", properties={"colour": "blue"})
    send(collector, source, "hat", properties={"colour": "dark crimson"})
    expect(page.locator("#live-rows tr")).to_have_count(2, timeout=20_000)
    assert types_of(looker) == ["hat", "boots"]
    page.get_by_label("Text").fill("")
    page.get_by_label("Status").select_option("rejected")
    expect(page).to_have_url(f"{looker.root}/live?source={source}&status=rejected")
    expect(page.locator("#live-rows tr").first).to_contain_text("invalid")
    page.get_by_role("link", name="Show all").click()
    expect(page).to_have_url(f"{looker.root}/live")


def test_an_event_opens_beside_the_list(looker: Looker) -> None:
    source = source_of(looker.collector, "Drawer")
    send(looker.collector, source, "order", properties={"price": 13.45})
    page = looker.goto(f"/live?source={source}")
    page.get_by_role("link", name="order").click()
    drawer = page.get_by_role("dialog", name="Event")
    expect(drawer).to_contain_text('"price": 13.45')
    expect(drawer.locator("#text-curl")).to_contain_text("curl -X POST")
    looker.check_looks()
    page.keyboard.press("Escape")
    expect(drawer).to_be_hidden()
    assert page.url.endswith(f"/live?source={source}")


def test_a_bar_leads_to_its_minute(looker: Looker) -> None:
    source = source_of(looker.collector, "Minute")
    send(looker.collector, source, "then")
    page = looker.goto(f"/live?source={source}")
    bar = page.locator("#minutes a[aria-label$=': 1 event']")
    bar.focus()
    page.keyboard.press("Enter")
    expect(page.get_by_role("textbox", name="Minute")).not_to_be_empty()
    assert types_of(looker) == ["then"]
    assert page.locator("#live-rows").get_attribute("hx-sse:connect") is None


@pytest.mark.skipif(ENGINE == "firefox", reason="its driver cannot turn scripts off")
@pytest.mark.parametrize("status", ["stored", "rejected"])
def test_it_works_without_a_script(
    browser: Browser, console_collector: Collector, status: str
) -> None:
    source = source_of(console_collector, f"Plain {status}")
    events = [{"type": "a"}] if status == "stored" else [{"type": ""}]
    console_collector.post({"source": {"id": source}, "events": events})
    with Looker(browser, console_collector, java_script_enabled=False) as looker:
        page = looker.goto(f"/live?source={source}&status={status}")
        row = page.locator("#live-rows tr")
        expect(row).to_have_count(1)
        row.get_by_role("link").click()
        expect(page.get_by_text("Status")).to_be_visible()
        expect(page.get_by_role("heading", level=1)).to_be_visible()


# Playwright's browsers show all of their tabs, so a page is hidden as a browser would tell it.
HIDE = """(hidden) => {
  Object.defineProperties(document, {
    hidden: { value: hidden, configurable: true },
    visibilityState: { value: hidden ? "hidden" : "visible", configurable: true },
  });
  document.dispatchEvent(new Event("visibilitychange"));
}"""


def requests_of(page: Page, is_one: Callable[[Request], bool]) -> list[str]:
    """The addresses that a page will have asked for, of some."""
    found: list[str] = []

    def note(request: Request) -> None:
        if is_one(request):
            found.append(request.url)

    page.on("request", note)
    return found


def test_a_hidden_tab_ends_its_stream_and_loses_nothing(looker: Looker) -> None:
    source = source_of(looker.collector, "Hidden")
    page = looker.page
    begun = requests_of(page, lambda one: "/live/stream" in one.url)
    looker.goto(f"/live?source={source}")
    send(looker.collector, source, "seen")
    expect(page.locator("#live-rows tr")).to_have_count(1, timeout=20_000)
    with page.expect_event("requestfailed", lambda one: "/live/stream" in one.url):
        page.evaluate(HIDE, True)
    for number in range(3):
        send(looker.collector, source, f"hidden-{number}")
    assert len(begun) == 1
    page.evaluate(HIDE, False)
    expect(page.locator("#live-rows tr")).to_have_count(4, timeout=20_000)
    assert len(begun) == 2
    send(looker.collector, source, "after")
    expect(page.locator("#live-rows tr")).to_have_count(5, timeout=20_000)
    assert types_of(looker) == ["after", "hidden-2", "hidden-1", "hidden-0", "seen"]


def test_a_page_that_was_opened_in_a_hidden_tab_begins_when_it_is_seen(looker: Looker) -> None:
    source = source_of(looker.collector, "Opened hidden")
    page = looker.page
    page.add_init_script(f"({HIDE})(true)")
    begun = requests_of(page, lambda one: "hx-request" in one.headers)
    looker.goto(f"/live?source={source}")
    send(looker.collector, source, "while-hidden")
    assert begun == []
    page.evaluate(HIDE, False)
    expect(page.locator("#live-rows tr")).to_have_count(1, timeout=20_000)
    send(looker.collector, source, "after")
    expect(page.locator("#live-rows tr")).to_have_count(2, timeout=20_000)
    assert types_of(looker) == ["after", "while-hidden"]
