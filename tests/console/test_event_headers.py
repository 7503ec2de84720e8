"""The headers of the request that brought an event, in Live."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Locator, expect

from collector import store

from ..support import PATIENCE, Collector, wait_for
from .looker import Looker

RUN = {"X-ThamesThrive-Run": "headers-1"}
HOSTILE = "<img src=x onerror=hacked=1></pre><script>hacked=1</script>"


@pytest.fixture(scope="module")
def watched(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("headers"), options=("--qa",)).start()
    yield collector
    collector.end()


def send(collector: Collector, source: str, kind: str, headers: dict[str, str]) -> None:
    body = {"source": {"id": source}, "events": [{"type": kind}]}
    answer = collector.post(body, headers=headers)
    assert answer.status_code == 200, answer.text


def source_of(collector: Collector) -> str:
    with collector.database() as database:
        return store.add_source(database, "Headers").id


def drawer_of(looker: Looker, kind: str, query: str = "") -> Locator:
    page = looker.goto(f"/live{query}")
    page.get_by_role("link", name=kind, exact=True).click()
    drawer = page.get_by_role("dialog", name="Event")
    expect(drawer.get_by_role("heading", name="Headers")).to_be_visible()
    return drawer


def test_an_event_of_a_run_has_its_headers_without_secrets(
    browser: Browser, watched: Collector
) -> None:
    source = source_of(watched)
    secrets = {"Authorization": "Bearer abc123", "Cookie": "a=abc123", "X-Api-Key": "abc123"}
    send(watched, source, "other", {**RUN, "X-Other": "another request"})
    send(
        watched,
        source,
        "bought",
        {**RUN, **secrets, "Referer": "https://shop.example/?token=abc123"},
    )
    with Looker(browser, watched) as looker:
        drawer = drawer_of(looker, "bought", "?run=headers-1")
        expect(drawer).to_contain_text("x-thamesthrive-run: headers-1")
        expect(drawer).to_contain_text("x-api-key: …")
        expect(drawer).to_contain_text("referer: https://shop.example/?token=…")
        assert "abc123" not in drawer.inner_text()
        assert "another request" not in drawer.inner_text()
        looker.check_looks()


def test_the_headers_of_a_rejected_event_are_shown_too(
    browser: Browser, watched: Collector
) -> None:
    source = source_of(watched)
    with watched.database() as database:
        store.set_schema(database, source, "judged", '{"required": ["total"]}')
    body = {"source": {"id": source}, "events": [{"type": "judged"}]}
    headers = {"X-ThamesThrive-Run": "headers-2", "X-Sender": "a till"}
    wait_for(lambda: watched.post(body, headers=headers).json().get("errors"), "the schema to hold")
    with Looker(browser, watched) as looker:
        looker.goto("/live?run=headers-2&status=rejected")
        looker.page.locator("#live-rows a").first.click()
        expect(looker.page.get_by_role("dialog")).to_contain_text("x-sender: a till")


def test_hostile_headers_do_nothing(browser: Browser, watched: Collector) -> None:
    source = source_of(watched)
    headers = {"X-ThamesThrive-Run": "headers-3", "X-Bad": HOSTILE, "X-Long": "W" * 8000}
    send(watched, source, "hostile", headers)
    with Looker(browser, watched) as looker:
        drawer = drawer_of(looker, "hostile", "?run=headers-3")
        expect(drawer).to_contain_text(f"x-bad: {HOSTILE}")
        assert looker.page.evaluate("'hacked' in window") is False
        assert drawer.locator("img, script").count() == 0
        looker.check_looks()


def test_without_headers_the_drawer_says_why(browser: Browser, tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--qa",)).start()
    source = source_of(collector)
    send(collector, source, "no-run", {})
    send(collector, source, "of-run", RUN)
    with Looker(browser, collector) as looker:
        expect(drawer_of(looker, "no-run")).to_contain_text("Headers are not stored. To see them")
        for options, reason in (
            (("--qa",), "The collector no longer has this request"),  # the journal is in memory
            ((), "A collector that is started with --qa"),
        ):
            looker.page.goto("about:blank")
            collector.end()
            collector.options = options
            collector.start()
            expect(drawer_of(looker, "of-run", "?run=headers-1")).to_contain_text(reason)


def test_reading_them_takes_a_session(watched: Collector) -> None:
    send(watched, source_of(watched), "closed", {**RUN, "X-Inside": "secret"})
    answer = httpx.get(f"{watched.url}/console/live/stored/1", timeout=PATIENCE)
    assert (answer.status_code, "secret" in answer.text) == (303, False)
