"""Rejected: what is wrong is found, its schema corrected, and the events stored after all."""

import csv
import io
import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from collector import store

from ..support import Collector
from .looker import Looker

SCHEMA = '{"properties": {"total": {"maximum": 100}}}'
HOSTILE = "</mark></pre><script>alert(1)</script><img src=x onerror=alert(1)>\u202e'\"=cmd|{{7*7}}"


def reject(collector: Collector, *properties: Any, kind: str = "order", name: str = "Shop") -> str:
    """A source whose events of a type were rejected."""
    with collector.database() as database:
        source = store.add_source(database, name).id
        store.set_schema(database, source, kind, SCHEMA)
    events = [{"type": kind, "properties": one} for one in properties]
    answer = collector.post({"source": {"id": source}, "events": events})
    assert answer.status_code == 200, answer.text
    return source


@pytest.fixture(params=[True, False], ids=["script", "no-script"])
def anybody(
    browser: Browser, console_collector: Collector, request: pytest.FixtureRequest
) -> Iterator[Looker]:
    """Somebody with a script, and somebody without."""
    with Looker(browser, console_collector, java_script_enabled=request.param) as found:
        yield found


def row_of(page: Page, source: str) -> str:
    """Leads to the only group of a source."""
    return f"main tbody a[href*='source={source}']"


def test_what_is_wrong_is_found_corrected_and_replayed(anybody: Looker) -> None:
    collector = anybody.collector
    source = reject(collector, {"total": 5}, *[{"total": n} for n in (101, 102, 103)])
    page = anybody.goto(f"/rejected?source={source}")
    expect(page.locator("main tbody tr")).to_have_count(1)
    expect(page.locator("main tbody tr")).to_contain_text("the value is greater than the maximum")
    page.get_by_role("link", name="/properties/total").click()
    expect(page.locator("mark.wrong")).to_have_text('"total": 103')
    expect(page.locator("dl.facts")).to_contain_text(
        "/properties/total/maximum is 100 in the schema"
    )
    expect(page.get_by_text("Correct what is sent.")).to_be_visible()
    page.get_by_role("link", name="Edit the schema").click()
    expect(page.get_by_label("Schema", exact=True)).to_have_value(SCHEMA)
    page.get_by_label("Schema", exact=True).fill('{"properties": {"total": {"maximum": 102}}}')
    page.get_by_role("button", name="Try it").click()
    tiles = page.locator("ul.tiles")
    expect(tiles).to_contain_text("3would be stored, 2 of which were rejected")
    expect(tiles).to_contain_text("1would be rejected")
    assert len(collector.events(source)) == 1  # nothing is stored by a try
    page.get_by_role("button", name="Set it").click()
    expect(page.get_by_role("status").first).to_contain_text("3 rejected ones can be replayed")
    page.get_by_role("button", name="Replay rejected order").click()
    if page.get_by_text("Done:").count() == 0:
        collector.wait_for_events(source, 3)
        page.reload()
    expect(page.get_by_text("Done: 2 were stored")).to_contain_text("Still invalid: 1")
    assert {row["properties"] for row in collector.events(source)} == {
        '{"total":5}', '{"total":101}', '{"total":102}',
    }  # fmt: skip


def test_its_pages_are_for_everybody(looker: Looker) -> None:
    source = reject(looker.collector, {"total": 101}, {"total": 102})
    group = f"source={source}&reason=invalid&type=order&pointer=%2Fproperties%2Ftotal"
    for path in (
        f"/rejected?source={source}",
        f"/rejected/group?{group}",
        f"/sources/{source}/schemas",
        f"/sources/{source}/schemas/edit?type=order",
        "/rejected?type=nothing",
    ):
        looker.goto(path)
        looker.check_looks()
    page = looker.goto(f"/sources/{source}/schemas/edit?type=order")
    page.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("heading", name="What it would do")).to_be_visible()
    looker.check_looks()
    page.get_by_role("button", name="Replay rejected order").click()
    expect(page.get_by_text("Done: 0 were stored")).to_be_visible()
    looker.check_looks()


