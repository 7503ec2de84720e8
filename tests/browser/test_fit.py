"""Pages as they are: strict policies, odd globals, frozen prototypes, frames; and what the page's
owner is told."""

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from collector.testing import Tracking, TrackingCollector, TrackingSource

from ..support import Collector, wait_for
from .environment import DIST, EVENTS, TYPES, Network, Site, page_server, through
from .install import ENGINE

pytestmark = pytest.mark.usefixtures("in_order")
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
    page: Page, site: Site, tracking_source: TrackingSource, tracking: Tracking, more: str
) -> None:
    api = tracking_source.collector
    (site.folder / "own.js").write_text(
        "addEventListener('load', () => window.tracker.track('strict'));"
    )
    head = tracking_source.snippet(one_line=True) + '<script src="own.js"></script>'
    policy = f"default-src 'none'; script-src 'self' {api}; connect-src {api}{more}"
    page.goto(page_with(site, head, policy=policy))
    tracking.expect_exactly("strict")
    assert tracking.console == tracking.uncaught == []


def test_the_classic_form_with_a_nonce_and_nothing_else(
    page: Page, site: Site, tracking_source: TrackingSource, tracking: Tracking
) -> None:
    """No host is allowed: the loader hands its nonce on to the bundle, and the bundle to its
    parts."""
    api = tracking_source.collector
    head = tracking_source.snippet(nonce="n0nce")
    body = """<button id="b" data-thamesthrive-tag="b">b</button><script nonce="n0nce">
      options.tracker.auto = {triggers: [{tag: "b", trigger: "onVisible", data: {event: "seen"}}]};
      window.tracker.track("strict");</script>"""
    page.goto(
        page_with(
            site,
            head,
            body,
            policy=f"default-src 'none'; script-src 'nonce-n0nce'; connect-src {api}",
        )
    )
    tracking.expect("seen", times=1)
    tracking.expect("strict", times=1)
    assert len(tracking.events) == 2
    assert tracking.console == tracking.uncaught == []


def test_a_page_isolated_from_other_origins(page: Page, head: str, tracking: Tracking) -> None:
    """Cross-Origin-Embedder-Policy: only resources that allow it are loaded."""
    html = f"<!doctype html><html><head>{head}</head><script>{EVENTS}</script></html>"
    headers = {
        "Cross-Origin-Embedder-Policy": "require-corp",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    with page_server(html, headers) as address:
        page.goto(address)
        tracking.expect_exactly(*TYPES)
        assert page.evaluate("crossOriginIsolated") is True


@pytest.mark.skipif(not shutil.which("openssl"), reason="openssl is not installed")
def test_on_https_the_cookie_is_for_https_only(
    tmp_path: Path, browser: Browser, head: str, tracking: Tracking
) -> None:
    pem = tmp_path / "own.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    subprocess.run(
        [*command.split(), "-keyout", pem, "-out", tmp_path / "c.pem"],
        check=True,
        capture_output=True,
    )
    pem.write_text(pem.read_text() + (tmp_path / "c.pem").read_text())
    html = f"<!doctype html><html><head>{head}</head><script>{EVENTS}</script></html>"
    with page_server(html, {}, pem) as address:
        context = browser.new_context(ignore_https_errors=True)
        tracking.attach(context)
        page = context.new_page()
        page.goto(address)
        tracking.expect_exactly(*TYPES)
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
    page: Page,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
    script: str,
    one_line: bool,
) -> None:
    head = f"<script>{script}</script>" + tracking_source.snippet(one_line=one_line)
    events = (
        f"const go = () => {{ {EVENTS} }}; window.tracker ? go() : addEventListener('load', go);"
    )
    page.goto(site.add("p.html", events, head=head))
    _, interest, _ = tracking.expect_exactly(*TYPES)
    assert interest.properties == {"Eletronics": ["Mobile phones", "Accessories"]}
    assert tracking.uncaught == []
    assert [text for text in tracking.console if "ThamesThrive" in text] == []


@pytest.mark.skipif(
    ENGINE != "chromium", reason="the driver stands in for servers in Chromium only"
)
@pytest.mark.parametrize(
    "address", ["/t/tracker/tracker.min.js", "/tracker/tracker.min.js", "/t/js/tracker.min.js"]
)
def test_the_address_of_the_script_names_the_collector(
    page: Page,
    context: BrowserContext,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
    address: str,
) -> None:
    """A collector that the site's own server serves, below a path or at its root."""
    prefix = address.removesuffix("/tracker.min.js").removesuffix("/tracker")
    posted: list[str] = []

    def serve(route: Route) -> None:
        path = urlsplit(route.request.url).path
        own = "/tracker/tracker.min.js" if path == address else path.removeprefix(prefix)
        if path != address:
            posted.append(path)
        route.fulfill(response=route.fetch(url=tracking_source.collector + own))

    context.route(lambda url: "/track" in url, serve)
    tag = f'<script async src="{address}" data-source="{tracking_source.id}"></script>'
    page.goto(site.add("p.html", head=tag))
    page.wait_for_function("window.tracker?.ready")
    assert page.evaluate("() => tracker.track('a')")["stored"] is True
    assert posted == [f"{prefix}/track"]
    tracking.expect_exactly("a")


