"""Install → Verify URL, in a browser."""

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, expect

from ..browser.environment import Site
from ..support import Collector
from .looker import Looker

LONG = "x" * 300


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as site:
        yield site


@pytest.fixture
def collector(tmp_path: Path, site: Site) -> Iterator[Collector]:
    options = ("--verify-hosts", urlsplit(site.origin).netloc)
    collector = Collector(tmp_path, options=options).start()
    yield collector
    collector.end()


@pytest.mark.parametrize("with_script", [True, False], ids=["script", "no-script"])
def test_an_address_is_verified_from_the_page_install(
    browser: Browser, collector: Collector, site: Site, with_script: bool
) -> None:
    source = collector.add_source()
    url = site.add("p.html", head=f"<!-- <script src=/{LONG}> -->")
    with Looker(browser, collector, java_script_enabled=with_script) as looker:
        page = looker.goto(f"/sources/{source}/install")
        page.get_by_label("Address of the page").fill(url)
        page.get_by_role("button", name="Verify URL").click()
        finding = page.locator("[data-code=V010]")
        expect(finding).to_contain_text("The page has no snippet", timeout=20_000)
        expect(finding).to_contain_text("data-source=")
        expect(page.locator("#verification")).not_to_have_attribute("aria-busy", "true")
        if with_script:
            looker.check_looks()
