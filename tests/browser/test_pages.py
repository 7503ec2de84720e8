"""Every test page of the site: opened from another origin, it stores what it declares, and nothing else."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.builder.documents import Page, load_pages
from cli.builder.site import build_site

from ..support import ROOT, Collector, wait_for, web_server
from .visitor import DIST, Visitor, settled

PAGES = load_pages(ROOT / "site" / "pages")


@pytest.fixture
def built(page_collector: Collector, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Origin of the built site, and the source in its snippets."""
    source = page_collector.add_source()
    build_site(tmp_path / "site", source=source, api=page_collector.url, bundle=DIST)
    with web_server(tmp_path / "site") as origin:
        yield origin, source


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.document.slug)
def test_page_stores_what_it_declares(page: Page, built: tuple[str, str], page_collector: Collector, visitor: Visitor) -> None:
    origin, source = built
    before = page_collector.counts()
    opened = visitor.open(f"{origin}/pages/{page.document.slug}.html")
    if page.console:
        wait_for(lambda: visitor.said(page.console or ""), f"the console to say {page.console!r}")
    settled(page_collector, source, len(page.events))
    opened.goto("about:blank")
    rows = settled(page_collector, source, len(page.events))
    assert [(row["type"], json.loads(row["properties"])) for row in rows] == [(e.type, e.properties) for e in page.events]
    assert visitor.errors == []
    if page.events:
        assert len({row["request_id"] for row in rows}) == page.requests
        assert visitor.said("ThamesThrive") == []
    else:
        assert page_collector.counts() == before
        assert len(visitor.said("[ThamesThrive]")) == 1


def test_a_page_served_by_the_collector_shows_the_stored_rows(tmp_path: Path, visitor: Visitor) -> None:
    collector = Collector(tmp_path, options=("--qa", "--site", str(tmp_path / "site")))
    source = collector.add_source()
    collector.port = 0
    (tmp_path / "site").mkdir()
    collector.start()
    build_site(tmp_path / "site", source=source, api=collector.url, bundle=DIST)
    collector.stop()
    collector.start()
    page = visitor.open(f"{collector.url}/pages/basic.html")
    page.wait_for_selector("#verdict.good")
    assert page.inner_text("#verdict") == "As expected: 3 events stored."
    assert page.locator("#rows tbody tr").all_inner_texts()[0].startswith("purchase-order")
    for _ in range(3):  # what an earlier visit stored is not taken for this one's
        page.reload()
        page.wait_for_selector("#verdict.good")
        assert page.locator("#rows tbody tr").count() == 3
    page.goto(f"{collector.url}/pages/invalid-source.html")
    page.wait_for_selector("#verdict.good")
    assert page.inner_text("#verdict") == "As expected: nothing was stored."
    page.goto("about:blank")
    collector.end()
