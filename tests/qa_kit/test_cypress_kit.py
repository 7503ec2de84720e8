"""The kit's commands for Cypress: in a real browser, with the real tracker and a real collector. Only
Cypress is an imitation (js/qa/tests/imitation.ts): its binary is no npm package."""

import subprocess
from typing import Any

import httpx
import pytest
from playwright.sync_api import Browser

from cli.builder.bundle import ESBUILD, find_executable

from ..support import PATIENCE, ROOT
from .conftest import Suite

PASSING = {
    "buying stores one order",
    "looking stores no order",
    "an event that takes a while is awaited",
    "the run is there for other senders",
}
BEFORE_LOAD = 'if (window.name == "page" && parent.beforeLoad) parent.beforeLoad(window)'


def _ask(url: str, headers: dict[str, str]) -> dict[str, Any]:
    response = httpx.get(url, headers=headers, timeout=PATIENCE)
    return {"status": response.status_code, "body": response.json()}


@pytest.fixture(scope="module")
def failures(suite: Suite, browser: Browser) -> dict[str, str]:
    """What each test of shop.cy.ts that failed says."""
    script = suite.folder / "cypress.js"
    command = [find_executable(ROOT / "js", ESBUILD), "shop.cy.ts", "--bundle"]
    subprocess.run([*command, f"--outfile={script}"], cwd=suite.folder, check=True)
    page = browser.new_page()
    page.expose_function("ask", _ask)
    page.add_init_script(BEFORE_LOAD)
    page.goto(f"{suite.env['SITE']}/empty.html")
    page.set_content('<iframe name="page"></iframe>')
    page.add_script_tag(path=script)
    settings = {"trackingCollector": suite.env["THAMESTHRIVE_COLLECTOR"]}
    found: dict[str, str] = page.evaluate("(settings) => runTests(settings)", settings)
    page.close()
    return found


def test_what_is_as_expected_passes(failures: dict[str, str]) -> None:
    assert {title: failures[title] for title in failures.keys() & PASSING} == {}


def test_a_missing_event_shows_the_nearest_miss(failures: dict[str, str]) -> None:
    said = failures["another price"]
    assert 'Expected "purchase-order" with properties {"price":99} to be stored' in said
    assert "\n  properties.price: expected 99, stored 13.45" in said
    assert "See it again: thamesthrive qa show another-price-" in said


def test_an_event_that_should_not_be_there_fails(failures: dict[str, str]) -> None:
    said = failures["though it should not"]
    assert 'Expected no "purchase-order"; it was stored once.' in said


def test_a_rejected_event_fails(failures: dict[str, str]) -> None:
    assert "purchase-order: invalid, /properties/price" in failures["rejected"]


def test_the_first_broken_link_is_named(failures: dict[str, str]) -> None:
    assert "the tracker was given page-view, but never refund" in failures["not called"]
    assert 'settings.consent is "pending" on http://' in failures["held"]
