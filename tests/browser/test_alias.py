"""Pages under names of the owner's own: nothing a blocker can look for, and nothing lost on the
way from the default names."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import BrowserContext, Page

from collector.alias import LISTED, parse_aliases
from collector.testing import Tracking, TrackingCollector, TrackingSource

from ..support import Collector, wait_for
from .conftest import for_tests
from .environment import EVENTS, TYPES, Site, opened, snippet

ALIAS = "/shop/{app.js,hello}"
ALIASES = parse_aliases(ALIAS)
FORMS: dict[str, dict[str, bool]] = {
    "classic": {},
    "global-free": {"global_free": True},
    "one-line": {"one_line": True},
    "integrity": {"one_line": True, "integrity": True},
}
NOWHERE = "http://127.0.0.1:9"  # browsers refuse this port at once

# Records the names a page uses, however briefly. The blank page has no storage.
RECORD = """
  if (location.host) {
    window.names = [];
    const note = (kind, name) => window.names.push(kind + " " + name);
    for (const kind of ["localStorage", "sessionStorage"]) {
      const store = window[kind];
      const recorder = new Proxy(store, {
        set: (_, name, value) => (note(kind, name), store[name] = value, true),
        get: (_, name) => typeof store[name] == "function" ? store[name].bind(store) : store[name],
      });
      Object.defineProperty(window, kind, {get: () => recorder});
    }
    const {get, set} = Object.getOwnPropertyDescriptor(Document.prototype, "cookie");
    Object.defineProperty(document, "cookie", {
      get() { return get.call(document); },
      set(text) { note("cookie", text); set.call(document, text); },
    });
    const request = navigator.locks.request;
    navigator.locks.request = function (name, ...rest) {
      note("lock", name);
      return request.call(this, name, ...rest);
    };
    const open = indexedDB.open;
    indexedDB.open = function (name, ...rest) { note("database", name); return open.call(this, name, ...rest); };
    const Channel = window.BroadcastChannel;
    window.BroadcastChannel = class extends Channel {
      constructor(name) { note("channel", name); super(name); }
    };
  }
"""


@pytest.fixture(scope="module")
def tracking_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrackingCollector]:
    """A collector whose owner has chosen the names."""
    folder = tmp_path_factory.mktemp("aliased")
    collector = Collector(folder, options=("--alias", ALIAS, "--qa"))
    try:
        yield for_tests(collector.start())
    finally:
        collector.end()


@pytest.fixture(scope="module")
def tracking_source(tracking_collector: TrackingCollector) -> TrackingSource:
    return tracking_collector.add_source()


def renamed(source: TrackingSource, **form: bool) -> str:
    """The snippet with the owner's names."""
    return snippet(source.id, source.collector, aliases=ALIASES, **form)


def dead(source: TrackingSource) -> str:
    """The snippet with the default names, on a page whose requests reach nobody."""
    return source.snippet().replace(f'api: "{source.collector}"', f'api: "{NOWHERE}"')


def listed(names: list[str]) -> list[str]:
    return [name for name in names if any(word in name.lower() for word in LISTED)]


def kept(page: Page) -> list[str]:
    """The names of what the page's site has in the browser."""
    found: list[str] = page.evaluate(
        "[...Object.keys(localStorage), ...document.cookie.split('; ').map(c => c.split('=')[0])]"
    )
    return [name for name in found if name]