def test_a_page_with_options_of_its_own_uses_the_one_line_form(
    page: Page, site: Site, tracking_source: TrackingSource, tracking: Tracking
) -> None:
    own = "<script>const options = {color: 'red'};</script>"
    head = own + tracking_source.snippet(one_line=True)
    page.goto(site.add("p.html", head=head))
    page.wait_for_function(READY)
    assert page.evaluate("() => window.tracker.track('a')")["stored"] is True
    tracking.expect_exactly("a")


@pytest.mark.parametrize("where", ["body", "end", "late"])
def test_the_snippet_may_stand_elsewhere(
    page: Page, site: Site, head: str, tracking: Tracking, where: str
) -> None:
    if where == "late":  # by a tag manager, when the page has long been loaded
        page.goto(site.add("p.html"))
        page.evaluate(
            """html => { for (const old of new DOMParser().parseFromString(html, 'text/html').scripts) {
                const made = document.createElement('script'); made.text = old.text; document.body.append(made); } }""",
            head,
        )
        page.evaluate("() => { " + EVENTS + " }")
    else:
        body = head if where == "body" else "<p>text</p>" * 200 + head
        page.goto(page_with(site, "", f"{body}<script>{EVENTS}</script>"))
    tracking.expect_exactly(*TYPES)
    assert tracking.uncaught == []


def test_a_sandboxed_frame_works_in_memory_and_keeps_its_visit(
    page: Page, site: Site, head: str, tracking: Tracking
) -> None:
    """Without an origin there is neither storage nor cookie."""
    site.add("inner.html", EVENTS, head=head)
    page.goto(page_with(site, "", '<iframe sandbox="allow-scripts" src="inner.html"></iframe>'))
    tracking.expect_exactly(*TYPES)
    tracking.expect_identity(same_session=True)
    assert tracking.uncaught == []


def test_a_page_opened_from_a_file(page: Page, site: Site, head: str, tracking: Tracking) -> None:
    site.add("p.html", EVENTS, head=head)
    page.goto(f"file://{site.folder}/p.html")
    tracking.expect_exactly(*TYPES)


def test_a_frame_of_another_site_has_a_visit_of_its_own(
    page: Page, site: Site, head: str, tracking: Tracking
) -> None:
    inner = site.add("inner.html", EVENTS, head=head)
    outer = page_with(site, "", f'<iframe src="{inner}"></iframe>').replace(
        "127.0.0.1", "localhost"
    )
    page.goto(outer)
    tracking.expect_exactly(*TYPES)
    tracking.expect_identity(same_session=True)


WIDGET = {"tag": "aside", "props": {"id": "offer", "class": "wide"}, "content": "A cup for you"}


@pytest.mark.parametrize("allowed", [True, False])
def test_elements_from_the_collector_are_shown_once_and_only_where_allowed(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking, allowed: bool
) -> None:
    answer = {"ux": [WIDGET], "response": {"segment": "early birds"}}
    with Network(page_collector) as network:
        network.alter = lambda body: {**body, **answer} if len(network.bodies) == 1 else body
        head = through(network, head)
        script = (
            f"options.tracker.settings = {{allowUx: {str(allowed).lower()}}}; tracker.track('a');"
        )
        page.goto(site.add("p.html", script, head=head))
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
        tracking.expect_exactly("a", "b")


def test_the_debug_overlay_shows_what_happens(
    page: Page, site: Site, head: str, tracking: Tracking
) -> None:
    address = site.add("p.html", head=head)
    page.goto(address + "#thamesthrive-debug")
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
    tracking.expect_exactly("shown")
    tracking.expect_rejected("invalid")


@pytest.mark.parametrize(
    ("change", "reason", "cure"),
    [
        ({"enabled": False}, "disabled_source", "Access denied. Source disabled."),
        (
            {"origins": ["https://shop.example.com"]},
            "origin_not_allowed",
            "`thamesthrive source show ",
        ),
    ],
)
def test_the_debug_overlay_says_what_to_do_about_a_refusal(
    page: Page,
    site: Site,
    tracking_collector: TrackingCollector,
    tracking: Tracking,
    change: dict[str, Any],
    reason: str,
    cure: str,
) -> None:
    source = tracking_collector.add_source()
    tracking_collector.set_source(source, **change)
    address = site.add("p.html", "tracker.track('a')", head=source.snippet())
    page.goto(address + "#thamesthrive-debug")
    log = page.get_by_role("log", name="ThamesThrive debug")
    wait_for(lambda: log.count() and "answer 40" in log.inner_text(), "the answer on the page")
    told = log.inner_text()
    assert cure in told
    if "origins" in change:
        assert f"This page is of {site.origin};" in told
        assert f"{source.id}` lists what is allowed." in told
    else:
        assert "See `thamesthrive source list`." in told
    tracking.expect_refused(reason)
    tracking.expect_exactly()


