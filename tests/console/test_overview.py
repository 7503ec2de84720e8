"""Overview, in a browser: a site's owner sees who came, and finds out from where."""

import csv
import io
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, expect

from collector import store
from collector.event.timestamps import iso

from ..support import Collector, wait_for
from .looker import Looker

HOSTILE = "</a><img src=x onerror=alert(1)>\u202e\"'&"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0"
CHROME = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/142.0.0.0 Safari/537.36"


def event(
    kind: str, path: str = "/", back: timedelta = timedelta(0), **more: str
) -> dict[str, Any]:
    page = {"url": f"https://shop.example{path}", "path": path, **more}
    at = iso(datetime.now(UTC) - back)
    return {"type": kind, "properties": {}, "context": {"page": page}, "time": {"create": at}}


def visit(
    collector: Collector,
    source: str,
    session: str,
    *events: dict[str, Any],
    agent: str = FIREFOX,
    campaign: str | None = None,
    sender: str | None = None,
) -> None:
    context: dict[str, Any] = {"browser": {"userAgent": agent, "language": "de-DE"}}
    if campaign:
        context["utm"] = {"source": "mail", "campaign": campaign}
    body = {
        "source": {"id": source}, "session": {"id": session}, "context": context, "events": events
    }  # fmt: skip
    answer = collector.post(body, headers={"user-agent": sender or agent})
    assert answer.status_code == 200, answer.text


def shop(collector: Collector) -> str:
    """A source with three visits: two of Firefox, one of which bought something from a mail."""
    source = collector.add_source()
    landing = event("page-view", "/landing", referrer="https://news.example/x")
    visit(collector, source, "a", landing, event("page-view", "/basket"), event("purchase", "/basket"),
          campaign="spring")  # fmt: skip
    visit(collector, source, "b", event("page-view", HOSTILE))
    visit(collector, source, "c", event("page-view", "/landing"), agent=CHROME)
    return source


def table_of(panel: Locator) -> dict[str, str]:
    rows = panel.locator("tbody tr").all()
    return {
        row.locator("td").first.inner_text(): row.locator("td").last.inner_text() for row in rows
    }


def tile(looker: Looker, name: str) -> str:
    found = looker.page.locator(".tiles li").filter(has_text=name).locator("strong")
    return found.first.inner_text()


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_who_came_and_bought_is_seen_and_filtered(
    browser: Browser, console_collector: Collector, script: bool
) -> None:
    source = shop(console_collector)
    with Looker(browser, console_collector, java_script_enabled=script) as looker:
        page = looker.goto(f"/overview?source={source}")
        expect(page.locator(".live-now")).to_have_text("3 visitors now")
        numbers = {name: tile(looker, name) for name in ("Visitors", "Sessions", "Events")}
        assert numbers == {"Visitors": "3", "Sessions": "3", "Events": "5"}
        assert tile(looker, "Bounce rate") == "66.7%"
        assert table_of(page.locator("#panel-browsers")) == {"Firefox": "2", "Chrome": "1"}
        assert table_of(page.locator("#panel-types")) == {"page-view": "4", "purchase": "1"}
        if script:
            looker.check_looks()
        page.locator("#panel-types").get_by_role("link", name="purchase").click()
        assert tile(looker, "Events") == "1"
        assert table_of(page.locator("#panel-campaigns")) == {"spring": "1"}
        page.locator("#panel-campaigns").get_by_role("link", name="spring").click()
        assert [*table_of(page.locator("#panel-referrers"))] == ["news.example"]
        assert page.locator(".chips li").count() == 2
        if script:
            looker.check_looks()
        page.get_by_role("link", name="Remove the filter type").click()
        assert tile(looker, "Visitors") == "1"


def test_what_is_not_known_is_filtered_too(looker: Looker) -> None:
    source = shop(looker.collector)
    page = looker.goto(f"/overview?source={source}")
    page.locator("#panel-campaigns").get_by_role("link", name="(none)").click()
    expect(page.locator(".chips")).to_contain_text("Campaign: (none)")
    assert tile(looker, "Visitors") == "2"
    # The pages of filtered visits come a moment later.
    expect(page.locator("#panel-pages")).to_contain_text("/landing")
    expect(page.locator("#panel-types")).to_contain_text("page-view")
    assert table_of(page.locator("#panel-types")) == {"page-view": "2"}


def test_slow_panels_are_there_without_a_script(
    browser: Browser, console_collector: Collector
) -> None:
    source = shop(console_collector)
    with Looker(browser, console_collector, java_script_enabled=False) as looker:
        page = looker.goto(f"/overview?source={source}&browser=Chrome")
        page.locator("#panel-pages").get_by_role("link", name="Show them").click()
        assert table_of(page.locator("#panel-pages")) == {"/landing": "1"}


def test_the_time_before_is_compared_with(looker: Looker) -> None:
    collector = looker.collector
    source = collector.add_source()
    visit(collector, source, "now", event("a"), event("b"), event("c"))
    old = timedelta(days=8)
    visit(collector, source, "then", event("a", back=old), event("b", back=old))
    page = looker.goto(f"/overview?source={source}")
    page.get_by_label("Compare with the period before").check()
    expect(page.locator(".tiles li").filter(has_text="Events")).to_contain_text("+50%")
    page.get_by_role("link", name="Events", exact=True).click()
    assert "measure=events" in page.url
    assert "compare=yes" in page.url
    expect(page.get_by_label("Compare with the period before")).to_be_checked()


