"""Looking around."""

from playwright.sync_api import Page

from collector.testing import ANY, Tracking, regex


def test_the_home_page_is_seen_once(page: Page, tracking: Tracking) -> None:
    page.goto("/")
    tracking.expect("page-view", {"kind": "home"}, times=1)


def test_a_page_view_says_which_page(page: Page, tracking: Tracking) -> None:
    page.goto("/?utm_source=letter")
    event = tracking.expect("page-view", context={"page": {"path": "/", "title": "Sunny Side"}})
    assert event.context["page"]["url"].endswith("/?utm_source=letter")


def test_interest_names_the_category(page: Page, tracking: Tracking) -> None:
    page.goto("/")
    page.click("#hats")
    tracking.expect("interest", {"category": "hats"}, times=1)
    tracking.expect_none("interest", {"category": "glasses"})


def test_each_click_is_an_interest(page: Page, tracking: Tracking) -> None:
    page.goto("/")
    for button in ("#hats", "#glasses", "#hats"):
        page.click(button)
    tracking.expect("interest", {"category": "hats"}, times=2)
    tracking.expect("interest", times=3)


def test_a_product_is_seen_with_its_price(page: Page, tracking: Tracking) -> None:
    page.goto("/product.html?sku=badoo")
    tracking.expect("product-view", {"sku": "badoo", "price": 13.45}, times=1)


def test_a_product_follows_the_home_page(page: Page, tracking: Tracking) -> None:
    page.goto("/")
    page.click("text=Straw hat")
    tracking.expect_sequence(
        ("page-view", {"kind": "home"}), ("page-view", {"kind": "product"}), "product-view"
    )


def test_looking_puts_nothing_into_the_cart(page: Page, tracking: Tracking) -> None:
    page.goto("/product.html?sku=straw-hat")
    tracking.expect_none("add-to-cart")
    tracking.expect("product-view")


def test_the_page_sends_one_request(page: Page, tracking: Tracking) -> None:
    page.goto("/product.html?sku=badoo")
    tracking.expect("product-view")
    tracking.expect_delivery(requests=1)


def test_the_events_of_a_page_are_as_recorded(page: Page, tracking: Tracking) -> None:
    page.goto("/product.html?sku=badoo")
    tracking.expect("product-view")
    tracking.snapshot("product.json")


def test_ids_and_times_are_there(page: Page, tracking: Tracking) -> None:
    page.goto("/")
    event = tracking.expect("page-view", {"kind": ANY})
    assert event.id == regex("^[0-9a-f-]{36}$")
    assert event.occurred_at == regex(r"^\d{4}-\d\d-\d\dT")


def test_routes_are_served_while_an_event_is_awaited(page: Page, tracking: Tracking) -> None:
    page.route("**/tracker.min.js", lambda route: route.continue_())
    page.goto("/", wait_until="commit")
    tracking.expect("page-view", {"kind": "home"})