@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize("form", FORMS)
def test_no_address_cookie_or_key_has_a_word_that_blockers_look_for(
    page: Page,
    context: BrowserContext,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
    form: str,
) -> None:
    """Also with the part for clicks, a link to another site, a reload, and leaving the page."""
    head = renamed(tracking_source, **FORMS[form])
    trigger = {"tag": "b", "trigger": "onClick", "data": {"event": "clicked"}}
    links = ["other.example"]
    if FORMS[form].get("one_line"):
        given = f"data-auto-triggers='{json.dumps([trigger])}' data-settings-track-external-links='{json.dumps(links)}'"
        head = head.replace("<script", f"<script {given}")
    else:
        options = f"auto: {{triggers: {json.dumps([trigger])}}}, settings: {{trackExternalLinks: {json.dumps(links)}}}, "
        head = head.replace("source: {", options + "source: {")
    calls = EVENTS.replace("window.tracker.track(", "(window.tracker ||= []).push([")
    calls = calls.replace(");", "]);") if FORMS[form].get("one_line") else EVENTS
    context.add_init_script(RECORD)
    urls: list[str] = []
    context.on("request", lambda request: urls.append(request.url))
    body = "<button data-thamesthrive-tag='b'>b</button><a href='https://other.example/'>o</a>"
    page.goto(site.add("p.html", calls, head=head, body=body))
    tracking.expect_exactly(*TYPES)
    page.wait_for_function(
        "performance.getEntriesByType('resource').some(entry => entry.name.endsWith('/page.app.js'))"
    )
    page.locator("button").click()
    page.wait_for_function("() => tracker.flush().then(() => tracker.profileId)")
    tracking.expect_exactly(*TYPES, "clicked")
    page.locator("a").click(button="right")
    assert "__tt_pid=" in (link := page.evaluate("document.links[0].href"))
    names = page.evaluate("window.names")
    page.reload()
    tracking.expect_exactly(*TYPES, "clicked", *TYPES)
    page.evaluate("() => { tracker.track('left'); location.href = 'about:blank' }")
    tracking.expect_exactly(*TYPES, "clicked", *TYPES, "left")
    page.wait_for_url("about:blank")
    page.goto(f"{site.origin}/p.html")
    tracking.expect_exactly(*TYPES, "clicked", *TYPES, "left", *TYPES)
    names += page.evaluate("window.names")
    names += page.evaluate("async () => (await indexedDB.databases()).map(({name}) => name)")

    tracking.expect_identity(same_session=True)
    kinds = {name.split()[0] for name in names}
    assert kinds == {"localStorage", "cookie", "lock"}
    assert any(url.endswith("/shop/hello") for url in urls)
    assert any(url.endswith("/shop/page.app.js") for url in urls)
    cookies = [cookie.get("name", "") for cookie in context.cookies()]
    assert cookies == ["shop-session-id"]
    assert listed([*urls, *names, *cookies, *kept(page), link]) == []
    assert tracking.uncaught == []


def test_the_debug_part_watches_requests_under_their_own_name(
    page: Page, site: Site, tracking_source: TrackingSource, tracking: Tracking
) -> None:
    head = renamed(tracking_source).replace("source: {", "settings: {debug: true}, source: {")
    page.goto(site.add("p.html", head=head))
    page.wait_for_function("window.tracker.ready")
    tracking.expect_console("[ThamesThrive] ready")
    assert page.evaluate("() => window.tracker.track('a')")["stored"] is True
    tracking.expect_console("answer 200")


def test_the_module_has_the_names_as_well(
    page: Page,
    context: BrowserContext,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
) -> None:
    """It finds the collector from the path that the script would be below."""
    api = tracking_source.collector
    urls: list[str] = []
    context.on("request", lambda request: urls.append(request.url))
    head = f"""<script type="module">
      import {{createTracker}} from "{api}/shop/app.mjs";
      window.mine = createTracker({{url: {{script: "{api}/shop"}}, source: {{id: "{tracking_source.id}"}}}});
      mine.track("a", {{}}, {{fire: true}});
    </script>"""
    page.goto(site.add("p.html", head=head))
    tracking.expect_exactly("a")
    page.wait_for_function("() => mine.flush().then(() => mine.profileId)")
    assert listed([*urls, *kept(page)]) == []


