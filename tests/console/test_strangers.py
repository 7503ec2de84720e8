"""What senders write is shown on Install and Profiles, and never obeyed."""

import json
from functools import partial

from playwright.sync_api import Page, expect

from collector import store

from ..support import Collector, wait_for
from .looker import NARROW, OVERFLOW, WIDE, Looker

HOSTILE = [
    "<script>window.evil = 1</script>",
    "<img src=x onerror=window.evil=1>",
    "\"><svg onload=window.evil=1>",
    "' onmouseover='window.evil=1",
    "javascript:window.evil=1",
    "</title><script>window.evil=1</script>",
    "{{ 7*7 }}{% raw %}",
    "${7*7}`",
    "\u202eevil\u2066",
    "\x1b[2J\x00\x07",
    "&lt;b&gt;&#0;",
    "a" * 2000,
    "\U0001f468\u200d\U0001f469\u200d\U0001f467" * 50,
    "../../etc/passwd",
    "=cmd|' /C calc'!A0",
    "%3Cscript%3E",
    "<!--", "]]>", "?profile=x&id=y#z", "\n\r\n<hr>",
]  # fmt: skip
FIND = "SELECT 1 FROM sightings WHERE source_id = ?"
WORKS = "window.evil === undefined && !document.querySelector('main :is(img, script, svg, hr, b)')"


def check(page: Page, path: str, looker: Looker) -> None:
    looker.goto(path)
    assert page.evaluate(WORKS), page.content()
    assert "49" not in page.locator("main h1").inner_text()
    page.set_viewport_size(NARROW)  # type: ignore[arg-type]
    assert page.evaluate(OVERFLOW) == 0
    page.set_viewport_size(WIDE)  # type: ignore[arg-type]


def send(collector: Collector, source: str) -> str:
    """A visitor whose events, pages, campaign and browser are all hostile."""
    profile = ""
    for number, text in enumerate(HOSTILE):
        page = {"url": f"https://a.example/{text}", "path": text, "referrer": text}
        body = {
            "source": {"id": source},
            "session": {"id": f"h-{number}"},
            **({"profile": {"id": profile}} if profile else {}),
            "context": {
                "utm": {"campaign": text},
                "browser": {"userAgent": text, "language": text},
            },
            "events": [
                {"type": "page-view", "context": {"page": page}},
                {"type": text[:100], "properties": {text: text}, "id": f"{text[:50]}-{number}"},
            ],
        }
        answer = collector.post(json.dumps(body), headers={"Origin": "https://a.example"})
        assert answer.status_code == 200
        profile = answer.json()["profile"]["id"]
    return profile


def test_a_hostile_visitors_story_is_text(looker: Looker) -> None:
    source = looker.collector.add_source()
    profile = send(looker.collector, source)
    page = looker.page
    check(page, f"/profiles?profile={profile}", looker)
    expect(page.get_by_role("table", name="Events")).to_contain_text("window.evil")
    check(page, f"/profiles/forget?profile={profile}", looker)
    for text in HOSTILE:
        looker.goto("/profiles")
        page.get_by_label("Id of a profile, a session or an event").fill(text)
        page.get_by_role("button", name="Find").click()
        assert page.evaluate(WORKS)
        expect(page.locator(".empty")).to_be_visible()


def test_a_hostile_name_and_origin_are_text(looker: Looker) -> None:
    collector = looker.collector
    for text in HOSTILE[:10]:
        with collector.database() as database:
            name = " ".join(
                text.replace("\x00", "").replace("\x07", "").replace("\x1b", "").split()
            )
            source = store.add_source(database, name[:200], origins=["https://a.example"]).id
        origin = text if text.isascii() and text.isprintable() else "odd\tone"
        body = {"source": {"id": source}, "events": [{"type": "a"}]}
        assert collector.post(body, headers={"Origin": origin}).status_code == 403
        wait_for(partial(collector.rows, FIND, source), "the sighting")
        check(looker.page, f"/sources/{source}/install", looker)
        expect(looker.page.locator("[data-cause]")).to_contain_text("an odd origin")
        check(looker.page, f"/sources/{source}/install?tab={text[:3]}&since=7d", looker)
        looker.goto(f"/sources/{source}/install?api=https://a.example")
        field = looker.page.get_by_label("The collector's address")
        field.fill(text.replace("\n", " "))
        looker.page.get_by_role("button", name="Use it").click()
        assert looker.page.evaluate(WORKS)
