"""Pages under names of the owner's own: nothing a blocker can look for, and nothing lost on the
way from the default names."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page

from collector.alias import LISTED, parse_aliases

from ..support import Collector, wait_for
from .environment import EVENTS, TYPES, Site, Visitor, settled, snippet, stored

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
def aliased(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    folder = tmp_path_factory.mktemp("aliased")
    collector = Collector(folder, options=("--alias", ALIAS))
    try:
        yield collector.start()
    finally:
        collector.end()


def listed(names: list[str]) -> list[str]:
    return [name for name in names if any(word in name.lower() for word in LISTED)]


def kept(page: Page) -> list[str]:
    """The names of what the page's site has in the browser."""
    found: list[str] = page.evaluate(
        "[...Object.keys(localStorage), ...document.cookie.split('; ').map(c => c.split('=')[0])]"
    )
    return [name for name in found if name]


@pytest.mark.parametrize("form", FORMS)
def test_no_address_cookie_or_key_has_a_word_that_blockers_look_for(
    aliased: Collector, site: Site, visitor: Visitor, form: str
) -> None:
    """Also with the part for clicks, a link to another site, a reload, and leaving the page."""
    source = aliased.add_source()
    head = snippet(source, aliased.url, aliases=ALIASES, **FORMS[form])
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
    visitor.context.add_init_script(RECORD)
    urls: list[str] = []
    visitor.context.on("request", lambda request: urls.append(request.url))
    body = "<button data-thamesthrive-tag='b'>b</button><a href='https://other.example/'>o</a>"
    page = visitor.open(site.add("p.html", calls, head=head, body=body))
    settled(aliased, source, 3)
    page.wait_for_function(
        "performance.getEntriesByType('resource').some(entry => entry.name.endsWith('/page.app.js'))"
    )
    page.locator("button").click()
    page.wait_for_function("() => tracker.flush().then(() => tracker.profileId)")
    settled(aliased, source, 4)
    page.locator("a").click(button="right")
    assert "__tt_pid=" in (link := page.evaluate("document.links[0].href"))
    names = page.evaluate("window.names")
    page.reload()
    settled(aliased, source, 7)
    page.evaluate("() => { tracker.track('left'); location.href = 'about:blank' }")
    rows = settled(aliased, source, 8)
    page.wait_for_url("about:blank")
    page.goto(f"{site.origin}/p.html")
    names += page.evaluate("window.names")
    names += page.evaluate("async () => (await indexedDB.databases()).map(({name}) => name)")

    assert [row["type"] for row in rows] == [*TYPES, "clicked", *TYPES, "left"]
    assert len({row["session_id"] for row in rows}) == 1
    kinds = {name.split()[0] for name in names}
    assert kinds == {"localStorage", "cookie", "lock"}
    assert any(url.endswith("/shop/hello") for url in urls)
    assert any(url.endswith("/shop/page.app.js") for url in urls)
    cookies = [cookie.get("name", "") for cookie in visitor.context.cookies()]
    assert cookies == ["shop-session-id"]
    assert listed([*urls, *names, *cookies, *kept(page), link]) == []
    assert visitor.errors == []


def test_the_debug_part_watches_requests_under_their_own_name(
    aliased: Collector, site: Site, visitor: Visitor
) -> None:
    source = aliased.add_source()
    head = snippet(source, aliased.url, aliases=ALIASES).replace(
        "source: {", "settings: {debug: true}, source: {"
    )
    page = visitor.open(site.add("p.html", head=head))
    page.wait_for_function("window.tracker.ready")
    wait_for(lambda: visitor.said("[ThamesThrive] ready"), "the debug part")
    assert stored(page, "'a'")["stored"] is True
    wait_for(lambda: visitor.said("answer 200"), "the answer to be shown")


def test_the_module_has_the_names_as_well(aliased: Collector, site: Site, visitor: Visitor) -> None:
    """It finds the collector from the path that the script would be below."""
    source = aliased.add_source()
    urls: list[str] = []
    visitor.context.on("request", lambda request: urls.append(request.url))
    head = f"""<script type="module">
      import {{createTracker}} from "{aliased.url}/shop/app.mjs";
      window.mine = createTracker({{url: {{script: "{aliased.url}/shop"}}, source: {{id: "{source}"}}}});
      mine.track("a", {{}}, {{fire: true}});
    </script>"""
    page = visitor.open(site.add("p.html", head=head))
    settled(aliased, source, 1)
    page.wait_for_function("() => mine.flush().then(() => mine.profileId)")
    assert listed([*urls, *kept(page)]) == []