def test_what_was_tracked_in_an_outage_is_stored_by_a_later_page(
    context: BrowserContext, collector: Collector, site: Site
) -> None:
    collector.end()
    collector.options = ("--alias", ALIAS)
    collector.start()
    source = collector.add_source()
    head = snippet(source, collector.url, aliases=ALIASES)
    address = site.add("p.html", EVENTS, head=head)
    collector.kill()
    opened(context, address).close()  # not even the script can be had
    collector.start()
    opened(context, site.add("q.html", head=head))
    assert [row["type"] for row in collector.wait_for_events(source, 3)] == TYPES


def test_visitor_visit_and_events_of_the_default_names_go_on(
    context: BrowserContext, site: Site, tracking_source: TrackingSource, tracking: Tracking
) -> None:
    before = tracking_source.snippet()
    opened(context, site.add("p.html", "tracker.track('first')", head=before)).close()
    tracking.expect_exactly("first")
    page = opened(context, site.add("q.html", "tracker.track('waits')", head=dead(tracking_source)))
    wait_for(lambda: [n for n in kept(page) if "queue." in n], "the event to wait")
    page.close()

    head = renamed(tracking_source)
    page = opened(context, site.add("r.html", "tracker.track('after')", head=head))
    tracking.expect_exactly("first", "waits", "after")
    tracking.expect_identity(same_profile=True, same_session=True)
    wait_for(lambda: not [name for name in kept(page) if "queue" in name], "the verdicts")
    assert listed(kept(page)) == []
    assert [cookie.get("name") for cookie in context.cookies()] == ["shop-session-id"]


def test_a_visitor_who_was_forgotten_does_not_come_back(
    context: BrowserContext,
    site: Site,
    head: str,
    tracking_source: TrackingSource,
    tracking: Tracking,
) -> None:
    """From a copy under the default names, say."""
    opened(context, site.add("p.html", "tracker.track('a')", head=head))
    tracking.expect_exactly("a")
    new = renamed(tracking_source)
    page = opened(context, site.add("q.html", "tracker.track('b')", head=new))
    tracking.expect_exactly("a", "b")
    page.evaluate("() => tracker.flush().then(tracker.reset)")
    page.reload()
    events = tracking.expect_exactly("a", "b", "b")
    assert len({event.profile_id for event in events}) == 2
    assert len({event.session_id for event in events}) == 2


@pytest.mark.parametrize("decision", ["granted", "denied"])
def test_nothing_is_renamed_before_consent(
    context: BrowserContext,
    site: Site,
    head: str,
    tracking_source: TrackingSource,
    tracking: Tracking,
    decision: str,
) -> None:
    opened(context, site.add("p.html", "tracker.track('a')", head=head))
    tracking.expect_exactly("a")
    new = renamed(tracking_source).replace("source: {", "settings: {consent: 'pending'}, source: {")
    page = opened(context, site.add("q.html", "tracker.track('b')", head=new))
    page.wait_for_function("window.tracker.ready")
    old = [name for name in kept(page) if name.startswith("thamesthrive-")]
    assert kept(page) == old != []
    page.evaluate(f"() => tracker.consent('{decision}')")
    if decision == "denied":
        assert kept(page) == []
        return
    first, second = tracking.expect_exactly("a", "b")
    tracking.expect_identity(first, second, same_profile=True)
    assert listed(kept(page)) == []


def test_events_of_another_source_keep_their_names(
    context: BrowserContext, site: Site, tracking_collector: TrackingCollector, tracking: Tracking
) -> None:
    """Its pages may be of another collector, and look for them."""
    mine, other = tracking_collector.add_source(), tracking_collector.add_source()
    page = opened(context, site.add("p.html", "tracker.track('waits')", head=dead(other)))
    wait_for(lambda: [n for n in kept(page) if "queue." in n], "the event to wait")
    page.close()
    opened(context, site.add("q.html", "tracker.track('a')", head=renamed(mine))).close()
    tracking.expect_exactly("a")
    opened(context, site.add("r.html", head=other.snippet()))
    events = tracking.expect_exactly("waits", "a")
    assert [event.raw["source_id"] for event in events] == [other.id, mine.id]


