"""Snippets beside each other, beside the page's own globals, and calls before a tracker is there."""

import pytest
from playwright.sync_api import BrowserContext, Page, Route

from collector.testing import Event, Tracking, TrackingCollector, TrackingSource

from ..support import wait_for
from .environment import Site, snippet

pytestmark = pytest.mark.usefixtures("in_order")
READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"
FORMS = {
    "classic, global-free": ({}, {"global_free": True}),
    "global-free twice": ({"global_free": True}, {"global_free": True}),
    "classic, one-line": ({}, {"one_line": True}),
    "one-line twice": ({"one_line": True}, {"one_line": True}),
}


def of_source(events: list[Event], source: str) -> list[tuple[str, object]]:
    """Types and properties of a source's events."""
    return [(e.type, e.properties) for e in events if e.raw["source_id"] == source]


@pytest.mark.parametrize("forms", FORMS.values(), ids=FORMS)
def test_two_sources_on_a_page_have_a_tracker_each(
    page: Page,
    site: Site,
    tracking_collector: TrackingCollector,
    tracking: Tracking,
    forms: tuple[dict[str, bool], dict[str, bool]],
) -> None:
    """Each is at its id; `window.tracker` is one of them, the first if that is a loader's."""
    sources = [tracking_collector.add_source().id for _ in forms]
    head = "\n".join(
        snippet(source, tracking_collector.url, **form)
        for source, form in zip(sources, forms, strict=True)
    )
    script = "window.tracker ||= [];\n" + "\n".join(
        f'(window.tracker["{source}"] ||= []).push(["early", {{n: {n}}}]);'
        for n, source in enumerate(sources)
    )
    page.goto(site.add("p.html", script, head=head))
    for source in sources:
        page.wait_for_function("(id) => window.tracker[id].ready", arg=source)
        page.evaluate("(id) => tracker[id].track('late', {}, {fire: true})", source)
    events = tracking.expect_exactly("early", "early", "late", "late")
    for n, source in enumerate(sources):
        assert of_source(events, source) == [("early", {"n": n}), ("late", {})]
    assert page.evaluate("(ids) => ids.map((id) => tracker[id] === tracker)", sources) in (
        [[True, False], [False, True]] if "one_line" in forms[0] else [[True, False]]
    )
    assert tracking.console == tracking.uncaught == []


def test_the_calls_that_a_loader_keeps_go_to_its_own_source(
    page: Page,
    site: Site,
    head: str,
    tracking_collector: TrackingCollector,
    tracking_source: TrackingSource,
    tracking: Tracking,
) -> None:
    """The other's script is there first: `load` of the loader's waits for DOMContentLoaded."""
    tag = tracking_collector.add_source().snippet(one_line=True).replace(" async", "")
    page.goto(site.add("p.html", "window.tracker.track('mine')", head=head + tag))
    (event,) = tracking.expect_exactly("mine")
    assert event.raw["source_id"] == tracking_source.id


@pytest.mark.parametrize("form", ["one-line", "classic"])
@pytest.mark.parametrize("where", ["above", "below"])
def test_calls_are_pushed_before_and_after_the_tracker_is_there(
    page: Page,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
    form: str,
    where: str,
) -> None:
    pushes = '(window.tracker ||= []).push(["page-view", {}]); (window.tracker ||= []).push(["a", {n: 1}], ["b"]);'
    html = tracking_source.snippet(one_line=form == "one-line")
    head = f"<script>{pushes}</script>" + html if where == "above" else html
    page.goto(site.add("p.html", pushes if where == "below" else "", head=head))
    page.wait_for_function(READY)
    page.evaluate('() => { (window.tracker ||= []).push(["late", {}]) }')
    events = tracking.expect_exactly("page-view", "a", "b", "late")
    assert events[1].properties == {"n": 1}
    assert tracking.console == tracking.uncaught == []


def test_callbacks_are_pushed_before_and_after_the_one_line_form(
    page: Page, site: Site, tracking_source: TrackingSource, tracking: Tracking
) -> None:
    push = "(window.onThamesThriveReady ||= []).push(({tracker}) => tracker.track('ready'));"
    head = tracking_source.snippet(one_line=True)
    page.goto(site.add("p.html", push, head=head))
    page.wait_for_function(READY)
    page.evaluate(f"() => {{ {push} }}")
    tracking.expect_exactly("ready", "ready")


@pytest.mark.parametrize("where", ["above", "below"])
def test_a_page_with_options_of_its_own_uses_the_form_without_a_global(
    page: Page, site: Site, tracking_source: TrackingSource, tracking: Tracking, where: str
) -> None:
    own = "<script>const options = {color: 'red'}; window.color = options.color;</script>"
    html = snippet(tracking_source.id, tracking_source.collector, global_free=True)
    head = own + html if where == "above" else html + own
    page.goto(site.add("p.html", "tracker.track('a')", head=head))
    tracking.expect_exactly("a")
    assert page.evaluate("color") == "red"
    assert tracking.console == tracking.uncaught == []


TAGGED = (
    """data-auto-triggers='[{"tag": "b", "trigger": "onClick", "data": {"event": "clicked"}}]'"""
)


@pytest.mark.parametrize("form", ["one-line", "classic"])
def test_a_click_counts_before_the_part_that_watches_clicks_is_there(
    page: Page,
    context: BrowserContext,
    site: Site,
    tracking_source: TrackingSource,
    tracking: Tracking,
    form: str,
) -> None:
    """`page.min.js` comes with its second attempt only, ten seconds later; here after one."""
    hasty = "<script>const real = setTimeout; setTimeout = (act, delay, ...given) => real(act, delay == 1e4 ? 1e3 : delay, ...given);</script>"
    head = hasty + tracking_source.snippet(one_line=form == "one-line")
    script = ""
    if form == "one-line":
        head = head.replace("<script async", f"<script {TAGGED} async")
    else:
        script = "options.tracker.auto = {triggers: [{tag: 'b', trigger: 'onClick', data: {event: 'clicked'}}]};"
    attempts: list[str] = []

    def refuse_once(route: Route) -> None:
        attempts.append(route.request.url)
        if len(attempts) == 1:
            route.abort()
        else:
            route.continue_()

    context.route("**/page.min.js", refuse_once)
    body = "<button data-thamesthrive-tag='b'><em>b</em></button>"
    page.goto(site.add("p.html", script, head=head, body=body))
    # The driver handles requests while it is being talked to.
    wait_for(lambda: page.evaluate("1") and attempts, "the first attempt")
    page.wait_for_function("window.tracker && window.tracker.ready")
    page.locator("em").click()
    wait_for(lambda: page.evaluate("1") and len(attempts) == 2, "the second attempt")
    tracking.expect_exactly("clicked")
    page.locator("em").click()
    tracking.expect_exactly("clicked", "clicked")