def test_what_was_tracked_in_an_outage_is_stored_by_a_later_page(
    collector: Collector, site: Site, visitor: Visitor
) -> None:
    collector.end()
    collector.options = ("--alias", ALIAS)
    collector.start()
    source = collector.add_source()
    head = snippet(source, collector.url, aliases=ALIASES)
    address = site.add("p.html", EVENTS, head=head)
    collector.kill()
    page = visitor.open(address)  # not even the script can be had
    page.close()
    collector.start()
    visitor.open(site.add("q.html", head=head))
    assert [row["type"] for row in settled(collector, source, 3)] == TYPES


def test_visitor_visit_and_events_of_the_default_names_go_on(
    aliased: Collector, site: Site, visitor: Visitor
) -> None:
    source = aliased.add_source()
    before = snippet(source, aliased.url)
    visitor.open(site.add("p.html", "tracker.track('first')", head=before)).close()
    settled(aliased, source, 1)
    dead = before.replace(f'api: "{aliased.url}"', f'api: "{NOWHERE}"')
    page = visitor.open(site.add("q.html", "tracker.track('waits')", head=dead))
    wait_for(lambda: [n for n in kept(page) if "queue." in n], "the event to wait")
    page.close()

    head = snippet(source, aliased.url, aliases=ALIASES)
    page = visitor.open(site.add("r.html", "tracker.track('after')", head=head))
    rows = settled(aliased, source, 3)
    assert {row["type"] for row in rows} == {"first", "waits", "after"}
    assert len({(row["profile_id"], row["session_id"]) for row in rows}) == 1
    wait_for(lambda: not [name for name in kept(page) if "queue" in name], "the verdicts")
    assert listed(kept(page)) == []
    assert [cookie.get("name") for cookie in visitor.context.cookies()] == ["shop-session-id"]


def test_a_visitor_who_was_forgotten_does_not_come_back(
    aliased: Collector, site: Site, visitor: Visitor
) -> None:
    """From a copy under the default names, say."""
    source = aliased.add_source()
    visitor.open(site.add("p.html", "tracker.track('a')", head=snippet(source, aliased.url)))
    settled(aliased, source, 1)
    head = snippet(source, aliased.url, aliases=ALIASES)
    page = visitor.open(site.add("q.html", "tracker.track('b')", head=head))
    settled(aliased, source, 2)
    page.evaluate("() => tracker.flush().then(tracker.reset)")
    page.reload()
    rows = settled(aliased, source, 3)
    assert len({row["profile_id"] for row in rows}) == 2
    assert len({row["session_id"] for row in rows}) == 2


@pytest.mark.parametrize("decision", ["granted", "denied"])
def test_nothing_is_renamed_before_consent(
    aliased: Collector, site: Site, visitor: Visitor, decision: str
) -> None:
    source = aliased.add_source()
    visitor.open(site.add("p.html", "tracker.track('a')", head=snippet(source, aliased.url)))
    (first,) = settled(aliased, source, 1)
    head = snippet(source, aliased.url, aliases=ALIASES).replace(
        "source: {", "settings: {consent: 'pending'}, source: {"
    )
    page = visitor.open(site.add("q.html", "tracker.track('b')", head=head))
    page.wait_for_function("window.tracker.ready")
    old = [name for name in kept(page) if name.startswith("thamesthrive-")]
    assert kept(page) == old != []
    page.evaluate(f"() => tracker.consent('{decision}')")
    if decision == "denied":
        assert kept(page) == []
        return
    rows = settled(aliased, source, 2)
    assert rows[1]["profile_id"] == first["profile_id"]
    assert listed(kept(page)) == []


def test_events_of_another_source_keep_their_names(
    aliased: Collector, site: Site, visitor: Visitor
) -> None:
    """Its pages may be of another collector, and look for them."""
    mine, other = aliased.add_source(), aliased.add_source()
    dead = snippet(other, aliased.url).replace(f'api: "{aliased.url}"', f'api: "{NOWHERE}"')
    page = visitor.open(site.add("p.html", "tracker.track('waits')", head=dead))
    wait_for(lambda: [n for n in kept(page) if "queue." in n], "the event to wait")
    page.close()
    head = snippet(mine, aliased.url, aliases=ALIASES)
    visitor.open(site.add("q.html", "tracker.track('a')", head=head)).close()
    settled(aliased, mine, 1)
    visitor.open(site.add("r.html", head=snippet(other, aliased.url)))
    assert [row["type"] for row in settled(aliased, other, 1)] == ["waits"]


