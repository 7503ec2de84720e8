"""Every test page of the site: opened from another origin, it stores what it declares, and nothing
else."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Error, Page

from cli.builder.site import build_site
from cli.builder.testpages import load_test_pages
from collector.store import update_source
from collector.testing import Tracking, TrackingSource

from ..support import ROOT, Collector, web_server
from .environment import DIST

OF_A_RUN = "run-of-tests"  # names a run by itself
PAGES = {page.slug: page for page in load_test_pages(ROOT / "site" / "pages")}


@pytest.fixture(scope="session")
def built(
    tracking_source: TrackingSource, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Origin of the built site."""
    folder = tmp_path_factory.mktemp("built") / "site"
    build_site(folder, source_id=tracking_source.id, api=tracking_source.collector, bundle=DIST)
    with web_server(folder) as origin:
        yield origin


@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize("slug", [slug for slug in PAGES if slug != OF_A_RUN])
def test_page_stores_what_it_declares(
    page: Page, built: str, page_collector: Collector, tracking: Tracking, slug: str
) -> None:
    declared = PAGES[slug]
    before = page_collector.counts()
    page.goto(f"{built}/pages/{slug}.html")
    if declared.console:
        tracking.expect_console(declared.console)
    if declared.source == "unknown":
        tracking.expect_refused("unknown_source")
    tracking.expect_delivery(requests=declared.requests if declared.events else 0)
    events = tracking.expect_exactly(*(event.type for event in declared.events))
    assert [event.properties for event in events] == [each.properties for each in declared.events]
    page.goto("about:blank")
    tracking.expect_exactly(*(event.type for event in declared.events))
    assert tracking.uncaught == list(declared.errors)
    if not declared.events:
        assert page_collector.counts() == before
    if not declared.console:
        assert [said for said in tracking.console if "ThamesThrive" in said] == []
    for event, expected in zip(events, declared.events, strict=True):
        assert contains(event.context, expected.context)
        assert not set(declared.context_lacks) & set(event.context)
    for session in {event.session_id for event in events}:
        (row,) = page_collector.rows("SELECT context FROM sessions WHERE id = ?", session)
        context = json.loads(row["context"])
        assert set(declared.session_has) <= set(context)
        assert not set(declared.session_lacks) & set(context)


def test_a_page_that_names_a_run_stores_as_any_other(
    page: Page, collector: Collector, tmp_path: Path
) -> None:
    """Where the collector is none for tests."""
    declared, source = PAGES[OF_A_RUN], collector.add_source()
    build_site(tmp_path / "site", source_id=source, api=collector.url, bundle=DIST)
    errors: list[Error] = []

    def keep(
        error: Error,
    ) -> None:  # the driver marks its handlers, and a method of a list cannot be
        errors.append(error)

    page.on("pageerror", keep)
    with web_server(tmp_path / "site") as origin:
        page.goto(f"{origin}/{declared.url}")
        collector.wait_for_events(source, len(declared.events))
        page.goto("about:blank")
    rows = collector.events(source)
    assert [(row["type"], json.loads(row["properties"]), row["run"]) for row in rows] == [
        (event.type, event.properties, None) for event in declared.events
    ]
    assert len({row["request_id"] for row in rows}) == declared.requests
    assert errors == []


def contains(whole: Any, part: Any) -> bool:
    """Whether JSON has what another has, among other things."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            key in whole and contains(whole[key], value) for key, value in part.items()
        )
    return bool(whole == part)


def test_a_page_served_by_the_collector_shows_the_stored_rows(page: Page, tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--qa", "--site", str(tmp_path / "site")))
    source = collector.add_source()
    collector.port = 0
    (tmp_path / "site").mkdir()
    collector.start()
    build_site(tmp_path / "site", source_id=source, api=collector.url, bundle=DIST)
    collector.stop()
    collector.start()
    page.goto(f"{collector.url}/pages/basic.html")
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


def test_a_page_that_is_not_as_expected_says_why(page: Page, tmp_path: Path) -> None:
    """Red, with what is missing and what the collector said; and the list of test pages remembers
    it."""
    (tmp_path / "site").mkdir()
    collector = Collector(tmp_path, options=("--site", str(tmp_path / "site"), "--qa")).start()
    source = collector.add_source()
    with collector.database() as database:
        update_source(database, source, {"enabled": False})
    build_site(tmp_path / "site", source_id=source, api=collector.url, bundle=DIST)
    page.goto(f"{collector.url}/pages/basic.html")
    page.wait_for_selector("#verdict.bad")
    said = page.inner_text("#verdict")
    assert "Row 1: purchase-order is missing." in said
    assert "interest was not stored: disabled_source (Access denied. Source disabled)." in said
    assert page.inner_text("#answered") == "401, disabled_source: Access denied. Source disabled."
    page.goto(f"{collector.url}/pages/index.html")
    assert page.inner_text('[data-page="basic.html"]').startswith("not as expected, ")
    page.goto("about:blank")
    collector.end()
