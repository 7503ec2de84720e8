"""The report as a page: what it says, to whom, and that nothing in it runs."""

import base64
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from collector.testing import ExpectationRecord, StepRecord, TestRecord
from collector.testing.report_page import report_html

from ..accessibility import violations
from .records import START, at, event, record, request

EVIL = '</code><script>document.title="pwned"</script><img src="http://127.0.0.1:1/x" onerror="alert(1)">'
PLAN = {
    "page-view": json.dumps({"properties": {"path": {}}}),
    "purchase-order": json.dumps({"properties": {"price": {}, "currency": {}}}),
}
PIXEL = base64.b64encode(
    bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c49444154"
        "78da636060600000000400018fcb5d3e0000000049454e44ae426082"
    )
).decode()


def failed() -> TestRecord:
    """A test that failed, with everything that a report can show of it."""
    view, order = (
        event("page-view", {"path": "/shop"}, tracked=0.2),
        event("purchase-order", {"price": 14.45, "note": EVIL}, tracked=0.7),
    )
    rejected = {
        "reason": "invalid",
        "detail": f"/properties/price: {EVIL}",
        "pointer": "/properties/price",
        "rule": "/properties/price/minimum",
        "type": "refund",
        "payload": EVIL,
        "received_at": at(0.8),
    }
    refused = request(status=401, reason="unknown_source")
    return record(
        f"tests/test_shop.py::test_buying[{EVIL}]",
        view,
        order,
        outcome="failed",
        steps=[StepRecord("pay", START + 0.6)],
        actions=[{"action": "open", "url": "http://127.0.0.1/shop", "at": START + 0.1}],
        expectations=[
            ExpectationRecord("expect", {"type": "page-view"}, True, START + 0.5, 0.02),
            ExpectationRecord(
                "expect",
                {"type": "purchase-order", "properties": {"price": 13.45}},
                False,
                START + 0.9,
                0.5,
                f"properties.price: expected 13.45, stored 14.45 {EVIL}",
                "different",
            ),
        ],
        rejected=[rejected],
        requests=[request(view), request(order), refused],
        screenshots=[PIXEL, "no picture"],
        failure=f"Expected purchase-order {EVIL}",
    )


@pytest.fixture
def opened(browser: Browser, tmp_path: Path) -> Iterator[tuple[Page, list[str]]]:
    """The report of a failed test and of one that passed, and what the page has asked for."""
    file = tmp_path / "report.html"
    others = [record("tests/test_shop.py::test_looking", event("page-view", {"path": "/"}))]
    file.write_text(report_html([*others, failed()], PLAN), encoding="utf-8")
    context = browser.new_context()
    page, asked = context.new_page(), list[str]()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(file.as_uri())
    yield page, asked
    context.close()


def test_it_says_what_failed_and_why(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    expect(page).to_have_title("Tracking report: 1 failed test")
    expect(page.get_by_role("heading", level=1)).to_have_text("1 test failed")
    first = page.locator("section.one").first
    expect(first.get_by_role("heading", level=2)).to_contain_text("test_buying")
    expect(first.locator("pre").nth(1)).to_contain_text("Expected purchase-order")
    expect(first.locator(".link")).to_contain_text("First broken link: stored, but different")
    expect(first).to_contain_text("properties.price: expected 13.45, stored 14.45")
    assert first.locator("img").count() == 1
    assert first.locator("img").evaluate("image => image.naturalWidth") == 1


def test_the_timeline_has_each_event_below_what_caused_it(opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    rows = page.locator("section.one").first.locator(".timeline tbody tr").all_inner_texts()
    seen = [re.split(r"[\t\n{<]", row)[0].strip() for row in rows]
    assert seen == [
        "open http://127.0.0.1/shop", "page-view", "Events that were not read", "pay", "purchase-order", "refund",
    ]  # fmt: skip
    stored = re.split(r"\t", rows[1])
    assert [text.strip() for text in stored[1:]] == ["200 ms", "305 ms", "105 ms", "stored"]
    assert "401 unknown_source" in rows[2]
    assert rows[-1].split("\t")[-1].strip() == "invalid"


def test_coverage_is_a_matrix_of_types_properties_and_tests(
    opened: tuple[Page, list[str]],
) -> None:
    page, _ = opened
    rows = [
        [cell.strip() for cell in text.split("\t")]
        for text in page.locator(".matrix tbody tr").all_inner_texts()
    ]
    assert rows == [
        ["page-view", "seen", "2", "1", "1"],
        ["/path", "seen", "2", "1", "1"],
        ["purchase-order", "seen", "1", "1", ""],
        ["/price", "seen", "1", "1", ""],
        ["/currency", "not seen", "0", "", ""],
        ["/note", "not in the plan", "1", "1", ""],
    ]
    expect(page.locator(".numbers")).to_contain_text("80 %")


def test_what_others_wrote_is_text_and_nothing_is_fetched(opened: tuple[Page, list[str]]) -> None:
    page, asked = opened
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.locator("script").count() == 0
    assert page.locator('img[src^="http"]').count() == 0
    expect(page.locator("section.one").first.locator("pre").nth(1)).to_contain_text(EVIL)
    expect(page).to_have_title("Tracking report: 1 failed test")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_it_can_be_read_by_everybody(
    opened: tuple[Page, list[str]], scheme: str, width: int
) -> None:
    """On wide and narrow screens, in light and dark, by keyboard and screen reader."""
    page, _ = opened
    page.set_viewport_size({"width": width, "height": 800})
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    for details in page.locator("details").all():
        details.evaluate("details => (details.open = true)")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_without_scripts_it_is_the_same(browser: Browser, opened: tuple[Page, list[str]]) -> None:
    page, _ = opened
    context = browser.new_context(java_script_enabled=False)
    plain = context.new_page()
    plain.goto(page.url)
    assert plain.locator("main").inner_text() == page.locator("main").inner_text()
    summary = plain.locator("summary", has_text="2 rows stored")
    summary.focus()
    plain.keyboard.press("Enter")
    expect(plain.locator("details[open] pre", has_text="/shop")).to_be_visible()
    context.close()


def test_latency_is_from_the_call_to_the_commit(browser: Browser, tmp_path: Path) -> None:
    events = [event("a", tracked=0.001 * n, took=0.001 * n) for n in range(1, 101)]
    requests = [request(one, ms=10) for one in events]
    (tmp_path / "r.html").write_text(report_html([record("t", *events, requests=requests)], None))
    page = browser.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    row = page.locator("#latency + .scroll tbody tr").inner_text()
    assert row.split("\t") == ["a", "100", "60 ms", "109 ms", "110 ms"]
    page.close()


def test_a_report_of_nothing_says_so(browser: Browser, tmp_path: Path) -> None:
    (tmp_path / "r.html").write_text(report_html([], None))
    page = browser.new_page()
    page.goto((tmp_path / "r.html").as_uri())
    expect(page.locator("main")).to_contain_text("No test used the kit.")
    page.close()