def test_each_chart_has_its_table_file_and_query(looker: Looker) -> None:
    source = shop(looker.collector)
    page = looker.goto(f"/overview?source={source}&range=24h")
    page.get_by_text("Table", exact=True).click()
    assert page.get_by_role("region", name="Numbers by time").locator("tbody tr").count() == 24
    for label, found in (("Pages", [["/landing", "2"], ["/basket", "1"]]), ("Numbers by time", [])):
        with page.expect_download() as download:
            page.get_by_role("link", name=f"{label} as CSV", exact=True).click()
        rows = [*csv.reader(io.StringIO(download.value.path().read_text()))]
        assert rows[1 : len(found) + 1] == found or label == "Numbers by time"
        assert rows[0][0] in ("page", "period")
    panel = page.locator("#panel-browsers")
    panel.get_by_text("Which query made it").click()
    query = panel.locator("pre").inner_text()

    def counted() -> bool:
        rows = looker.collector.rows(query)
        return [(row["value"], row["count"]) for row in rows] == [("Firefox", 2), ("Chrome", 1)]

    wait_for(counted, "the query to find what the page shows")


def test_bots_are_apart_and_nothing_is_said_in_a_sentence(looker: Looker) -> None:
    collector = looker.collector
    source = collector.add_source()
    page = looker.goto(f"/overview?source={source}")
    expect(page.locator(".empty")).to_contain_text("No events in this time.")
    looker.check_looks()
    visit(collector, source, "bot", event("a"), sender="Googlebot/2.1")
    page.reload()
    expect(page.locator("main")).to_contain_text("These numbers leave out 1 event from bots")
    assert tile(looker, "Visitors") == "0"
    page = looker.goto(f"/overview?source={source}&campaign=none-such")
    expect(page.locator(".empty")).to_contain_text("Nothing in this time has all of these values")
    page.get_by_role("link", name="Remove the filters").click()
    expect(page.locator(".tiles")).to_be_visible()


MANY = 900_000


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with so many events of a type that they take a while."""
    collector = Collector(tmp_path_factory.mktemp("large")).start()
    source = collector.add_source()
    at = iso(datetime.now(UTC) - timedelta(days=20))
    with closing(store.connect(collector.db)) as connection, store.transaction(connection):
        numbers = f"WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {MANY})"
        connection.execute("INSERT INTO source_keys (id) VALUES (?)", [source])
        connection.execute("INSERT INTO event_types (name) VALUES ('a')")
        connection.execute(
            "INSERT INTO request_rows (key, events, source, session, request_id, received_at)"
            f" {numbers} SELECT i, 1, 1, 0, i, '{at}' FROM n"
        )
        connection.execute(
            "INSERT INTO event_rows (request, source, type, id, occurred_at)"
            f" {numbers} SELECT i, 1, 1, i, '{at}' FROM n"
        )
        connection.execute("UPDATE rollup_marks SET seq = ?", [MANY])  # as if they were counted
    yield collector
    collector.end()


def test_what_takes_long_says_how_far_it_is_and_can_be_stopped(
    browser: Browser, large: Collector
) -> None:
    with Looker(browser, large) as looker:
        page = looker.goto("/overview?range=12mo&type=a")
        expect(page.get_by_role("progressbar")).to_be_visible()
        looker.check_looks()
        page.get_by_role("button", name="Stop").click()
        expect(page.locator("#answer")).to_contain_text("Stopped.")
        page.get_by_role("link", name="Ask again").click()
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator(".tiles")).to_be_visible(timeout=60_000)
        assert tile(looker, "Events") == f"{MANY:,}"


def test_what_takes_long_is_there_in_the_end_without_a_script(
    browser: Browser, large: Collector
) -> None:
    with Looker(browser, large, java_script_enabled=False) as looker:
        page = looker.goto("/overview?range=30d&type=a")
        expect(page.get_by_role("progressbar")).to_be_visible()
        expect(page.locator(".tiles")).to_be_visible(timeout=60_000)
        assert tile(looker, "Events") == f"{MANY:,}"


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("range=week", "'week' is not a range"),
        ("range=custom&first=x&last=y", "Write both days as in 2026-11-27."),
        ("range=custom&first=2026-01-02&last=2026-01-01", "is no range"),
        ("range=custom&first=0001-01-01&last=9999-12-31", "is no range"),
        ("part=nothing", "There is no 'nothing' here."),
    ],
)
def test_what_cannot_be_shown_is_said(looker: Looker, query: str, said: str) -> None:
    page = looker.goto(f"/overview?{query}")
    expect(page.locator("main")).to_contain_text(said)


def test_some_days_are_chosen(looker: Looker) -> None:
    source = shop(looker.collector)
    today = datetime.now(UTC).date()
    page = looker.goto(f"/overview?source={source}")
    page.locator("select[name=range]").select_option("Custom range")
    expect(page.get_by_label("To", exact=True)).to_have_value(f"{today}")
    assert tile(looker, "Visitors") == "3"
    page.goto(f"{looker.root}/overview?source={source}&range=custom&first={today}&last={today}")
    assert table_of(page.locator("#panel-pages"))["/landing"] == "2"
    # A date is complete when its reader says so: each digit of one that is typed makes another.
    page.get_by_label("From", exact=True).fill(f"{today - timedelta(days=200)}")
    page.get_by_label("To", exact=True).fill(f"{today - timedelta(days=100)}")
    page.get_by_role("button", name="Show").click()
    expect(page.locator(".empty")).to_be_visible()
    looker.check_looks()
