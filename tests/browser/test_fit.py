"""Pages as they are: strict policies, odd globals, frozen prototypes, frames; and what the page's
owner is told."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Route

from cli.builder.snippet import render_snippet
from collector.store import update_source

from ..support import Collector, wait_for
from .environment import (
    DIST,
    EVENTS,
    TYPES,
    Network,
    Site,
    Visitor,
    page_server,
    settled,
    snippet,
    split_snippet,
)
from .install import ENGINE

READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"


def page_with(site: Site, head: str, body: str = "", *, policy: str = "") -> str:
    """A page of exactly this markup, with a policy of its own."""
    meta = f'<meta http-equiv="Content-Security-Policy" content="{policy}">' if policy else ""
    (site.folder / "p.html").write_text(
        f"<!doctype html><html><head>{meta}{head}</head><body>{body}</body></html>"
    )
    return f"{site.origin}/p.html"


@pytest.mark.parametrize(
    "more", ["", "; require-trusted-types-for 'script'"], ids=["plain", "trusted types"]
)
def test_the_one_line_form_under_the_strictest_policy(
    page_collector: Collector, site: Site, visitor: Visitor, more: str
) -> None:
    source, api = page_collector.add_source(), page_collector.url
    (site.folder / "own.js").write_text(
        "addEventListener('load', () => window.tracker.track('strict'));"
    )
    head = snippet(source, api, one_line=True) + '<script src="own.js"></script>'
    policy = f"default-src 'none'; script-src 'self' {api}; connect-src {api}{more}"
    visitor.open(page_with(site, head, policy=policy))
    assert [row["type"] for row in settled(page_collector, source, 1)] == ["strict"]
    assert visitor.console == visitor.errors == []


def test_the_classic_form_with_a_nonce_and_nothing_else(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    """No host is allowed: the loader hands its nonce on to the bundle, and the bundle to its
    parts."""
    source, api = page_collector.add_source(), page_collector.url
    head = render_snippet(source, api, DIST, nonce="n0nce").html
    body = """<button id="b" data-thamesthrive-tag="b">b</button><script nonce="n0nce">
      options.tracker.auto = {triggers: [{tag: "b", trigger: "onVisible", data: {event: "seen"}}]};
      window.tracker.track("strict");</script>"""
    visitor.open(
        page_with(
            site,
            head,
            body,
            policy=f"default-src 'none'; script-src 'nonce-n0nce'; connect-src {api}",
        )
    )
    assert sorted(row["type"] for row in settled(page_collector, source, 2)) == ["seen", "strict"]
    assert visitor.console == visitor.errors == []


def test_a_page_isolated_from_other_origins(page_collector: Collector, visitor: Visitor) -> None:
    """Cross-Origin-Embedder-Policy: only resources that allow it are loaded."""
    source = page_collector.add_source()
    html = f"<!doctype html><html><head>{snippet(source, page_collector.url)}</head><script>{EVENTS}</script></html>"
    headers = {
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    with page_server(html, headers) as address:
        page = visitor.open(address)
        assert [row["type"] for row in settled(page_collector, source, 3)] == TYPES
        assert page.evaluate("crossOriginIsolated") is True


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_on_https_the_cookie_is_for_https_only(
    page_collector: Collector, tmp_path: Path, browser: Browser
) -> None:
    pem = tmp_path / "own.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", pem, "-out", tmp_path / "c.pem"],
        check=True,
        capture_output=True,
    )
    pem.write_text(pem.read_text() + (tmp_path / "c.pem").read_text())
    source = page_collector.add_source()
    html = f"<!doctype html><html><head>{snippet(source, page_collector.url)}</head><script>{EVENTS}</script></html>"
    with page_server(html, {}, pem) as address:
        context = browser.new_context(ignore_https_errors=True)
        page = context.new_page()
        page.goto(address)
        settled(page_collector, source, 3)
        (cookie,) = context.cookies()
        page.goto("about:blank")
        context.close()
    assert {key: cookie.get(key) for key in ("name", "secure", "sameSite", "path")} == {
        "name": "thamesthrive-session-id",
        "secure": True,
        "sameSite": "Lax",
        "path": "/",
    }


GLOBALS = {
    "AMD": "window.define = () => { throw new Error('called') }; window.define.amd = {};",
    "CommonJS": "var module = {exports: {}}, exports = module.exports;",
    "own names": "const config = {mine: 1}; var response = 5, Analytics = {}, analytics = {}, queue = [], source = 'x';",
    "frozen prototypes": "[Object, Array, Function, String, Promise, Map, Storage].forEach(t => Object.freeze(t.prototype));",
    "more on prototypes": "Object.prototype.extra = function () {}; Array.prototype.last = function () {};",
    "an old polyfill": "window.AbortSignal = undefined; window.AbortSignal = function () {};",
    "no locks": "Object.defineProperty(navigator, 'locks', {value: undefined});",
}


@pytest.mark.parametrize("script", GLOBALS.values(), ids=GLOBALS)
@pytest.mark.parametrize("one_line", [False, True], ids=["classic", "one-line"])
def test_odd_pages_store_their_events(
    page_collector: Collector, site: Site, visitor: Visitor, script: str, one_line: bool
) -> None:
    source = page_collector.add_source()
    head = f"<script>{script}</script>" + snippet(source, page_collector.url, one_line=one_line)
    events = (
        f"const go = () => {{ {EVENTS} }}; window.tracker ? go() : addEventListener('load', go);"
    )
    visitor.open(site.add("p.html", events, head=head))
    rows = settled(page_collector, source, 3)
    assert [row["type"] for row in rows] == TYPES
    assert json.loads(rows[1]["properties"]) == {"Eletronics": ["Mobile phones", "Accessories"]}
    assert visitor.errors == []
    assert visitor.said("ThamesThrive") == []


@pytest.mark.skipif(
    ENGINE != "chromium", reason="the driver stands in for servers in Chromium only"
)
@pytest.mark.parametrize(
    "address", ["/t/tracker/tracker.min.js", "/tracker/tracker.min.js", "/t/js/tracker.min.js"]
)
def test_the_address_of_the_script_names_the_collector(
    page_collector: Collector, site: Site, visitor: Visitor, address: str
) -> None:
    """A collector that the site's own server serves, below a path or at its root."""
    prefix = address.removesuffix("/tracker.min.js").removesuffix("/tracker")
    source = page_collector.add_source()
    posted: list[str] = []

    def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path
        own = "/tracker/tracker.min.js" if path == address else path.removeprefix(prefix)
        if path != address:
            posted.append(path)
        route.fulfill(response=route.fetch(url=page_collector.url + own))

    visitor.context.route(lambda url: "/track" in url, serve)
    tag = f'<script async src="{address}" data-source="{source}"></script>'
    page = visitor.open(site.add("p.html", head=tag))
    page.wait_for_function("window.tracker?.ready")
    assert page.evaluate("() => tracker.track('a')")["stored"] is True
    assert posted == [f"{prefix}/track"]
    assert len(page_collector.events(source)) == 1


