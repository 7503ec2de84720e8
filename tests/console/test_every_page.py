"""Every page: it is there for everybody, looks right, and does nothing that a sender has written."""

import re

import pytest
from playwright.sync_api import Browser, expect

from ..browser.install import ENGINE
from ..support import Collector
from .every_page import Shown, fill
from .looker import OVERFLOW, Looker

EVENT = {
    "type": "purchase-order",
    "properties": {"price": 13.45, "item": {"name": "Sun glasses"}},
    "context": {"page": {"url": "https://shop.example.com/sale", "path": "/sale"}},
}

SCRIPTS = [
    "<script>hacked=1</script>", "<img src=x onerror=hacked=1>", "\"><svg onload=hacked=1>",
    "' onmouseover='hacked=1", "javascript:hacked=1", "</textarea><script>hacked=1</script>",
    "</title><script>hacked=1</script>", "</style><script>hacked=1</script>", "{{ 7 * 7 }}",
    "{% raw %}", "${hacked=1}", "<a href=javascript:hacked=1>x</a>", "<iframe srcdoc='<b>'>",
    "<base href=https://evil.example/>", "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<form action=https://evil.example>", "<link rel=stylesheet href=https://evil.example/x.css>",
    "<style>body{display:none}</style>", "<!--", "]]>", "--><script>hacked=1</script>",
    "<div hx-get=/console hx-trigger=load>", "<tr hx-on:click=hacked=1>", "data-chart=\"x\"",
    "'; DROP TABLE events; --", "\" OR \"\"=\"", "%00%0d%0aSet-Cookie:x=1", "=cmd|' /C calc'!A0",
    "../../etc/passwd", "?source=x&type=y#z", "<math href=javascript:hacked=1>", "<details open ontoggle=hacked=1>",
    "<svg><script href=data:,hacked=1>", "`${hacked=1}`", "&lt;script&gt;", "&quot;&amp;", "%3Cscript%3E",
]  # fmt: skip
SHAPES = [
    "", " ", "\u202eevil", "\u2066x\u2069", "a\u0301" * 60, "\u200b\u200b", "x" * 200, "W" * 180,
    "\U0001f600" * 60, "\u4e2d\u6587" * 60, "\u0627\u0644" * 60, "a b " * 50, "-" * 180, "\\" * 40, "'" * 40,
    "line\nbreak", "tab\there", "\x1b[31mred", "\x07\x08", "null", "true", "0", "-1", "1e999", "NaN",
    "__proto__", "constructor", "toString", "hasOwnProperty", "(other)", "(all)", "undefined",
]  # fmt: skip
ALL = [*SCRIPTS, *SHAPES]
HOSTILE = [
    *ALL,
    *(f"https://shop.example/{text}?utm_source={text}" for text in ALL),
    *(f"Mozilla/5.0 ({text}) {text}" for text in SCRIPTS),
    *(f'{{"a": "{text}"}}' for text in SCRIPTS),
]
FREE = ("/console/logout", "/console/explore/stop")  # forms that everybody may send
PARTS = 4  # of the texts, each with a source of its own


def name_of(text: str) -> str:
    """What may be the id of a session, or the name of a source."""
    return "".join(char for char in text if char.isprintable())[:128]


def session_of(text: str) -> str:
    """An id of a session that no other test has."""
    return name_of(f"every page {text}")


def assert_harmless(looker: Looker, address: str) -> None:
    page = looker.goto(address)
    expect(page.get_by_role("heading", level=1)).to_be_visible()
    assert page.evaluate("'hacked' in window") is False, address
    assert page.evaluate(OVERFLOW) == 0, f"{address} is wider than the screen"
    assert (
        page.evaluate("document.querySelectorAll('main iframe, main base, main meta').length") == 0
    )


@pytest.fixture(scope="module")
def shown(console_collector: Collector) -> Shown:
    return fill(console_collector, "Every page", EVENT, {})