def test_a_tab_that_is_still_open_under_the_default_names_loses_nothing(
    aliased: Collector, site: Site, visitor: Visitor
) -> None:
    source = aliased.add_source()
    dead = snippet(source, aliased.url).replace(f'api: "{aliased.url}"', f'api: "{NOWHERE}"')
    old = visitor.open(site.add("p.html", "tracker.track('one')", head=dead))
    wait_for(lambda: [n for n in kept(old) if "queue." in n], "the event to wait")
    head = snippet(source, aliased.url, aliases=ALIASES)
    page = visitor.open(site.add("q.html", head=head))
    settled(aliased, source, 1)
    old.evaluate("() => void tracker.track('two')")
    old.close()
    page.reload()
    rows = settled(aliased, source, 2)
    assert [row["type"] for row in rows] == ["one", "two"]


@pytest.mark.parametrize("within", ["a visit", "days"])
def test_pages_that_keep_the_default_names_have_a_visitor_of_their_own(
    aliased: Collector, site: Site, visitor: Visitor, within: str
) -> None:
    """One, not another after each page with the new names."""
    source = aliased.add_source()
    old = snippet(source, aliased.url)
    new = snippet(source, aliased.url, aliases=ALIASES)
    for number, head in enumerate([new, old, new, old]):
        page = visitor.open(site.add(f"{number}.html", "tracker.track('a')", head=head))
        page.wait_for_function("window.tracker.ready")
        page.wait_for_function("() => tracker.flush().then(() => tracker.profileId)")
        page.close()
        if within == "days":
            visitor.context.clear_cookies()  # the visit is over
    column = "session_id" if within == "a visit" else "profile_id"
    first, second, third, fourth = (row[column] for row in settled(aliased, source, 4))
    assert (first, second) == (third, fourth)
    assert first != second


def test_names_can_be_changed_again(tmp_path: Any, site: Site, visitor: Visitor) -> None:
    """The former ones are behind the new ones, and stay served."""
    text = f"/b/{{n.js,h}} {ALIAS}"
    collector = Collector(tmp_path, options=("--alias", text)).start()
    source = collector.add_source()
    old = snippet(source, collector.url, aliases=ALIASES)
    page = visitor.open(site.add("p.html", "tracker.track('old')", head=old))
    settled(collector, source, 1)
    wait_for(lambda: page.evaluate("tracker.profileId"), "the profile")
    page.close()
    new = snippet(source, collector.url, aliases=parse_aliases(text))
    page = visitor.open(site.add("q.html", "tracker.track('new')", head=new))
    rows = settled(collector, source, 2)
    assert len({(row["profile_id"], row["session_id"]) for row in rows}) == 1
    page.wait_for_function("() => tracker.flush().then(() => tracker.profileId)")
    assert {name.split("-")[0] for name in kept(page)} == {"b"}


def test_a_cookie_of_the_page_that_ends_like_ours_is_another(
    aliased: Collector, site: Site, visitor: Visitor
) -> None:
    source = aliased.add_source()
    visitor.context.add_cookies(
        [{"name": "my-shop-session-id", "value": "of-the-page", "url": site.origin}]
    )
    head = snippet(source, aliased.url, aliases=ALIASES)
    visitor.open(site.add("p.html", "tracker.track('a')", head=head))
    (row,) = settled(aliased, source, 1)
    assert row["session_id"] != "of-the-page"


def test_default_and_own_names_work_on_one_page(
    aliased: Collector, site: Site, visitor: Visitor
) -> None:
    mine, other = aliased.add_source(), aliased.add_source()
    head = snippet(mine, aliased.url, aliases=ALIASES, one_line=True)
    head += snippet(other, aliased.url, one_line=True)
    page = visitor.open(site.add("p.html", head=head))
    page.wait_for_function(f"window.tracker?.['{mine}']?.track && window.tracker['{other}']?.track")
    for source in (mine, other):
        page.evaluate(f"() => tracker['{source}'].track('a')")
        settled(aliased, source, 1)