def test_what_strangers_have_written_is_shown_and_does_nothing(looker: Looker) -> None:
    collector = looker.collector
    kind = HOSTILE[:100]
    with collector.database() as database:
        source = store.add_source(database, HOSTILE).id
        store.set_schema(database, source, kind, SCHEMA)
        keys = json.dumps({"properties": {HOSTILE: {"maximum": 1}}})
        store.set_schema(database, source, "keys", keys)
    events = [
        {"type": kind, "properties": {"total": 101, HOSTILE: HOSTILE}},
        {"type": "keys", "properties": {HOSTILE: 2}},
    ]
    answer = collector.post({"source": {"id": source}, "events": events})
    assert len(answer.json()["errors"]) == 2
    page = looker.goto(f"/rejected?source={source}")
    addresses = [
        str(link.get_attribute("href")) for link in page.locator(row_of(page, source)).all()
    ]
    assert len(addresses) == 2
    for address in addresses:
        page.goto(looker.collector.url + address)
        assert "<script>alert" not in page.content()
        expect(page.locator("mark.wrong")).to_have_count(1)
        looker.check_looks()
    expect(page.locator("#sample")).to_contain_text("<script>alert(1)</script>")


def test_all_are_counted_where_not_all_groups_fit_a_page(looker: Looker) -> None:
    collector = looker.collector
    with collector.database() as database:
        source = store.add_source(database, "Many").id
        store.set_schema(database, source, "order", '{"additionalProperties": {"maximum": 1}}')
    events = [{"type": "order", "properties": {f"p{n}": 2}} for n in range(203)]
    collector.post({"source": {"id": source}, "events": events})
    page = looker.goto(f"/rejected?source={source}")
    expect(page.locator("main tbody tr")).to_have_count(200)
    expect(page.get_by_text("203 events were rejected")).to_contain_text(
        "3 small groups are left out"
    )


def test_rejected_events_are_taken_along(looker: Looker) -> None:
    source = reject(looker.collector, {"total": 101}, {"total": 102}, kind="=1+1")
    page = looker.goto(f"/rejected?source={source}")
    with page.expect_download() as started:
        page.get_by_role("link", name="Download JSON lines").click()
    lines = started.value.path().read_text().splitlines()
    payloads = [json.loads(json.loads(line)["payload"]) for line in lines]
    assert [one["properties"]["total"] for one in payloads] == [102, 101]
    page.locator(row_of(page, source)).click()
    with page.expect_download() as started:
        page.get_by_role("link", name="CSV").click()
    rows = list(csv.DictReader(io.StringIO(started.value.path().read_text())))
    # A spreadsheet takes it for a text.
    assert [row["type"] for row in rows] == ["'=1+1", "'=1+1"]
    assert started.value.suggested_filename == "rejected.csv"


def test_somebody_who_may_only_look_finds_nothing_to_change(
    browser: Browser, console_collector: Collector
) -> None:
    source = reject(console_collector, {"total": 101})
    with console_collector.database() as database:
        secret = store.create_token(database, "reader", role=store.READ)[1]
    context = browser.new_context()
    page = context.new_page()
    root = f"{console_collector.url}/console"
    page.goto(f"{root}/login")
    page.get_by_label("Token").fill(secret)
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Inbound traffic")).to_be_visible()
    group = f"source={source}&reason=invalid&type=order&pointer=%2Fproperties%2Ftotal"
    for path in (f"/rejected/group?{group}", f"/sources/{source}/schemas/edit?type=order"):
        page.goto(root + path)
        expect(page.locator("main form button")).to_have_count(0)
    expect(page.get_by_label("Schema", exact=True)).to_be_disabled()
    page.goto(f"{root}/sources/{source}/settings")
    expect(page.get_by_label("Name")).to_be_disabled()
    expect(page.locator("main form button")).to_have_count(0)
    page.goto(f"{root}/system")
    expect(page.get_by_role("heading", name="Retention")).to_be_visible()
    expect(page.get_by_role("link", name="All changes")).to_have_count(0)
    context.close()
