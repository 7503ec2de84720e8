"""Explore, funnels and retention in a browser."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from collector import store

from ..support import Collector, wait_for
from .looker import Looker

BROWSER = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HOSTILE = (
    "<script>alert(1)</script>", "<img src=x onerror=alert(1)>", "\"'><b>", "{{ 7*7 }}", "x" * 120,
    "\u202eright", "javascript:alert(1)", "&lt;", "';DROP TABLE--", "🛒" * 60,
)  # fmt: skip


@pytest.fixture(scope="module")
def orders(console_collector: Collector) -> str:
    """A source with two visitors: one came by a campaign and ordered, the other one looked."""
    with console_collector.database() as database:
        source = store.add_source(database, "Orders").id
        store.add_source(database, "Another one")
    for session, campaign, types in (
        ("orders-ann", "spring", ["page-view", "order", "order"]),
        ("orders-bob", "", ["page-view"]),
    ):
        body = {
            "source": {"id": source},
            "session": {"id": session},
            "context": {"utm": {"campaign": campaign}} if campaign else {},
            "events": [
                {"type": kind, "properties": {"price": 10 + 5 * n, "item": "hat"}}
                for n, kind in enumerate(types)
            ],
        }
        answer = console_collector.post(body, headers={"User-Agent": BROWSER})
        assert answer.status_code == 200, answer.text
    return source


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_how_many_orders_from_which_campaign(
    browser: Browser, console_collector: Collector, orders: str, script: bool
) -> None:
    with Looker(browser, console_collector, java_script_enabled=script) as looker:
        page = looker.page
        page.get_by_role("link", name="Explore").click()
        expect(page.get_by_role("table")).to_be_visible()  # something to see at first
        page.get_by_label("Source").select_option("Orders")
        page.get_by_label("Event types 1").fill("order")
        page.get_by_label("Grouped by").fill("campaign")
        page.get_by_label("Over time").select_option("Together")
        page.get_by_role("button", name="Show").click()
        expect(page.locator("table.answer tbody tr")).to_have_text(["spring2"])
        assert "by=campaign" in page.url
        # The address is the question.
        page.goto(page.url)
        expect(page.locator("table.answer tbody tr")).to_have_text(["spring2"])
        expect(page.get_by_label("Event types 1")).to_have_value("order")
        page.get_by_text("The same from a terminal, or in SQL").click()
        sql = page.locator("#sql").inner_text()
        with closing(sqlite3.connect(console_collector.db)) as connection:
            assert connection.execute(sql).fetchall() == [(None, "spring", 2)]
        with page.expect_download() as download:
            page.get_by_role("link", name="Download as CSV").click()
        assert Path(download.value.path()).read_text() == "group,count\nspring,2\n"


def test_sums_over_time_have_a_chart_and_a_table(looker: Looker, orders: str) -> None:
    query = "measure=sum&of=price&by=item&interval=hour&days=1"
    page = looker.goto(f"/explore?source={orders}&{query}")
    expect(page.locator("table.answer tbody td").last).to_have_text("55")
    looker.check_looks()
    page = looker.goto("/explore?by=type&interval=hour&days=2&type=order&type=page-view")
    expect(page.get_by_label("Event types 3")).to_have_value("")
    looker.check_looks()


def test_a_funnel_and_retention(looker: Looker, orders: str) -> None:
    page = looker.goto("/explore/funnel")
    looker.check_looks()
    page.get_by_label("Source").select_option("Orders")
    page.get_by_label("Steps 1").fill("page-view")
    page.get_by_label("Steps 2").fill("order where price>10")
    page.get_by_label("Steps 2").press("Enter")
    rows = page.locator("table.answer tbody tr")
    expect(rows).to_have_count(2)
    assert rows.nth(0).locator("td").all_inner_texts() == ["2", "100%", "100%", ""]
    assert rows.nth(1).locator("td").all_inner_texts() == ["1", "50%", "50%", "0.0 s"]
    expect(page.get_by_label("Steps 3")).to_have_value("")
    looker.check_looks()
    page.get_by_role("link", name="Retention").click()
    page.get_by_label("Source").select_option("Orders")
    page.get_by_role("button", name="Show").click()
    expect(page.locator("table.answer tbody tr").last).to_contain_text("2")
    looker.check_looks()


def test_a_question_is_saved_and_asked_again(looker: Looker, orders: str) -> None:
    page = looker.goto(f"/explore?source={orders}&type=order&interval=")
    page.get_by_label("Save this question as").fill("Orders <b>now</b>")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("status").first).to_contain_text("Saved Orders <b>now</b>.")
    looker.check_looks()
    page.get_by_role("link", name="Orders <b>now</b>").click()
    expect(page.locator("table.answer tbody tr")).to_have_text(["2"])
    looker.goto("/explore/saved")
    page.get_by_role("button", name="Remove Orders <b>now</b>").click()
    expect(page.get_by_text("No question has been saved yet")).to_be_visible()
    looker.check_looks()


def test_a_mistake_is_said_and_what_was_written_stays(looker: Looker) -> None:
    page = looker.goto("/explore?where=price&by=item&measure=count")
    expect(page.get_by_role("alert")).to_contain_text("'price' is not a condition")
    expect(page.get_by_label("Conditions 1")).to_have_value("price")
    expect(page.get_by_label("Grouped by")).to_have_value("item")
    looker.check_looks()


def test_hostile_texts_are_shown_and_do_nothing(looker: Looker) -> None:
    collector = looker.collector
    with collector.database() as database:
        source = store.add_source(database, "Hostile <i>").id
    events = [{"type": text, "properties": {text: text, "p": text}} for text in HOSTILE]
    body = {"source": {"id": source}, "session": {"id": "h"}, "events": events}
    answer = collector.post(body, headers={"User-Agent": BROWSER})
    assert answer.json()["errors"] == []
    for query in ("by=type", "by=p", "by=type&interval=hour", "by=p&interval=day&measure=visitors"):
        page = looker.goto(f"/explore?source={source}&limit=20&{query}")
        expect(page.locator("table.answer")).to_contain_text("<script>alert(1)</script>")
        looker.check_looks()
    for text in HOSTILE[:4]:
        page.get_by_label("Event types 1").fill(text)
        page.get_by_label("Grouped by").fill("p")
        page.get_by_role("button", name="Show").click()
        expect(page.get_by_label("Event types 1")).to_have_value(text)
    page = looker.goto(f"/explore/funnel?source={source}&step=%3Cimg+src%3Dx%3E&step={{{{7*7}}}}")
    expect(page.locator("table.answer")).to_contain_text("<img src=x>")
    assert page.locator("main img, main i, main b, main script").count() == 0


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with so many events that a question takes a while."""
    collector = Collector(tmp_path_factory.mktemp("large")).start()
    source = collector.add_source()
    at = "2026-11-01T00:00:00.000Z"
    with closing(store.connect(collector.db)) as connection, store.transaction(connection):
        numbers = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 400000)"
        connection.execute("INSERT INTO source_keys (id) VALUES (?)", [source])
        connection.execute("INSERT INTO event_types (name) VALUES ('a')")
        connection.execute(
            "INSERT INTO request_rows (key, events, source, session, request_id, received_at)"
            f" {numbers} SELECT i, 1, 1, 0, i, '{at}' FROM n"
        )
        connection.execute(
            "INSERT INTO event_rows (request, source, type, id, occurred_at, properties)"
            f" {numbers} SELECT i, 1, 1, i, '{at}', '{{\"n\": ' || i || '}}' FROM n"
        )
    yield collector
    collector.end()


