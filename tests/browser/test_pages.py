"""Every test page of the site: opened from another origin, it stores what it declares, and nothing
else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.builder.site import build_site
from cli.builder.testpages import TestPage, load_test_pages
from collector.store import update_source

from ..support import ROOT, Collector, wait_for, web_server
from .visitor import DIST, Visitor, settled

PAGES = load_test_pages(ROOT / "site" / "pages")


@pytest.fixture
def built(page_collector: Collector, tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Origin of the built site, and the source in its snippets."""
    source = page_collector.add_source()
    build_site(tmp_path / "site", source_id=source, api=page_collector.url, bundle=DIST)
    with web_server(tmp_path / "site") as origin:
        yield origin, source


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.slug)
def test_page_stores_what_it_declares(
    page: TestPage, built: tuple[str, str], page_collector: Collector, visitor: Visitor
) -> None:
    origin, source = built
    before = page_collector.counts()
    opened = visitor.open(f"{origin}/pages/{page.slug}.html")
    if page.console:
        wait_for(lambda: visitor.said(page.console or ""), f"the console to say {page.console!r}")
    settled(page_collector, source, len(page.events))
    opened.goto("about:blank")
    rows = settled(page_collector, source, len(page.events))
    assert [(row["type"], json.loads(row["properties"])) for row in rows] == [
        (e.type, e.properties) for e in page.events
    ]
    assert visitor.errors == list(page.errors)
    if not page.events:
        assert page_collector.counts() == before
    if not page.console:
        assert visitor.said("ThamesThrive") == []
    assert len({row["request_id"] for row in rows}) == (page.requests if page.events else 0)
    for row, event in zip(rows, page.events, strict=True):
        context = json.loads(row["context"])
        assert contains(context, event.context)
        assert not set(page.context_lacks) & set(context)
    for row in page_collector.rows("SELECT context FROM sessions WHERE source_id = ?", source):
        context = json.loads(row["context"])
        assert set(page.session_has) <= set(context)
        assert not set(page.session_lacks) & set(context)


def contains(whole: Any, part: Any) -> bool:
    """Whether JSON has what another has, among other things."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    return bool(whole == part)


def test_a_page_served_by_the_collector_shows_the_stored_rows(
    tmp_path: Path, visitor: Visitor
) -> None:
    collector = Collector(tmp_path, options=("--qa", "--site", str(tmp_path / "site")))
    source = collector.add_source()
    collector.port = 0
    (tmp_path / "site").mkdir()
    collector.start()
    build_site(tmp_path / "site", source_id=source, api=collector.url, bundle=DIST)
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
    page.add_init_script(
        "new MutationObserver(() => { window.wasBad ||= !!document.querySelector('#verdict.bad') })"
        ".observe(document, {subtree: true, childList: true, attributes: true})"
    )
    page.goto(f"{collector.url}/pages/invalid-source.html")
    page.wait_for_selector("#verdict.good")
    assert page.inner_text("#verdict") == "As expected: nothing was stored."
    assert page.evaluate("window.wasBad") is False
    page.goto("about:blank")
    collector.end()


def test_a_page_that_is_not_as_expected_says_why(tmp_path: Path, visitor: Visitor) -> None:
    """Red, with what is missing and what the collector said; and the list of test pages remembers
    it."""
    (tmp_path / "site").mkdir()
    collector = Collector(tmp_path, options=("--site", str(tmp_path / "site"), "--qa")).start()
    source = collector.add_source()
    with collector.database() as database:
        update_source(database, source, {"enabled": False})
    build_site(tmp_path / "site", source_id=source, api=collector.url, bundle=DIST)
    page = visitor.open(f"{collector.url}/pages/basic.html")
    page.wait_for_selector("#verdict.bad")
    said = page.inner_text("#verdict")
    assert "Row 1: purchase-order is missing." in said
    assert "interest was not stored: disabled_source (Access denied. Source disabled)." in said
    assert page.inner_text("#answered") == "401, disabled_source: Access denied. Source disabled."
    page.goto(f"{collector.url}/pages/index.html")
    assert page.inner_text('[data-page="basic.html"]').startswith("not as expected, ")
    page.goto("about:blank")
    collector.end()