def test_debug_says_that_the_snippet_comes_too_late(
    page: Page, site: Site, head: str, tracking: Tracking
) -> None:
    body = f"<script>{EVENTS}</script>{head}<script>options.tracker.settings = {{debug: true}}</script>"
    page.goto(page_with(site, "", body))
    tracking.expect_console("paste the snippet first")


def test_the_module_makes_a_tracker_of_its_own(
    page: Page, site: Site, tracking_collector: TrackingCollector, tracking: Tracking
) -> None:
    """Two sources on one page, and nothing global."""
    one, other = (tracking_collector.add_source().id for _ in range(2))
    (site.folder / "tracker.mjs").write_bytes((DIST / "tracker.mjs").read_bytes())
    script = f"""
      import {{createTracker}} from "./tracker.mjs";
      const make = (id) => createTracker({{source: {{id}}, url: {{api: "{tracking_collector.url}"}}}});
      const [one, other] = [make("{one}"), make("{other}")];
      one.track("one"); other.track("other");
      document.title = [typeof window.tracker, typeof window.onThamesThriveReady].join();
    """
    page.goto(page_with(site, f'<script type="module">{script}</script>'))
    events = tracking.expect_exactly("one", "other")
    assert [event.raw["source_id"] for event in events] == [one, other]
    assert page.title() == "undefined,undefined"
    assert tracking.uncaught == []


@pytest.mark.parametrize("answers", [True, False])
def test_a_place_is_asked_for_where_the_options_say(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking, answers: bool
) -> None:
    if answers:
        (site.folder / "place.json").write_text('{"country": "England"}')
    script = "options.tracker.context = {location: {url: 'place.json', data: {city: 'London'}}}; tracker.track('a');"
    page.goto(site.add("p.html", script, head=head))
    page.wait_for_function(
        "performance.getEntriesByType('resource').some((entry) => entry.name.endsWith('place.json'))"
    )
    expected = {"city": "London", **({"country": "England"} if answers else {})}

    def stored() -> bool:
        page.evaluate("() => tracker.track('b', {}, {fire: true})")
        visit = tracking.expect("a").session_id
        (session,) = page_collector.rows("SELECT context FROM sessions WHERE id = ?", visit)
        return bool(json.loads(session["context"])["location"] == expected)

    wait_for(stored, f"the place to be {expected}")
    tracking.expect_identity(same_session=True)
    assert tracking.uncaught == []


def test_debugging_changes_nothing_when_others_answer(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking
) -> None:
    """A refusal in HTML is final with debug as without it."""
    with Network(page_collector) as network:
        network.weather = lambda _: (403, {}, b"<h1>Forbidden</h1>")
        script = "options.tracker.settings = {debug: true}; var done = tracker.track('a');"
        page.goto(site.add("p.html", script, head=through(network, head)))
        result = page.evaluate("() => done")
        assert (result["stored"], result["detail"]) == (False, "<h1>Forbidden</h1>")
    tracking.expect_console("answer 403")
    assert tracking.uncaught == []


def test_before_consent_addresses_of_an_application_wait_and_no_location_is_asked_for(
    page: Page, site: Site, head: str, tracking: Tracking
) -> None:
    (site.folder / "place.json").write_text('{"city": "London"}')
    script = """options.tracker.settings = {consent: "pending", pageViews: "spa"};
      options.tracker.context = {location: {url: "place.json"}};"""
    page.goto(site.add("p.html", script, head=head))
    page.wait_for_function(READY)
    asked = "performance.getEntriesByType('resource').some(({name}) => /place/.test(name))"
    page.wait_for_function("!/native/.test(history.pushState)")
    page.evaluate("() => history.pushState(null, '', '?two')")
    tracking.expect_exactly()
    assert not page.evaluate(asked)
    page.evaluate("() => tracker.consent('granted')")
    tracking.expect_exactly("page-view", "page-view")
    page.wait_for_function(asked)


def test_denied_consent_forgets_what_was_kept(
    page: Page, site: Site, head: str, tracking: Tracking
) -> None:
    page.goto(site.add("p.html", EVENTS, head=head))
    tracking.expect_exactly(*TYPES)
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
    tracking.expect_exactly(*TYPES, "yes")