def test_every_page_is_accessible_and_fits(looker: Looker, shown: Shown) -> None:
    for address in shown.addresses():
        page = looker.goto(address)
        expect(page.get_by_role("heading", level=1)).to_be_visible()
        looker.check_looks()


@pytest.mark.skipif(ENGINE == "firefox", reason="its driver cannot turn scripts off")
def test_every_page_works_without_a_script(
    browser: Browser, console_collector: Collector, shown: Shown
) -> None:
    with Looker(browser, console_collector, java_script_enabled=False) as looker:
        for address in shown.addresses():
            page = looker.goto(address)
            expect(page.get_by_role("heading", level=1)).to_be_visible()


def test_every_page_is_there_for_who_may_only_read_or_is_refused(
    console_collector: Collector, shown: Shown
) -> None:
    import httpx

    from collector import store

    with console_collector.database() as database:
        _, secret = store.create_token(database, "reader", role="read", source_id=shown.source_id)
    with httpx.Client(base_url=f"{console_collector.url}/console", timeout=20) as reader:
        assert reader.post("/login", data={"token": secret}).status_code == 303
        for address in shown.addresses():
            answer = reader.get(address)
            assert answer.status_code in (200, 303, 403), address
            # What changes something is not offered, or cannot be used.
            forms = re.findall(
                r'<form method="post" action="([^"]+)".*?</form>', answer.text, re.DOTALL
            )
            bodies = re.findall(r'<form method="post".*?</form>', answer.text, re.DOTALL)
            for action, body in zip(forms, bodies, strict=True):
                assert action in FREE or "<fieldset" in body, address
                assert action in FREE or re.search(r"<fieldset[^>]* disabled", body), address


def test_each_page_of_a_source_has_its_tabs(looker: Looker, shown: Shown) -> None:
    own = f"/sources/{shown.source_id}/"
    addresses = [one for one in shown.addresses() if one.startswith(own) and "/check" not in one]
    assert len(addresses) >= 5
    tabs = []
    for address in addresses:
        tab = looker.goto(address).get_by_role("navigation", name="Source").get_by_role("link")
        tabs.append(tab.evaluate_all("all => all.map((one) => one.getAttribute('href'))"))
        expect(tab.locator("xpath=self::*[@aria-current='page']")).to_have_count(1)
    assert tabs == [tabs[0]] * len(addresses)
    assert all(shown.source_id in path for path in tabs[0])


@pytest.mark.parametrize("part", range(PARTS))
def test_nothing_that_a_sender_has_written_does_anything(looker: Looker, part: int) -> None:
    texts = HOSTILE[part::PARTS]
    clean = [text for text in texts if text.strip()]
    event = {
        "type": clean[0][:200],
        "properties": {f"{text}.": text for text in texts},
        "context": {
            "page": {"url": clean[1], "path": clean[1], "title": clean[2]},
            "campaign": {f"{text}.": text for text in texts[:20]},
        },
    }
    request = {
        "session": {"id": session_of(clean[3])},
        "context": {
            "browser": {"userAgent": clean[4], "language": clean[5]},
            "page": {"url": clean[6], "path": clean[6], "referrer": clean[7]},
            "utm": {"source": clean[8], "campaign": clean[9]},
            "time": {"tz": clean[10]},
        },
    }
    collector = looker.collector
    found = fill(collector, name_of(clean[11]), event, request)
    for text in clean:
        more = {"type": text[:200], "properties": {f"{text}.": {f"{text}.": text}}}
        page_view = {
            "type": "page-view",
            "context": {"page": {"url": text, "path": text, "referrer": f"https://{text}/"}},
        }
        answer = collector.post(
            {
                **request,
                "source": {"id": found.source_id},
                "session": {"id": session_of(text)},
                "events": [more, page_view],
            },
            headers={"Origin": "https://shop.example"},
        )
        assert answer.status_code == 200, answer.text
    for address in found.addresses():
        assert_harmless(looker, address)


def test_there_are_hostile_texts_enough() -> None:
    assert len(set(HOSTILE)) >= 200
