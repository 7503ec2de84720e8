"""Profiles, in a browser: a visitor is found, told, given out and forgotten."""

import json
from typing import Any

import pytest
from playwright.sync_api import Browser, expect

from collector import store

from ..support import Collector
from .looker import Looker

HOSTILE = "<img src=x onerror=alert(1)>\u202e\"'`"


def send(collector: Collector, source: str, session: str, profile: str | None, *events: Any) -> str:
    body = {"source": {"id": source}, "session": {"id": session}, "events": events}
    if profile:
        body["profile"] = {"id": profile}
    answer = collector.post(body)
    assert answer.status_code == 200
    return str(answer.json()["profile"]["id"])


def event(id_: str, kind: str = "page-view", path: str = "/", **properties: Any) -> dict[str, Any]:
    page = {"url": f"https://shop.example.com{path}", "path": path}
    return {"id": id_, "type": kind, "properties": properties, "context": {"page": page}}


@pytest.mark.parametrize("script", [True, False], ids=["script", "no-script"])
def test_a_visitor_is_found_by_any_id_and_told(
    browser: Browser, console_collector: Collector, script: bool
) -> None:
    collector = console_collector
    source = collector.add_source()
    tag = "with" if script else "without"
    first = [event(f"{tag}-1", path="/basket"), event(f"{tag}-2", "order", price=13.45)]
    profile = send(collector, source, f"{tag}-monday", None, *first)
    send(collector, source, f"{tag}-tuesday", profile, event(f"{tag}-3", HOSTILE, HOSTILE))
    with Looker(browser, collector, java_script_enabled=script) as looker:
        page = looker.goto("/profiles")
        for id_ in (profile, f"{tag}-monday", f"{tag}-2"):
            page.get_by_label("Id of a profile, a session or an event").fill(f" {id_} ")
            page.get_by_role("button", name="Find").click()
            expect(page.locator("dl.facts")).to_contain_text(profile)
        sessions = page.get_by_role("table", name="Sessions")
        assert sessions.locator("tbody tr").count() == 2
        expect(sessions).to_contain_text("/basket")
        expect(page.get_by_role("table", name="Events")).to_contain_text('"price": 13.45')
        if script:
            looker.check_looks()
        sessions.locator("tbody tr").nth(1).get_by_role("link").click()
        assert page.get_by_role("table", name="Events").locator("tbody tr").count() == 2
        page.get_by_label("Id of a profile, a session or an event").fill("nothing")
        page.get_by_role("button", name="Find").click()
        expect(page.locator(".empty")).to_contain_text("Nothing has the id nothing")


def test_an_id_of_several_visitors_is_asked_about(looker: Looker) -> None:
    sources = [looker.collector.add_source(profiles="per-source") for _ in range(2)]
    profiles = [send(looker.collector, source, "same", None, event("e")) for source in sources]
    page = looker.goto("/profiles?id=same")
    for profile in profiles:
        expect(page.get_by_role("link", name=profile)).to_be_visible()
    looker.check_looks()
    page.get_by_role("link", name=profiles[1]).click()
    expect(page.locator("dl.facts")).to_contain_text(profiles[1])


def test_a_long_story_is_read_page_by_page(looker: Looker) -> None:
    source = looker.collector.add_source()
    profile: str | None = None
    for number in range(45):
        profile = send(
            looker.collector, source, f"long-{number}", profile,
            event(f"long-{number}-a"), event(f"long-{number}-b"),
        )  # fmt: skip
    page = looker.goto(f"/profiles?id={profile}")
    counts = []
    for name in ("Older sessions", "Older events"):
        table = page.get_by_role("table", name=name.removeprefix("Older ").capitalize())
        counts.append(table.locator("tbody tr").count())
        while (link := page.get_by_role("link", name=name)).count():
            link.click()
            counts.append(table.locator("tbody tr").count())
    assert counts == [20, 20, 5, 50, 40]


def test_a_visitor_is_given_out_and_forgotten_once_the_id_is_typed(looker: Looker) -> None:
    collector = looker.collector
    source = collector.add_source()
    profile = send(collector, source, "gone", None, event("gone-1"), event("gone-2"), {"type": ""})
    page = looker.goto(f"/profiles?id={profile}")
    with page.expect_download() as found:
        page.get_by_role("link", name="Download everything").click()
    lines = [json.loads(line) for line in found.value.path().read_text().splitlines()]
    assert [line["table"] for line in lines] == [
        "profiles", "sessions", "events", "events", "rejected"
    ]  # fmt: skip
    page.get_by_role("link", name="Forget").click()
    for text in ("2 events", "1 rejected event", "1 session", "1 profile"):
        expect(page.locator("main")).to_contain_text(text)
    looker.check_looks()
    page.get_by_label("Type the profile's id").fill("yes")
    page.get_by_role("button", name="Forget this visitor").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert len(collector.events(source)) == 2
    page.get_by_label("Type the profile's id").fill(profile)
    page.get_by_role("button", name="Forget this visitor").click()
    expect(page.get_by_text("The visitor is forgotten. Removed: events 2")).to_be_visible()
    assert collector.events(source) == []
    entries = collector.rows("SELECT * FROM audit WHERE action = 'profile.forget'")
    assert len(entries) == 1
    assert profile not in repr(entries)


def test_who_sees_one_source_sees_its_part_of_a_visitor_only(
    browser: Browser, collector: Collector
) -> None:
    own, other = collector.add_source(), collector.add_source()
    profile = send(collector, own, "a", None, event("own"))
    send(collector, other, "b", profile, event("other", "secret-type"))
    with collector.database() as database:
        secret = store.create_token(database, "anna", source_id=own)[1]
    page = browser.new_page()
    page.goto(f"{collector.url}/console/profiles?id={profile}")
    page.get_by_label("Token").fill(secret)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("dl.facts")).to_contain_text(profile)
    assert "secret-type" not in page.content()
    assert other not in page.content()
    expect(page.get_by_role("link", name="Forget")).to_have_count(0)
    for path in ("export", "forget"):
        answer = page.goto(f"{collector.url}/console/profiles/{path}?profile={profile}")
        assert answer
        assert answer.status == 403
    page.goto(f"{collector.url}/console/profiles?id=other")
    expect(page.locator(".empty")).to_contain_text("Nothing has the id")
    page.close()
