"""The kit for Playwright Test, as a suite uses it: a real one, against a real collector."""

import re
from typing import Any

import pytest

from ..support import run
from .conftest import Suite

# Thirty specs, each in a browser of its own, on a machine that has more to do.
pytestmark = pytest.mark.timeout(300)
Results = dict[str, dict[str, dict[str, Any]]]
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def said(result: dict[str, Any]) -> str:
    """What a spec's failures say."""
    errors = result["tests"][0]["results"][0]["errors"]
    return COLOURS.sub("", "\n".join(error["message"] for error in errors))


def test_a_suite_of_a_shop_passes(results: Results) -> None:
    passing = results["shop.spec.ts"]
    assert len(passing) == 12
    assert {title: said(result) for title, result in passing.items() if not result["ok"]} == {}


@pytest.fixture(scope="module")
def failures(suite: Suite, results: Results) -> dict[str, str]:
    """What each expectation that must fail says, by the title of its spec."""
    ended = results["messages.spec.ts"]
    assert {title: said(result) for title, result in ended.items() if not result["ok"]} == {}
    addresses = {suite.env["THAMESTHRIVE_COLLECTOR"]: "COLLECTOR", suite.env["SITE"]: "SITE"}
    addresses[suite.env["NOBODY"]] = "NOBODY"
    return {title: _kept(result, addresses) for title, result in ended.items()}


def _kept(result: dict[str, Any], addresses: dict[str, str]) -> str:
    annotations = result["tests"][0]["annotations"]
    (kept,) = (note["description"] for note in annotations if note["type"] == "said")
    for address, name in addresses.items():
        kept = kept.replace(address, name)
    return COLOURS.sub("", kept)


POLICY = "was stopped by the page's Content-Security-Policy"
BUNDLE = "COLLECTOR/tracker/tracker.min.js"
LINKS = {
    "not called": "not called\n  the tracker was given page-view, but never refund",
    "another price": "stored, but different\n  purchase-order was stored, with other values",
    "twice": "stored too often\n  twice, not once",
    "twice, the second time at the last moment": "stored too often\n  twice, not once",
    "once": "not called\n  purchase-order was tracked once only",
    "rejected": "rejected\n  purchase-order: invalid, /properties/price: ",
    "another name": 'stored under another name\n  did you mean "purchase-order"?',
    "requests blocked": f"blocked\n  COLLECTOR/track {POLICY} (connect-src)\n",
    "script blocked": f"tracker not loaded\n  {BUNDLE} {POLICY} (script-src-elem)\n",
    "by a blocker": "blocked\n  COLLECTOR/track: net::ERR_BLOCKED_BY_CLIENT",
    "held": 'held\n  settings.consent is "pending" on SITE/consent.html, and nobody',
    "unknown source": "refused\n  401 unknown_source, POST /track for source ee2db027",
    "no snippet": "tracker not loaded\n  nothing has set window.tracker on SITE/empty.html",
    "another run": "stored under another run\n  page-view belongs to run somebody-elses",
    "a server's event that never came": "nothing was opened or sent\n",
}


@pytest.mark.parametrize("title", LINKS)
def test_a_missing_event_is_explained(failures: dict[str, str], title: str) -> None:
    assert f"First broken link: {LINKS[title]}" in failures[title]


def test_the_nearest_miss_names_each_field_that_differs(failures: dict[str, str]) -> None:
    said = failures["another price"]
    assert "Nearest miss: purchase-order " in said
    assert "\n  properties.price: expected 99, stored 13.45\n" in said
    product = 'expected Any<Number>, stored "Sun glasses - Badoo"'
    assert f"\n  properties.product: {product}\n" in said
    assert '\n  properties.coupon: expected "X", is missing\n' in said
    assert "\n  properties.items[0].sku" not in said


def test_a_failure_lists_what_is_known_of_the_run(failures: dict[str, str]) -> None:
    said = failures["rejected"]
    assert said.count('Expected "purchase-order" to be stored; it was not stored.') == 1
    assert "\nStored (1):\n  page-view {}\n" in said
    assert "\nRejected (1):\n  purchase-order: invalid, /properties/price" in said
    assert "\n  tracker: loaded on SITE/shop.html\n" in said
    assert "  tracked: page-view, purchase-order\n" in said
    assert re.search(
        r"See it again: thamesthrive qa show rejected-[0-9a-f-]+ --url COLLECTOR$", said
    )


def test_the_last_line_of_a_failure_shows_its_run(suite: Suite, failures: dict[str, str]) -> None:
    _, _, command = failures["another price"].rpartition("See it again: thamesthrive ")
    address = suite.env["THAMESTHRIVE_COLLECTOR"]
    done = run(*command.replace("COLLECTOR", address).split())
    assert done.returncode == 0, done.stderr
    assert "purchase-order" in done.stdout


def test_blocked_requests_and_refusals_are_listed(failures: dict[str, str]) -> None:
    policy = "(the page's Content-Security-Policy (connect-src))"
    assert f"\n  blocked: COLLECTOR/track {policy}\n" in failures["requests blocked"]
    assert "\n  console: " in failures["requests blocked"]
    assert "favicon" not in "".join(failures.values())
    assert "404" not in failures["not called"]
    assert "net::ERR_BLOCKED_BY_CLIENT" in failures["by a blocker"]
    assert "\nRefused (1):\n  401 unknown_source: " in failures["unknown source"]


def test_what_should_not_be_there_is_shown(failures: dict[str, str]) -> None:
    said = failures["though it should not"]
    assert 'Expected no "purchase-order"; it was stored once.' in said
    assert '\nUnexpected (1):\n  purchase-order {"product":"Sun glasses - Badoo"' in said


def test_an_order_says_how_far_it_came(failures: dict[str, str]) -> None:
    said = failures["another order"]
    assert "Expected 2 events in order; 1 of them were stored so." in said
    assert 'There is no "purchase-order" after "page-view".' in said


def test_a_rejected_event_that_is_missing_says_so(failures: dict[str, str]) -> None:
    wanted = 'Expected "purchase-order" with {"reason":"invalid"} to be rejected; it was not.'
    assert wanted in failures["not rejected"]


def test_what_nobody_expected_fails_a_test_at_its_end(results: Results) -> None:
    failing = results["failing.spec.ts"]
    assert [title for title, result in failing.items() if result["ok"]] == []
    said_by = {title: said(result) for title, result in failing.items()}
    assert "Events were rejected. Expect them (toHaveRejected)" in said_by["rejected unnoticed"]
    assert "Requests were refused. If that is right, allow it" in said_by["refused unnoticed"]
    assert said_by["in the middle"].count("See it again") == 1


def test_a_wrong_setup_says_what_to_do(failures: dict[str, str]) -> None:
    assert "NOBODY doesn't answer (Error: connect ECONNREFUSED" in failures["no collector"]
    assert "Start it: thamesthrive serve --qa" in failures["no collector"]
    assert "await tracking.attach(context)" in failures["a context of nobody"]
