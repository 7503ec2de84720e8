"""What readers do with a page: search, enter their own values, copy, choose colours, use the
keyboard, open it from a file."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from ..accessibility import violations
from .conftest import ServedSite


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    context = browser.new_context()
    yield context
    context.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


OWN = "11111111-2222-4333-8444-555555555555"
SEARCHES = {
    "an option": ("settings.consent", "docs/reference/options.html"),
    "a reason code": ("unknown_source", "docs/reference/reasons.html#unknown-source"),
    "a command": ("source add", "docs/reference/cli.html#thamesthrive-source-add"),
    "a setting": ("--queue-mb", "docs/reference/settings.html"),
    "words": ("behind nginx", "docs/how-to/proxy.html"),
    "a typing error": ("persnalise", "docs/how-to/personalization.html"),
}


@pytest.mark.parametrize("what", SEARCHES)
def test_the_search_finds(page: Page, served: ServedSite, what: str) -> None:
    words, address = SEARCHES[what]
    page.goto(f"{served.url}/docs/tutorial/index.html")
    page.keyboard.press("/")
    page.keyboard.type(words)
    expect(page.locator(f'#search-results a[href$="{address}"]').first).to_be_visible()


def test_a_long_section_shows_where_the_reader_is(page: Page, served: ServedSite) -> None:
    page.set_viewport_size({"width": 1300, "height": 700})
    page.goto(f"{served.url}/docs/how-to/own-names.html")
    current = page.get_by_role("navigation", name="Section").get_by_text("Names of your own")
    expect(current).to_be_in_viewport()
    assert page.evaluate("scrollY") == 0


def test_the_search_by_keyboard(page: Page, served: ServedSite) -> None:
    page.goto(f"{served.url}/index.html")
    page.keyboard.press("Control+k")
    field = page.get_by_role("searchbox", name="Search the documentation")
    expect(field).to_be_focused()
    page.keyboard.type("metrics")
    results = page.get_by_role("list", name="Results").get_by_role("link")
    expect(results.first).to_be_visible()
    assert violations(page) == []
    page.keyboard.press("ArrowDown")
    expect(results.first).to_be_focused()
    page.keyboard.press("ArrowDown")
    expect(results.nth(1)).to_be_focused()
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.wait_for_url("**/docs/reference/metrics.html*")


def test_a_search_without_results_suggests_fewer_words(page: Page, served: ServedSite) -> None:
    page.goto(f"{served.url}/index.html")
    page.get_by_role("button", name="Search").click()
    page.keyboard.type("xyzzyplugh")
    expect(
        page.get_by_role("status").filter(has_text="Nothing has “xyzzyplugh”. Try fewer")
    ).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("searchbox")).to_be_hidden()


def test_the_search_works_from_a_file(page: Page, served: ServedSite) -> None:
    page.goto((served.built.out / "docs" / "tutorial" / "index.html").as_uri())
    page.get_by_role("button", name="Search").click()
    page.keyboard.type("retry-after")
    page.get_by_role("list", name="Results").get_by_role("link").first.click()
    expect(page.get_by_role("heading", level=1)).not_to_have_text("Tutorial")
    assert page.url.startswith("file://")


def test_a_readers_own_values_fill_every_snippet_and_stay_in_the_browser(
    page: Page, context: BrowserContext, served: ServedSite
) -> None:
    requests: list[str] = []
    page.goto(f"{served.url}/docs/how-to/install-html.html")
    context.on("request", lambda request: requests.append(f"{request.method} {request.url}"))
    page.get_by_role("button", name="Your values").click()
    page.get_by_label("Source id").fill(OWN)
    page.get_by_label("Collector address").fill("https://events.mine.example/")
    page.get_by_role("button", name="Use these").click()
    assert [request for request in requests if not request.endswith("icon.svg")] == []
    code = page.locator("main pre code")
    expect(code.filter(has_text="onThamesThriveReady")).to_contain_text(
        'api: "https://events.mine.example"'
    )
    expect(code.filter(has_text="onThamesThriveReady")).to_contain_text(
        f'source: {{ id: "{OWN}" }}'
    )
    page.goto(f"{served.url}/docs/how-to/server-side.html")
    expect(page.locator("main pre code").first).to_contain_text("https://events.mine.example/track")
    assert served.source_id not in page.locator("main").inner_text()
    expect(page.get_by_text(f"thamesthrive source set {OWN} --bridge rest")).to_be_visible()
    page.get_by_role("button", name="Your values").click()
    page.get_by_role("button", name="Back to the example").click()
    expect(page.get_by_text("thamesthrive source set ID --bridge rest")).to_be_visible()
    expect(page.locator("main pre code").first).to_contain_text(f"{served.url}/track")


def test_invalid_values_are_rejected_with_a_message(page: Page, served: ServedSite) -> None:
    page.goto(f"{served.url}/docs/how-to/install-html.html")
    page.get_by_role("button", name="Your values").click()
    page.get_by_label("Source id").fill('"><script>')
    page.get_by_label("Collector address").fill("events.mine.example")
    page.get_by_role("button", name="Use these").click()
    expect(page.get_by_text("A source id looks like the example's")).to_be_visible()
    expect(page.get_by_text("An address begins with https://")).to_be_visible()
    expect(page.get_by_label("Source id")).to_be_focused()
    assert violations(page) == []
    page.get_by_role("button", name="Cancel").click()
    assert "<script>" not in page.locator("main p").first.inner_text()


def test_an_example_is_copied_with_the_readers_values(
    page: Page, context: BrowserContext, served: ServedSite
) -> None:
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"{served.url}/docs/how-to/install-html.html")
    page.evaluate(
        "localStorage['docs-values'] = JSON.stringify({source: 'mine', api: 'https://e.example'})"
    )
    page.reload()
    example = page.locator(".example").filter(has_text="onThamesThriveReady")
    example.hover()
    example.get_by_role("button", name="Copy").click()
    expect(example.get_by_role("button", name="Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("<script>")
    assert 'source: { id: "mine" }' in copied


def test_colours_are_chosen_and_remembered(page: Page, served: ServedSite) -> None:
    page.emulate_media(color_scheme="light")
    page.goto(f"{served.url}/index.html")
    ground = "getComputedStyle(document.body).backgroundColor"
    light = page.evaluate(ground)
    page.get_by_role("button", name="Auto").click()
    page.get_by_role("button", name="Light").click()
    assert page.evaluate(ground) != light
    page.goto(f"{served.url}/docs/tutorial/index.html")
    assert page.evaluate(ground) != light
    expect(page.get_by_role("button", name="Dark")).to_be_visible()


def test_tabs_work_by_keyboard_and_without_scripts(browser: Browser, served: ServedSite) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{served.url}/docs/how-to/server-side.html")
    expect(page.get_by_text("curl --fail-with-body").first).to_be_visible()
    page.get_by_role("radio", name="curl").focus()
    page.keyboard.press("ArrowRight")
    expect(page.get_by_text("import urllib.request").first).to_be_visible()
    expect(page.get_by_text("curl --fail-with-body").first).to_be_hidden()
    context.close()


def test_the_first_tab_stop_skips_the_navigation(page: Page, served: ServedSite) -> None:
    page.goto(f"{served.url}/docs/tutorial/index.html")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile("#main$"))


def test_print_has_the_text_alone(page: Page, served: ServedSite) -> None:
    page.goto(f"{served.url}/docs/how-to/server-side.html")
    page.emulate_media(media="print")
    expect(page.get_by_role("navigation", name="Site")).to_be_hidden()
    expect(page.get_by_text("import urllib.request").first).to_be_visible()  # all tabs
    expect(page.get_by_role("button", name="Copy").first).to_be_hidden()


def test_a_narrow_page_does_not_scroll_sideways(page: Page, served: ServedSite) -> None:
    page.set_viewport_size({"width": 360, "height": 740})
    for address in (
        "index.html",
        "docs/tutorial/index.html",
        "docs/reference/options.html",
        "docs/reference/cli.html",
        "pages/index.html",
    ):
        page.goto(f"{served.url}/{address}")
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
