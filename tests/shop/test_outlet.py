"""The outlet, a single-page application."""

from playwright.sync_api import BrowserContext, Page

from collector.testing import Tracking


def test_each_view_counts(page: Page, tracking: Tracking) -> None:
    page.goto("/app/")
    page.click("text=Hats")
    page.click("text=Glasses")
    tracking.expect("page-view", context={"page": {"path": "/app/hats"}}, times=1)
    tracking.expect("page-view", context={"page": {"path": "/app/glasses"}}, times=1)
    tracking.expect("page-view", times=3)


def test_going_back_is_a_view(page: Page, tracking: Tracking) -> None:
    page.goto("/app/")
    page.click("text=Hats")
    page.go_back()
    tracking.expect_sequence("page-view", "page-view", "page-view")


def test_what_was_tracked_early_is_stored(page: Page, tracking: Tracking) -> None:
    page.goto("/app/")
    tracking.expect("outlet-opened", {"items": 2}, times=1)


def test_a_filter_is_an_event_of_its_view(page: Page, tracking: Tracking) -> None:
    page.goto("/app/")
    page.click("text=Hats")
    page.select_option("#colour", "red")
    tracking.expect("filter", {"colour": "red"}, context={"page": {"path": "/app/hats"}})


def test_a_second_tab_is_the_same_visitor(context: BrowserContext, tracking: Tracking) -> None:
    context.new_page().goto("/app/")
    first = tracking.expect("outlet-opened")
    context.new_page().goto("/")
    second = tracking.expect("page-view", {"kind": "home"})
    tracking.expect_identity(first, second, same_profile=True, same_session=True)
