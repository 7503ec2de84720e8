"""The cart."""

import pytest
from playwright.sync_api import Page

from collector.testing import Tracking


def add(page: Page, sku: str, quantity: int = 1) -> None:
    page.goto(f"/product.html?sku={sku}")
    page.select_option("#quantity", str(quantity))
    page.click("#add")


def test_adding_is_one_event(page: Page, tracking: Tracking) -> None:
    add(page, "badoo")
    tracking.expect("add-to-cart", {"sku": "badoo", "quantity": 1, "price": 13.45}, times=1)


@pytest.mark.parametrize("quantity", [2, 7])
def test_the_quantity_is_a_number(page: Page, tracking: Tracking, quantity: int) -> None:
    add(page, "badoo", quantity)
    tracking.expect("add-to-cart", {"quantity": quantity})


def test_adding_twice_is_two_events(page: Page, tracking: Tracking) -> None:
    add(page, "badoo")
    tracking.expect("add-to-cart", times=1)
    page.click("#add")
    tracking.expect("add-to-cart", times=2)


def test_two_products_are_told_apart(page: Page, tracking: Tracking) -> None:
    add(page, "badoo")
    add(page, "straw-hat")
    tracking.expect("add-to-cart", {"sku": "badoo"}, times=1)
    tracking.expect("add-to-cart", {"sku": "straw-hat"}, times=1)


def test_leaving_at_once_loses_nothing(page: Page, tracking: Tracking) -> None:
    add(page, "straw-hat", 3)
    page.click("#cart")
    tracking.expect_sequence("add-to-cart", ("page-view", {"kind": "cart"}))


def test_removing_is_an_event(page: Page, tracking: Tracking) -> None:
    with tracking.step("fill the cart"):
        add(page, "badoo", 2)
        page.click("#cart")
    with tracking.step("empty it"):
        page.click("text=Remove 2 × Sun glasses Badoo")
    tracking.expect("remove-from-cart", {"sku": "badoo", "quantity": 2}, times=1)


def test_what_is_removed_is_not_bought(page: Page, tracking: Tracking) -> None:
    add(page, "badoo")
    page.click("#cart")
    page.click("text=Remove 1 × Sun glasses Badoo")
    tracking.expect("remove-from-cart")
    tracking.expect_none("purchase-order")