@pytest.mark.usefixtures("in_order")
def test_a_tab_that_is_still_open_under_the_default_names_loses_nothing(
    context: BrowserContext, site: Site, tracking_source: TrackingSource, tracking: Tracking
) -> None:
    old = opened(context, site.add("p.html", "tracker.track('one')", head=dead(tracking_source)))
    wait_for(lambda: [n for n in kept(old) if "queue." in n], "the event to wait")
    page = opened(context, site.add("q.html", head=renamed(tracking_source)))
    tracking.expect_exactly("one")
    old.evaluate("() => void tracker.track('two')")
    old.close()
    page.reload()
    tracking.expect_exactly("one", "two")


@pytest.mark.parametrize("within", ["a visit", "days"])
def test_pages_that_keep_the_default_names_have_a_visitor_of_their_own(
    context: BrowserContext,
    site: Site,
    head: str,
    tracking_source: TrackingSource,
    tracking: Tracking,
    within: str,
) -> None:
    """One, not another after each page with the new names."""
    new = renamed(tracking_source)
    for number, each in enumerate([new, head, new, head]):
        page = opened(context, site.add(f"{number}.html", "tracker.track('a')", head=each))
        page.wait_for_function("window.tracker.ready")
        page.wait_for_function("() => tracker.flush().then(() => tracker.profileId)")
        page.close()
        if within == "days":
            context.clear_cookies()  # the visit is over
    column = "session_id" if within == "a visit" else "profile_id"
    events = tracking.expect_exactly("a", "a", "a", "a")
    first, second, third, fourth = (getattr(event, column) for event in events)
    assert (first, second) == (third, fourth)
    assert first != second


def test_names_can_be_changed_again(context: BrowserContext, tmp_path: Path, site: Site) -> None:
    """The former ones are behind the new ones, and stay served."""
    text = f"/b/{{n.js,h}} {ALIAS}"
    collector = Collector(tmp_path, options=("--alias", text)).start()
    source = collector.add_source()
    old = snippet(source, collector.url, aliases=ALIASES)
    page = opened(context, site.add("p.html", "tracker.track('old')", head=old))
    collector.wait_for_events(source, 1)
    wait_for(lambda: page.evaluate("tracker.profileId"), "the profile")
    page.close()
    new = snippet(source, collector.url, aliases=parse_aliases(text))
    page = opened(context, site.add("q.html", "tracker.track('new')", head=new))
    rows = collector.wait_for_events(source, 2)
    assert [row["type"] for row in rows] == ["old", "new"]
    assert len({(row["profile_id"], row["session_id"]) for row in rows}) == 1
    page.wait_for_function("() => tracker.flush().then(() => tracker.profileId)")
    assert {name.split("-")[0] for name in kept(page)} == {"b"}


def test_a_cookie_of_the_page_that_ends_like_ours_is_another(
    page: Page,
    context: BrowserContext,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
) -> None:
    context.add_cookies(
        [{"name": "my-shop-session-id", "value": "of-the-page", "url": site.origin}]
    )
    page.goto(site.add("p.html", "tracker.track('a')", head=renamed(tracking_source)))
    (event,) = tracking.expect_exactly("a")
    assert event.session_id != "of-the-page"


def test_default_and_own_names_work_on_one_page(
    page: Page, site: Site, tracking_collector: TrackingCollector, tracking: Tracking
) -> None:
    mine, other = tracking_collector.add_source(), tracking_collector.add_source()
    head = renamed(mine, one_line=True) + other.snippet(one_line=True)
    page.goto(site.add("p.html", head=head))
    page.wait_for_function(
        f"!!(window.tracker?.['{mine.id}']?.track && window.tracker['{other.id}']?.track)"
    )
    for source in (mine, other):
        page.evaluate(f"() => tracker['{source.id}'].track('a')")
    events = tracking.expect_exactly("a", "a")
    assert [event.raw["source_id"] for event in events] == [mine.id, other.id]
