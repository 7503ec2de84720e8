"""From the checkout to the order. The page is left with it, so no network assertion sees it."""

from playwright.sync_api import Page

from collector.testing import ABSENT, CARD_NUMBER, EMAIL, Tracking, approx, one_of, regex

from .test_cart import add


def buy(page: Page, sku: str = "badoo", quantity: int = 1) -> None:
    add(page, sku, quantity)
    page.goto("/checkout.html")
    page.click("#buy")
    page.wait_for_url("**/thanks.html")


def test_buying_stores_one_order(page: Page, tracking: Tracking) -> None:
    buy(page)
    tracking.expect("purchase-order", {"price": 13.45}, times=1)
    tracking.expect_none("refund")


def test_an_order_has_its_items(page: Page, tracking: Tracking) -> None:
    buy(page, "straw-hat", 2)
    order = tracking.expect(
        "purchase-order",
        {"order": regex("^A-"), "items": [{"sku": "straw-hat", "quantity": 2}]},
    )
    assert order.properties["price"] == 40


def test_the_total_is_exact_to_the_cent(page: Page, tracking: Tracking) -> None:
    buy(page, "badoo", 3)
    tracking.expect("purchase-order", {"price": approx(40.35, abs=0.001)})


def test_the_currency_is_known(page: Page, tracking: Tracking) -> None:
    buy(page)
    tracking.expect("purchase-order", {"currency": one_of("EUR", "GBP"), "coupon": ABSENT})


def test_the_checkout_starts_before_the_order(page: Page, tracking: Tracking) -> None:
    buy(page)
    tracking.expect_sequence(
        "add-to-cart",
        ("checkout-started", {"total": 13.45, "items": 1}),
        "purchase-order",
        ("page-view", {"kind": "thanks"}),
    )


def test_an_abandoned_checkout_is_no_order(page: Page, tracking: Tracking) -> None:
    add(page, "badoo")
    page.goto("/checkout.html")
    tracking.expect("checkout-started", times=1)
    tracking.expect_none("purchase-order")


def test_a_voucher_is_checked(page: Page, tracking: Tracking) -> None:
    page.goto("/checkout.html")
    page.fill("#voucher", "SUN10")
    page.click("#apply")
    tracking.expect("voucher", {"valid": True})
    page.fill("#voucher", "SUN99")
    page.click("#apply")
    tracking.expect("voucher", {"valid": False})


def test_the_visitor_stays_unknown(page: Page, tracking: Tracking) -> None:
    buy(page)
    tracking.expect("purchase-order")
    tracking.expect_privacy(no=["jane@example.com", EMAIL, CARD_NUMBER, "SUN10"])


def test_one_visit_is_one_session(page: Page, tracking: Tracking) -> None:
    buy(page)
    tracking.expect("page-view", {"kind": "thanks"})
    tracking.expect_identity(same_profile=True, same_session=True)


def test_the_order_arrives_soon(page: Page, tracking: Tracking) -> None:
    buy(page)
    tracking.expect("purchase-order", times=1)
    tracking.expect_delivery("purchase-order", within=5)


def test_the_whole_visit_is_as_recorded(page: Page, tracking: Tracking) -> None:
    buy(page)
    tracking.expect("page-view", {"kind": "thanks"})
    tracking.snapshot("order.json", ignore=["properties.order"])


def test_a_rating_is_stored(page: Page, tracking: Tracking) -> None:
    page.goto("/thanks.html")
    page.click("text=Great")
    tracking.expect("rating", {"stars": 5}, times=1)
    tracking.expect_delivery("rating", requests=1)


def test_an_impossible_rating_is_rejected(page: Page, tracking: Tracking) -> None:
    page.goto("/thanks.html")
    page.click("text=Beyond words")
    row = tracking.expect_rejected("invalid", "/properties/stars", type="rating")
    assert "maximum" in row["detail"] or "5" in row["detail"]
    tracking.expect_none("rating")
