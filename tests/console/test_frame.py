"""Logging in, Inbound traffic and what all pages have around them, in a browser."""

import pytest
from playwright.sync_api import Browser, expect

from collector import store

from ..browser.install import ENGINE
from ..support import Collector
from .looker import Looker


def token_of(collector: Collector, **options: str) -> str:
    with collector.database() as database:
        return store.create_token(database, "anna", **options)[1]


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_token_logs_in_and_one_goes_on_where_one_wanted_to(
    browser: Browser, console_collector: Collector, script: bool
) -> None:
    if ENGINE == "firefox" and not script:
        pytest.skip("its driver cannot turn scripts off")
    context = browser.new_context(java_script_enabled=script)
    page = context.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.goto(f"{console_collector.url}/console/live?text=boots")
    expect(page).to_have_url(f"{console_collector.url}/console/login")
    assert said == []
    page.get_by_label("Token").fill("tt_wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_contain_text("no such token")
    page.get_by_label("Token").fill(token_of(console_collector))
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{console_collector.url}/console/live?text=boots")
    expect(page.get_by_label("Text")).to_have_value("boots")
    page.get_by_text("anna").click()
    page.get_by_role("button", name="Log out", exact=True).click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    context.close()


def test_somebody_without_sources_is_told_what_one_is_and_adds_it(
    browser: Browser, collector: Collector
) -> None:
    with Looker(browser, collector) as looker:
        page = looker.page
        expect(page.get_by_text("there is none yet")).to_be_visible()
        looker.check_looks()
        page.get_by_role("link", name="Add a source").click()
        looker.check_looks()
        page.get_by_label("Name").fill("Shop")
        page.get_by_label("Origins").fill("shop.example.com")
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("alert")).to_contain_text("shop.example.com")
        expect(page.get_by_label("Name")).to_have_value("Shop")
        page.get_by_label("Origins").fill("https://shop.example.com")
        page.get_by_role("button", name="Add").click()
        expect(page.get_by_role("status").first).to_contain_text("Shop is added")
        page.reload()
        expect(page.get_by_text("Shop is added")).to_have_count(0)
    (source,) = collector.rows("SELECT * FROM sources")
    assert source["name"] == "Shop"


def test_sources_are_shown_with_what_came_in(looker: Looker) -> None:
    collector = looker.collector
    with collector.database() as database:
        source = store.add_source(database, "Busy").id
        store.add_source(database, "Silent")
        off = store.add_source(database, "Off").id
        store.update_source(database, off, {"enabled": False})
    for _ in range(3):
        collector.post({"source": {"id": source}, "events": [{"type": "a"}]})
    page = looker.goto("")
    row = page.get_by_role("row").filter(has_text="Busy")
    expect(row).to_contain_text("live")
    expect(row.locator("td.count").first).to_have_text("3")
    expect(page.get_by_role("row").filter(has_text="Silent")).to_contain_text("waiting")
    expect(page.get_by_role("row").filter(has_text="Off")).to_contain_text("disabled")
    # It follows what comes in, and takes the focus from nobody.
    page.get_by_role("link", name="Busy").focus()
    collector.post({"source": {"id": source}, "events": [{"type": "a"}]})
    expect(row.locator("td.count").first).to_have_text("4", timeout=20_000)
    expect(page.get_by_role("link", name="Busy")).to_be_focused()
    looker.check_looks()


def test_a_snippet_is_copied_from_the_list(looker: Looker) -> None:
    with looker.collector.database() as database:
        source = store.add_source(database, "To copy").id
    if ENGINE == "chromium":  # others ask nobody
        looker.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page = looker.goto("")
    row = page.get_by_role("row").filter(has_text="To copy")
    row.get_by_role("button", name="Copy snippet").click()
    expect(row.get_by_role("button", name="Copied")).to_be_visible()
    if ENGINE == "chromium":
        copied = page.evaluate("navigator.clipboard.readText()")
        assert copied.startswith("<script async src=")
        assert source in copied


def test_a_first_visit_is_small(looker: Looker) -> None:
    for path in ("", "/live"):
        page = looker.context.new_page()
        page.goto(looker.root + path)
        sizes = page.evaluate(
            "performance.getEntries().filter((e) => e.encodedBodySize).map((e) => e.encodedBodySize)"
        )
        assert 20_000 < sum(sizes) < 80_000
        page.close()


def test_the_keyboard_is_enough(looker: Looker) -> None:
    page = looker.goto("")
    page.keyboard.press("Tab")
    expect(page.get_by_text("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.get_by_role("link", name="Live").focus()
    page.keyboard.press("Enter")
    expect(page).to_have_url(f"{looker.root}/live")


def test_colours_are_chosen_and_kept(looker: Looker) -> None:
    page = looker.goto("")
    page.get_by_role("button", name="Theme: auto").click()
    page.get_by_role("button", name="Theme: light").click()
    page.goto(f"{looker.root}/live")
    # By the server, before anything is painted.
    assert 'data-theme="dark"' in page.content()
    expect(page.get_by_role("button", name="Theme: dark")).to_be_visible()


def test_an_address_that_leads_nowhere_says_so(looker: Looker) -> None:
    page = looker.goto("/nothing")
    expect(page.get_by_role("heading", name="There is nothing here")).to_be_visible()
    expect(page.get_by_role("link", name="Back to Inbound traffic")).to_be_visible()
    looker.check_looks()