SLOW = "/explore?by=n&measure=median&of=n&since=2026-10-01&limit=3&interval="


def processor_time(collector: Collector) -> int:
    """What the console's process has used of a processor, in hundredths of a second."""
    (process,) = collector.children("collector.child\0console")
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def is_idle(collector: Collector) -> bool:
    before = processor_time(collector)
    threading.Event().wait(0.3)
    return processor_time(collector) - before <= 2


def test_progress_is_shown_and_stopping_stops(browser: Browser, large: Collector) -> None:
    """By the keyboard, whose focus stays on the button while the page follows the work."""
    with Looker(browser, large) as looker:
        page = looker.goto(SLOW)
        progress = page.get_by_role("progressbar")
        expect(progress).to_be_visible()
        page.get_by_role("button", name="Stop").focus()
        first = progress.get_attribute("value")
        expect(progress).not_to_have_attribute("value", str(first))
        expect(page.get_by_role("button", name="Stop")).to_be_focused()
        before = processor_time(large)
        wait_for(lambda: processor_time(large) - before > 5, "the question to be worked at")
        page.keyboard.press("Enter")
        expect(page.locator("#answer")).to_contain_text("Stopped.")
        wait_for(lambda: is_idle(large), "the question to end")
        expect(page.get_by_label("Grouped by")).to_have_value("n")
        page.get_by_role("link", name="Ask again").click()
        expect(progress).to_be_visible()
        page.get_by_role("button", name="Stop").click()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_slow_question_is_answered_in_the_end(
    browser: Browser, large: Collector, script: bool
) -> None:
    with Looker(browser, large, java_script_enabled=script) as looker:
        page = looker.goto(SLOW)
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator("#answer [role=status]")).to_contain_text(
            "Answered in", timeout=120_000
        )
        rows = page.locator("table.answer tbody tr")
        expect(rows).to_have_count(4)
        expect(rows.last).to_contain_text("(other)")
        if script:
            looker.check_looks()


def test_what_is_not_done_yet_looks_right(browser: Browser, large: Collector) -> None:
    with Looker(browser, large) as looker:
        page = looker.goto(SLOW)
        expect(page.get_by_role("progressbar")).to_be_visible()
        looker.check_looks()
