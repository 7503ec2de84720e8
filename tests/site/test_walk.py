"""Every page in a browser: nothing fails, it is accessible and small, and its layout does not
shift."""

import socket
import threading
import time

import pytest
from playwright.sync_api import Browser, Response, Route, expect

from ..accessibility import COLOUR_RULES, violations
from ..support import ROOT
from .conftest import ServedSite

BUDGET = 60 * 1024  # bytes over the wire for a page of the docs, without the search

DOCS = ["index.html", "404.html"] + [
    str(path.relative_to(ROOT / "site").with_suffix(".html"))
    for path in sorted((ROOT / "site" / "docs").rglob("*.md"))
    if path != ROOT / "site" / "docs" / "index.md"
]  # fmt: skip
PLATFORMS = ("html", "wordpress", "shopify", "google-tag-manager", "nextjs", "astro", "hugo")
DOCS += [f"docs/how-to/install-{platform}.html" for platform in PLATFORMS]
TESTS = ["pages/index.html"] + [
    f"pages/{path.name}" for path in sorted((ROOT / "site" / "pages").glob("*.html"))
]

SHIFT = """() => new Promise((done) => {
  let sum = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => sum += entry.value))
    .observe({type: "layout-shift", buffered: true});
  requestAnimationFrame(() => setTimeout(() => done(sum)));
})"""
TRANSFERRED = """() => performance.getEntriesByType("navigation")
  .concat(performance.getEntriesByType("resource"))
  .reduce((sum, {transferSize}) => sum + transferSize, 0)"""


@pytest.mark.parametrize("address", DOCS)
def test_a_page_of_the_docs(browser: Browser, served: ServedSite, address: str) -> None:
    page = browser.new_page()
    problems: list[str] = []

    def check_status(response: Response) -> None:
        if response.status >= 400:
            problems.append(f"{response.status}: {response.url}")

    page.on("console", lambda message: problems.append(message.text))
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("requestfailed", lambda request: problems.append(f"failed: {request.url}"))
    page.on("response", check_status)
    page.goto(f"{served.url}/{address}")
    assert page.evaluate(SHIFT) == 0
    assert 1000 < page.evaluate(TRANSFERRED) < BUDGET
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, *COLOUR_RULES) == []
    assert problems == []
    page.close()


PAINTED = """() => new Promise((done) => new PerformanceObserver((list) => {
  const [first] = list.getEntriesByName("first-paint");
  if (first) done(first.startTime);
}).observe({type: "paint", buffered: true}))"""


def test_a_page_that_arrives_in_drips_is_painted_once(browser: Browser, served: ServedSite) -> None:
    """The columns of a table move while its rows come in, which nobody should have to watch."""
    html = (served.built.out / "docs/explanation/identity.html").read_bytes()
    first, second = html[: (cut := html.index(b"</tr>", html.index(b"<tbody>")))], html[cut:]
    pause = 0.4  # seconds: in which a browser paints what it has

    def drip(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        connection.recv(65536)
        head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n"
        connection.sendall(head + first)
        time.sleep(pause)
        connection.sendall(second)
        connection.close()

    def rest(route: Route) -> None:
        path = route.request.url.split("/", 3)[3]
        route.fulfill(path=served.built.out / path)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=drip, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        page = browser.new_page()
        page.route("**/assets/**", rest)
        page.goto(f"{url}/docs/explanation/identity.html")
        assert page.evaluate(SHIFT) == 0
        assert page.evaluate(PAINTED) > pause * 1000
        page.close()


@pytest.mark.parametrize("address", TESTS)
def test_a_test_page_is_accessible(browser: Browser, served: ServedSite, address: str) -> None:
    """What it stores is checked by tests/browser/test_pages.py."""
    page = browser.new_page()
    page.goto(f"{served.url}/{address}")
    assert violations(page) == []
    page.emulate_media(color_scheme="dark")
    assert violations(page, *COLOUR_RULES) == []
    page.goto("about:blank")
    page.close()


def test_every_built_page_is_tested_here(served: ServedSite) -> None:
    assert sorted(served.built.pages) == sorted({*DOCS, *TESTS} - {"404.html"})


def test_a_wrong_address_shows_the_404_page(browser: Browser, served: ServedSite) -> None:
    page = browser.new_page()
    answer = page.goto(f"{served.url}/docs/nowhere/at-all.html")
    assert answer
    assert answer.status == 404
    page.get_by_role("link", name="home page").click()
    expect(page).to_have_url(f"{served.url}/index.html")
    page.close()


def test_an_alias_redirects_to_the_page(browser: Browser, served: ServedSite) -> None:
    page = browser.new_page()
    page.goto(f"{served.url}/docs/getting-started.html")
    page.wait_for_url("**/docs/tutorial/index.html")
    assert page.title().startswith("Tutorial")
    page.close()
