"""The console by keyboard alone: every page, and what opens and closes."""

import pytest
from playwright.sync_api import Browser, Page, expect

from ..support import Collector
from .every_page import Shown, fill
from .keyboard import walk
from .looker import NARROW, WIDE, Looker

OPEN = "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
EVENT = {"type": "purchase-order", "properties": {"price": 13.45}}


@pytest.fixture(scope="module")
def shown(console_collector: Collector) -> Shown:
    return fill(console_collector, "By keyboard", EVENT, {"session": {"id": "by-keyboard"}})


@pytest.fixture
def calm(browser: Browser, console_collector: Collector) -> Looker:
    """Somebody whom moving pages would bother: they scroll at once."""
    return Looker(browser, console_collector, reduced_motion="reduce")


def reach(page: Page, selector: str, key: str = "Tab") -> None:
    """Presses a key until an element has the focus."""
    wanted = page.locator(selector).first
    for _ in range(120):
        if wanted.evaluate("node => node === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{key} does not reach {selector}")


@pytest.mark.parametrize("size", [WIDE, NARROW], ids=["wide", "narrow"])
def test_tab_reaches_everything_on_every_page(
    browser: Browser, console_collector: Collector, shown: Shown, size: dict[str, int]
) -> None:
    is_wide = size is WIDE
    with Looker(browser, console_collector, reduced_motion="reduce", viewport=size) as looker:
        faults: list[str] = []
        for address in shown.addresses():
            page = looker.goto(address)
            if not is_wide:
                page.evaluate(OPEN)
            faults += [f"{address}: {fault}" for fault in walk(page, back=is_wide)]
        assert not faults, "\n".join(faults)


def test_the_way_in_works_by_keyboard(browser: Browser, console_collector: Collector) -> None:
    page = browser.new_page(reduced_motion="reduce")
    page.goto(f"{console_collector.url}/console/login")
    expect(page.get_by_label("Token")).to_be_focused()
    assert walk(page) == []
    page.close()


def test_the_bar_of_minutes_is_one_stop_with_arrow_keys(calm: Looker, shown: Shown) -> None:
    with calm as looker:
        page = looker.goto(f"/live?source={shown.source_id}")
        bars = page.locator("#minutes a")
        assert bars.count() == 30
        reach(page, "#minutes a >> nth=-1")
        page.keyboard.press("ArrowLeft")
        expect(bars.nth(28)).to_be_focused()
        page.keyboard.press("Home")
        expect(bars.nth(0)).to_be_focused()
        page.keyboard.press("ArrowLeft")
        expect(bars.nth(0)).to_be_focused()
        page.keyboard.press("ArrowRight")
        expect(bars.nth(1)).to_be_focused()
        page.keyboard.press("Tab")
        assert page.locator("#minutes a:focus").count() == 0
        page.keyboard.press("Shift+Tab")
        expect(bars.nth(1)).to_be_focused()
        with page.expect_response(lambda answer: answer.url.endswith(f"source={shown.source_id}")):
            pass  # it is counted again every ten seconds
        expect(bars.nth(1)).to_be_focused()
        page.keyboard.press("Enter")
        expect(page.get_by_role("textbox", name="Minute")).not_to_be_empty()


def test_a_bar_comes_into_sight_as_a_whole_when_tab_reaches_it(calm: Looker) -> None:
    with calm as looker:
        page = looker.goto("/live")  # with no event in the last minutes, its bars are low
        top = page.locator("#minutes svg").evaluate("node => node.getBoundingClientRect().top")
        page.set_viewport_size({"width": WIDE["width"], "height": round(top) + 20})
        reach(page, "#minutes a >> nth=-1")
        expect(page.locator("#minutes svg")).to_be_in_viewport(ratio=0.95)  # pixels are whole


def test_an_event_opens_and_closes_and_the_focus_comes_back(calm: Looker, shown: Shown) -> None:
    with calm as looker:
        page = looker.goto(f"/live?source={shown.source_id}")
        row = "#live-rows a"
        drawer = page.get_by_role("dialog", name="Event")
        for close in ("Escape", "Enter"):  # the latter on its button
            reach(page, row)
            page.keyboard.press("Enter")
            expect(drawer.get_by_role("button", name="Close")).to_be_focused()
            page.keyboard.press("Tab")
            expect(drawer.locator(":focus")).to_have_count(1)
            page.keyboard.press("Shift+Tab")
            expect(drawer.get_by_role("button", name="Close")).to_be_focused()
            page.keyboard.press(close)
            expect(drawer).to_be_hidden()
            expect(page.locator(row).first).to_be_focused()


def test_tab_reaches_nothing_behind_an_open_event(calm: Looker, shown: Shown) -> None:
    with calm as looker:
        page = looker.goto(f"/live?source={shown.source_id}")
        drawer = page.get_by_role("dialog", name="Event")
        reach(page, "#live-rows a")
        page.keyboard.press("Enter")
        expect(drawer.get_by_role("button", name="Close")).to_be_focused()
        stops = drawer.locator("a, button, [tabindex]").count()
        # After the last stop, the browser's own buttons have the focus, and the page's body is active.
        where = "node => [document.body, node].find((one) => one === document.activeElement) ??"
        where += " (node.contains(document.activeElement) ? node : document.activeElement)"
        reached = []
        for _ in range(stops + 2):
            page.keyboard.press("Tab")
            reached.append(drawer.evaluate(f"node => (({where})(node)).tagName"))
        assert set(reached) <= {"DIALOG", "BODY"}
        assert reached.count("DIALOG") >= stops - 1


def test_the_menu_opens_by_a_key_and_closes_by_escape(calm: Looker, shown: Shown) -> None:
    with calm as looker:
        page = looker.goto("/system")
        menu, summary = page.locator("details.menu"), page.locator("details.menu > summary")
        reach(page, "details.menu > summary")
        page.keyboard.press("Space")
        expect(menu).to_have_attribute("open", "")
        page.keyboard.press("Tab")
        expect(page.get_by_role("button", name="Log out", exact=True)).to_be_focused()
        page.keyboard.press("Escape")
        expect(menu).not_to_have_attribute("open", "")
        expect(summary).to_be_focused()
        page.keyboard.press("Enter")
        reach(page, "main a")  # what it covers is seen again
        expect(menu).not_to_have_attribute("open", "")


def test_tables_open_and_tabs_lead_on_by_keys(calm: Looker, shown: Shown) -> None:
    with calm as looker:
        page = looker.goto(f"/overview?source={shown.source_id}")
        table = page.get_by_role("region", name="Numbers by time")
        summary = "summary:text-is('Table')"
        reach(page, summary)
        page.keyboard.press("Enter")
        expect(table).to_be_visible()
        page.keyboard.press("Space")
        expect(table).to_be_hidden()
        looker.goto(f"/sources/{shown.source_id}/install")
        reach(page, "a:text-is('Settings')")
        page.keyboard.press("Enter")
        page.wait_for_url("**/settings")
