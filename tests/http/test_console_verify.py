"""The console's "Verify URL": says what is wrong with a page, and reaches nothing that it should not."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from collector.console.verify import PER_MINUTE, Verifications
from collector.errors import Overloaded, SettingsError
from collector.install import render_snippet
from collector.settings import load_settings

from ..support import ROOT, Collector, QuietServer, running, wait_for
from .test_console_changes import csrf_of, logged_in

HOSTILE = "<script>alert(1)</script>\u202egnp.exe"
EMPTY = "<!doctype html><html><head></head><body></body></html>"


@dataclass
class Shop:
    """A collector with one source, and a site of one page that its console may fetch. `html` may be
    changed; `asked`: the addresses that were fetched; `over`: set, once the page may be answered."""

    html: str = EMPTY
    asked: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    url: str = ""
    collector: Any = None
    source: str = ""

    @contextmanager
    def serve(self) -> Iterator[str]:
        """Serves the page on a free port; gives its address."""
        shop = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

            def do_GET(self) -> None:
                shop.asked.append(self.path)
                shop.over.wait(20)
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(shop.html.encode())

        with running(QuietServer(("127.0.0.1", 0), Handler)) as port:
            yield f"http://127.0.0.1:{port}/shop"


@pytest.fixture(scope="module")
def running_shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shop = Shop()
    with shop.serve() as url:
        options = ("--verify-hosts", urlsplit(url).netloc)
        shop.collector = Collector(tmp_path_factory.mktemp("verify"), options=options).start()
        shop.url, shop.source = url, shop.collector.add_source()
        yield shop
        shop.collector.end()


@pytest.fixture
def shop(running_shop: Shop) -> Shop:
    running_shop.html = EMPTY
    running_shop.asked.clear()
    running_shop.over.set()
    return running_shop


def verify(browser: httpx.Client, source: str, url: str) -> httpx.Response:
    """What the form answers, followed."""
    form = {"csrf": csrf_of(browser), "url": url}
    return browser.post(f"/sources/{source}/install/verify", data=form, follow_redirects=True)


def verified(browser: httpx.Client, source: str, url: str) -> str:
    """The page once it has its answer."""
    answer = verify(browser, source, url)
    assert answer.status_code == 200, answer.text
    page = str(answer.url)

    def is_done() -> str:
        text = browser.get(page).text
        return "" if 'aria-busy="true"' in text else text

    return wait_for(is_done, "the verification")


def test_a_page_without_a_snippet_is_told_so_until_it_has_one(shop: Shop) -> None:
    with logged_in(shop.collector) as browser:
        text = verified(browser, shop.source, shop.url)
        assert 'data-code="V010"' in text
        assert "data-source=" in text  # to paste
        api, bundle = shop.collector.url, ROOT / "js" / "dist"
        snippet = render_snippet(shop.source, api, bundle, one_line=True).html
        shop.html = EMPTY.replace("</head>", f"{snippet}</head>")
        text = verified(browser, shop.source, shop.url)
        assert "data-code=" not in text
        # It may not ask the collector itself, which listens on a private address.
        assert "could not be checked" in text


def test_nothing_private_is_fetched_that_the_setting_does_not_name(shop: Shop) -> None:
    other = Shop(html="secret")
    other.over.set()
    with other.serve() as url, logged_in(shop.collector) as browser:
        port = urlsplit(url).port
        for address in (url, f"http://localhost:{port}/", f"http://[::ffff:127.0.0.1]:{port}/"):
            text = verified(browser, shop.source, address)
            assert "could not be checked" in text
            assert "secret" not in text
        text = verified(browser, shop.source, "http://192.168.7.7/")
        assert text.count("192.168.7.7 is no address of the public internet") == 1
        assert "--verify-hosts" in text
    assert other.asked == []


def test_a_name_that_nobody_has_is_said_without_numbers(shop: Shop) -> None:
    with logged_in(shop.collector) as browser:
        text = verified(browser, shop.source, "http://nobody.invalid/")
    assert "The page could not be checked: http://nobody.invalid/ cannot be fetched" in text
    assert "Errno" not in text


@pytest.mark.parametrize(
    "url",
    [
        "",
        "javascript:alert(1)",
        "file:///etc/passwd",
        "http://",
        "http://a:b/",
        "http://a\tb\n",
        "no address",
    ],
)
def test_what_is_no_address_is_refused(shop: Shop, url: str) -> None:
    with logged_in(shop.collector) as browser:
        answer = verify(browser, shop.source, url)
    assert answer.status_code == 422
    assert "Type the address of a page" in answer.text
    assert '<input name="url"' in answer.text  # to be corrected


def test_texts_of_a_page_do_nothing_in_the_console(shop: Shop) -> None:
    shop.html = f"<html><head>{HOSTILE}<title>{HOSTILE}</title></head><body>{HOSTILE}</body></html>"
    with logged_in(shop.collector) as browser:
        address = f"{shop.url}?<script>alert(1)</script>&%22onload=x"
        text = verified(browser, shop.source, address)
    assert 'data-code="V010"' in text
    assert "<script>alert" not in text
    assert '"onload' not in text
    assert "\u202e" not in text


def test_who_may_only_read_has_nothing_fetched(shop: Shop) -> None:
    with logged_in(shop.collector, role="read") as browser:
        page = browser.get(f"/sources/{shop.source}/install/verify")
        assert "administrators only" in page.text
        assert verify(browser, shop.source, shop.url).status_code == 403
    assert shop.asked == []


def test_looking_at_an_address_alone_fetches_nothing(shop: Shop) -> None:
    """A link that somebody sends to an administrator."""
    with logged_in(shop.collector) as browser:
        address = f"/sources/{shop.source}/install/verify"
        page = browser.get(address, params={"url": f"{shop.url}?other"})
    assert page.status_code == 200
    assert f"{shop.url}?other" in page.text
    assert shop.asked == []


def test_other_pages_are_answered_while_a_page_is_slow(shop: Shop) -> None:
    shop.over.clear()
    with logged_in(shop.collector) as browser:
        page = verify(browser, shop.source, f"{shop.url}?slow")
        assert 'aria-busy="true"' in page.text
        assert "Look again" in page.text
        assert browser.get("/live").status_code == 200
    shop.over.set()


def test_verifications_are_limited_in_number(tmp_path: Path) -> None:
    verifications = Verifications(tmp_path / "events.db")
    for _ in range(PER_MINUTE):
        verifications.note()
    with pytest.raises(Overloaded, match="in the last minute"):
        verifications.note()


def test_hosts_of_the_setting_have_ports() -> None:
    with pytest.raises(SettingsError, match=r"'shop\.internal' has no port"):
        load_settings({"verify_hosts": "shop.internal"}, {})
    found = load_settings({"verify_hosts": "Shop.internal:443, 127.0.0.1:8000"}, {})
    assert found.verifiable_hosts == {"shop.internal:443", "127.0.0.1:8000"}
