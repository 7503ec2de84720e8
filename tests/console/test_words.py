"""What pages say and offer: on a phone, of one source, and in words that need no manual."""

from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import expect

from ..support import Collector
from .every_page import Shown, fill
from .looker import NARROW, WIDE, Looker

EVENT = {
    "type": "purchase-order",
    "properties": {"price": 13.45, "item": "Sun glasses"},
    "time": {"create": (datetime.now(UTC) - timedelta(hours=3)).isoformat()},
}
TABS = ["Overview", "Live", "Rejected", "Install", "Schemas", "Settings"]
SIDEWAYS = """[...document.querySelectorAll(".scroll")]
    .map((box) => box.scrollWidth - box.clientWidth).filter((more) => more > 0)"""


@pytest.fixture(scope="module")
def shown(console_collector: Collector) -> Shown:
    return fill(console_collector, "Shop of words", EVENT, {"session": {"id": "words"}})


@pytest.mark.parametrize("address", ["", "/rejected"])
def test_a_phone_shows_lists_without_scrolling_sideways(
    looker: Looker, shown: Shown, address: str
) -> None:
    page = looker.page
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    looker.goto(address)
    assert page.evaluate(SIDEWAYS) == []
    row = page.get_by_role("row").filter(has_text="Shop of words").first
    expect(row).to_contain_text("failing" if not address else "judged")
    expect(row.get_by_text("By hour" if not address else "just now")).to_have_count(0)
    assert row.bounding_box()["height"] > 60  # type: ignore[index]
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


@pytest.mark.parametrize("address", ["/overview?source=", "/live?source=", "/rejected?source="])
def test_all_pages_of_a_source_have_the_same_tabs(
    looker: Looker, shown: Shown, address: str
) -> None:
    page = looker.goto(address + shown.source_id)
    tabs = page.get_by_role("navigation", name="Source")
    assert tabs.get_by_role("link").all_inner_texts() == TABS
    expect(tabs.locator("[aria-current]")).to_have_count(1)
    tabs.get_by_role("link", name="Settings").click()
    assert tabs.get_by_role("link").all_inner_texts() == TABS
    expect(tabs.locator("[aria-current]")).to_have_text("Settings")
    looker.goto(address.partition("?")[0])
    expect(tabs).to_have_count(0)


def test_sums_have_a_total_and_visitors_have_none(looker: Looker, shown: Shown) -> None:
    where = f"source={shown.source_id}&days=7&by=type"
    page = looker.goto(f"/explore?{where}&measure=count")
    expect(page.locator("table.answer tfoot")).to_have_text("Total1")
    looker.goto(f"/explore?{where}&measure=count&interval=day")
    expect(page.locator("table.answer tfoot")).to_have_text("Total1")
    looker.goto(f"/explore?{where}&measure=visitors")
    expect(page.get_by_text("Answered in")).to_be_visible()
    expect(page.locator("table.answer tfoot")).to_have_count(0)


def test_funnel_and_retention_say_what_they_answer(looker: Looker) -> None:
    page = looker.goto("/explore/funnel")
    expect(page.locator(".lead")).to_contain_text("how many visitors")
    looker.goto("/explore/retention")
    expect(page.locator(".lead")).to_contain_text("came back")


def test_settings_explain_their_choices(looker: Looker, shown: Shown) -> None:
    page = looker.goto(f"/sources/{shown.source_id}/settings")
    addresses = page.get_by_label("Addresses")
    expect(addresses.locator("option[value=truncate]")).to_have_text("Shortened, to 203.0.113.0")
    addresses.select_option("none")
    page.get_by_label("Webhooks, and the noscript pixel").check()
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("saved")
    (row,) = looker.collector.rows(
        "SELECT ip_policy, bridges FROM sources WHERE id = ?", shown.source_id
    )
    assert row["ip_policy"] == "none"
    assert "webhook" in row["bridges"]
    expect(page.get_by_label("Webhooks, and the noscript pixel")).to_be_checked()


def test_what_to_do_names_this_page_before_the_command(looker: Looker, shown: Shown) -> None:
    page = looker.goto(f"/rejected/group{shown.group}")
    advice = page.locator("h2:text-is('What to do') + p").inner_text()
    assert advice.index("edit the schema") < advice.index("thamesthrive rejected replay")


def test_a_session_began_when_its_first_event_occurred(looker: Looker, shown: Shown) -> None:
    page = looker.goto(f"/profiles?profile={shown.profile}")
    began = str(EVENT["time"]["create"])[:16].replace("T", " ")  # type: ignore[index]
    expect(page.locator("#sessions + .scroll tbody th").first).to_contain_text(began)
