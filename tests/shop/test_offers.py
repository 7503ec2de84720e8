"""Offers, behind a banner that asks for consent."""

from playwright.sync_api import Browser, Page

from collector.testing import Tracking

from .server import Shop


def test_nothing_is_stored_before_the_answer(page: Page, tracking: Tracking) -> None:
    page.goto("/offers.html")
    page.click("#offer")
    tracking.expect_none("page-view")
    tracking.expect_none("offer")


def test_what_waited_is_stored_after_the_yes(page: Page, tracking: Tracking) -> None:
    page.goto("/offers.html")
    page.click("#offer")
    page.click("#accept")
    tracking.expect("page-view", {"kind": "offers"}, times=1)
    tracking.expect("offer", {"discount": 10}, times=1)


def test_a_no_is_a_no(page: Page, tracking: Tracking) -> None:
    page.goto("/offers.html")
    page.click("#decline")
    page.click("#offer")
    tracking.expect_none("offer")
    assert tracking.events == []


def test_global_privacy_control_is_respected(
    browser: Browser, tracking: Tracking, shop: Shop
) -> None:
    context = browser.new_context(base_url=shop.url)
    tracking.attach(context)
    context.add_init_script(
        "Object.defineProperty(navigator, 'globalPrivacyControl', {value: true})"
    )
    page = context.new_page()
    page.goto("/offers.html")
    page.click("#accept")
    tracking.expect_none("offer")
    context.close()
    assert tracking.events == []