def test_a_page_with_options_of_its_own_uses_the_one_line_form(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    head = "<script>const options = {color: 'red'};</script>" + snippet(
        source, page_collector.url, one_line=True
    )
    page = visitor.open(site.add("p.html", head=head))
    page.wait_for_function(READY)
    assert page.evaluate("() => window.tracker.track('a')")["stored"] is True
    settled(page_collector, source, 1)


@pytest.mark.parametrize("where", ["body", "end", "late"])
def test_the_snippet_may_stand_elsewhere(
    page_collector: Collector, site: Site, visitor: Visitor, where: str
) -> None:
    source = page_collector.add_source()
    html = snippet(source, page_collector.url)
    if where == "late":  # by a tag manager, when the page has long been loaded
        page = visitor.open(site.add("p.html"))
        page.evaluate(
            """html => { for (const old of new DOMParser().parseFromString(html, 'text/html').scripts) {
                const made = document.createElement('script'); made.text = old.text; document.body.append(made); } }""",
            html,
        )
        page.evaluate("() => { " + EVENTS + " }")
    else:
        body = html if where == "body" else "<p>text</p>" * 200 + html
        visitor.open(page_with(site, "", f"{body}<script>{EVENTS}</script>"))
    assert [row["type"] for row in settled(page_collector, source, 3)] == TYPES
    assert visitor.errors == []


def test_a_sandboxed_frame_works_in_memory_and_keeps_its_visit(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    """Without an origin there is neither storage nor cookie."""
    source = page_collector.add_source()
    site.add("inner.html", EVENTS, head=snippet(source, page_collector.url))
    visitor.open(page_with(site, "", '<iframe sandbox="allow-scripts" src="inner.html"></iframe>'))
    rows = settled(page_collector, source, 3)
    assert [row["type"] for row in rows] == TYPES
    assert len({row["session_id"] for row in rows}) == 1
    assert visitor.errors == []


def test_a_page_opened_from_a_file(page_collector: Collector, site: Site, visitor: Visitor) -> None:
    source = page_collector.add_source()
    site.add("p.html", EVENTS, head=snippet(source, page_collector.url))
    visitor.open(f"file://{site.folder}/p.html")
    assert [row["type"] for row in settled(page_collector, source, 3)] == TYPES


def test_a_frame_of_another_site_has_a_visit_of_its_own(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    inner = site.add("inner.html", EVENTS, head=snippet(source, page_collector.url))
    outer = page_with(site, "", f'<iframe src="{inner}"></iframe>').replace(
        "127.0.0.1", "localhost"
    )
    visitor.open(outer)
    rows = settled(page_collector, source, 3)
    assert len({row["session_id"] for row in rows}) == 1


WIDGET = {"tag": "aside", "props": {"id": "offer", "class": "wide"}, "content": "A cup for you"}


@pytest.mark.parametrize("allowed", [True, False])
def test_elements_from_the_collector_are_shown_once_and_only_where_allowed(
    page_collector: Collector, site: Site, visitor: Visitor, allowed: bool
) -> None:
    source = page_collector.add_source()
    answer = {"ux": [WIDGET], "response": {"segment": "early birds"}}
    with Network(page_collector) as network:
        network.alter = lambda body: {**body, **answer} if len(network.bodies) == 1 else body
        head = split_snippet(source, page_collector, network)
        script = (
            f"options.tracker.settings = {{allowUx: {str(allowed).lower()}}}; tracker.track('a');"
        )
        page = visitor.open(site.add("p.html", script, head=head))
        assert page.evaluate("async () => (await tracker.ready).response") == {
            "segment": "early birds"
        }
        told = page.evaluate(
            "() => new Promise(done => onThamesThriveReady.bind(({context}) => done(context.response)))"
        )
        assert told == {"segment": "early birds"}
        if allowed:
            page.wait_for_selector("#offer.wide")
        page.evaluate("() => tracker.track('b', {}, {fire: true})")
        assert page.locator("#offer").all_inner_texts() == (["A cup for you"] if allowed else [])
    settled(page_collector, source, 2)


def test_the_debug_overlay_shows_what_happens(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    address = site.add("p.html", head=snippet(source, page_collector.url))
    page = visitor.open(address + "#thamesthrive-debug")
    log = page.get_by_role("log", name="ThamesThrive debug")
    log.wait_for()
    page.evaluate("() => { tracker.track('shown', {n: 1}); tracker.track('', {}, {fire: true}); }")
    wait_for(
        lambda: "shown" in log.inner_text() and "/type" in log.inner_text(),
        "the verdicts on the page",
    )
    assert "Waiting: 0." in log.inner_text()
    page.get_by_role("button", name="Close").click()
    assert log.count() == 0
    settled(page_collector, source, 1)


@pytest.mark.parametrize(
    ("change", "cure"),
    [
        ({"enabled": False}, "Access denied. Source disabled."),
        ({"origins": ["https://shop.example.com"]}, "`thamesthrive source show "),
    ],
)
def test_the_debug_overlay_says_what_to_do_about_a_refusal(
    page_collector: Collector, site: Site, visitor: Visitor, change: dict[str, Any], cure: str
) -> None:
    source = page_collector.add_source()
    with page_collector.database() as database:
        update_source(database, source, change)
    address = site.add("p.html", "tracker.track('a')", head=snippet(source, page_collector.url))
    page = visitor.open(address + "#thamesthrive-debug")
    log = page.get_by_role("log", name="ThamesThrive debug")
    wait_for(lambda: log.count() and "answer 40" in log.inner_text(), "the answer on the page")
    told = log.inner_text()
    assert cure in told
    if "origins" in change:
        assert f"This page is of {site.origin};" in told
        assert f"{source}` lists what is allowed." in told
    else:
        assert "See `thamesthrive source list`." in told


def test_debug_says_that_the_snippet_comes_too_late(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    body = f"<script>{EVENTS}</script>{snippet(source, page_collector.url)}<script>options.tracker.settings = {{debug: true}}</script>"
    visitor.open(page_with(site, "", body))
    assert wait_for(lambda: visitor.said("paste the snippet first"), "the advice")


def test_the_module_makes_a_tracker_of_its_own(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    """Two sources on one page, and nothing global."""
    one, other = page_collector.add_source(), page_collector.add_source()
    (site.folder / "tracker.mjs").write_bytes((DIST / "tracker.mjs").read_bytes())
    script = f"""
      import {{createTracker}} from "./tracker.mjs";
      const make = (id) => createTracker({{source: {{id}}, url: {{api: "{page_collector.url}"}}}});
      const [one, other] = [make("{one}"), make("{other}")];
      one.track("one"); other.track("other");
      document.title = [typeof window.tracker, typeof window.onThamesThriveReady].join();
    """
    page = visitor.open(page_with(site, f'<script type="module">{script}</script>'))
    assert [row["type"] for row in settled(page_collector, one, 1)] == ["one"]
    assert [row["type"] for row in settled(page_collector, other, 1)] == ["other"]
    assert page.title() == "undefined,undefined"
    assert visitor.errors == []


@pytest.mark.parametrize("answers", [True, False])
def test_a_place_is_asked_for_where_the_options_say(
    page_collector: Collector, site: Site, visitor: Visitor, answers: bool
) -> None:
    source = page_collector.add_source()
    if answers:
        (site.folder / "place.json").write_text('{"country": "England"}')
    script = "options.tracker.context = {location: {url: 'place.json', data: {city: 'London'}}}; tracker.track('a');"
    page = visitor.open(site.add("p.html", script, head=snippet(source, page_collector.url)))
    page.wait_for_function(
        "performance.getEntriesByType('resource').some((entry) => entry.name.endsWith('place.json'))"
    )
    expected = {"city": "London", **({"country": "England"} if answers else {})}

    def stored() -> bool:
        page.evaluate("() => tracker.track('b', {}, {fire: true})")
        (session,) = page_collector.rows("SELECT context FROM sessions WHERE source_id = ?", source)
        return bool(json.loads(session["context"])["location"] == expected)

    wait_for(stored, f"the place to be {expected}")
    assert visitor.errors == []


def test_debugging_changes_nothing_when_others_answer(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    """A refusal in HTML is final with debug as without it."""
    source = page_collector.add_source()
    with Network(page_collector) as network:
        network.weather = lambda _: (403, {}, b"<h1>Forbidden</h1>")
        script = "options.tracker.settings = {debug: true}; var done = tracker.track('a');"
        page = visitor.open(
            site.add("p.html", script, head=split_snippet(source, page_collector, network))
        )
        result = page.evaluate("() => done")
        assert (result["stored"], result["detail"]) == (False, "<h1>Forbidden</h1>")
    assert visitor.said("answer 403")
    assert visitor.errors == []


def test_before_consent_addresses_of_an_application_wait_and_no_location_is_asked_for(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    (site.folder / "place.json").write_text('{"city": "London"}')
    script = """options.tracker.settings = {consent: "pending", pageViews: "spa"};
      options.tracker.context = {location: {url: "place.json"}};"""
    page = visitor.open(site.add("p.html", script, head=snippet(source, page_collector.url)))
    page.wait_for_function(READY)
    asked = "performance.getEntriesByType('resource').some(({name}) => /place/.test(name))"
    page.wait_for_function("!/native/.test(history.pushState)")
    page.evaluate("() => history.pushState(null, '', '?two')")
    assert page_collector.events(source) == []
    assert not page.evaluate(asked)
    page.evaluate("() => tracker.consent('granted')")
    assert [row["type"] for row in settled(page_collector, source, 2)] == ["page-view"] * 2
    page.wait_for_function(asked)


def test_denied_consent_forgets_what_was_kept(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    page = visitor.open(site.add("p.html", EVENTS, head=snippet(source, page_collector.url)))
    settled(page_collector, source, 3)
    page.evaluate("() => tracker.consent('denied')")
    assert page.evaluate("[document.cookie, localStorage.length]") == ["", 0]
    result = page.evaluate("() => tracker.track('no')")
    assert (result["stored"], result["reason"], result["detail"]) == (
        False,
        "disabled_source",
        "denied",
    )
    page.evaluate("() => tracker.consent('granted')")
    assert page.evaluate("() => tracker.track('yes')")["stored"] is True
    page.goto("about:blank")
    assert [row["type"] for row in settled(page_collector, source, 4)] == [*TYPES, "yes"]
