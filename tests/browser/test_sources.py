"""Snippets beside each other, beside the page's own globals, and calls before a tracker is there."""

import json

import pytest
from playwright.sync_api import Route

from ..support import Collector, wait_for
from .visitor import Site, Visitor, settled, snippet

READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"
FORMS = {
    "classic, global-free": ({}, {"global_free": True}),
    "global-free twice": ({"global_free": True}, {"global_free": True}),
    "classic, one-line": ({}, {"one_line": True}),
    "one-line twice": ({"one_line": True}, {"one_line": True}),
}


@pytest.mark.parametrize("forms", FORMS.values(), ids=FORMS)
def test_two_sources_on_a_page_have_a_tracker_each(
    page_collector: Collector,
    site: Site,
    visitor: Visitor,
    forms: tuple[dict[str, bool], dict[str, bool]],
) -> None:
    """Each is at its id; `window.tracker` is one of them, the first if that is a loader's."""
    sources = [page_collector.add_source() for _ in forms]
    head = "\n".join(
        snippet(source, page_collector.url, **form)
        for source, form in zip(sources, forms, strict=True)
    )
    script = "window.tracker ||= [];\n" + "\n".join(
        f'(window.tracker["{source}"] ||= []).push(["early", {{n: {n}}}]);'
        for n, source in enumerate(sources)
    )
    page = visitor.open(site.add("p.html", script, head=head))
    for source in sources:
        page.wait_for_function("(id) => window.tracker[id].ready", arg=source)
        page.evaluate("(id) => tracker[id].track('late', {}, {fire: true})", source)
    for n, source in enumerate(sources):
        rows = settled(page_collector, source, 2)
        assert [row["type"] for row in rows] == ["early", "late"]
        assert json.loads(rows[0]["properties"]) == {"n": n}
    assert page.evaluate("(ids) => ids.map((id) => tracker[id] === tracker)", sources) in (
        [[True, False], [False, True]] if "one_line" in forms[0] else [[True, False]]
    )
    assert visitor.console == visitor.errors == []


def test_the_calls_that_a_loader_keeps_go_to_its_own_source(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    """The other's script is there first: `load` of the loader's waits for DOMContentLoaded."""
    one, other = page_collector.add_source(), page_collector.add_source()
    head = snippet(one, page_collector.url)
    tag = snippet(other, page_collector.url, one_line=True).replace(" async", "")
    visitor.open(site.add("p.html", "window.tracker.track('mine')", head=head + tag))
    assert [row["type"] for row in settled(page_collector, one, 1)] == ["mine"]
    settled(page_collector, other, 0)


@pytest.mark.parametrize("form", ["one-line", "classic"])
@pytest.mark.parametrize("where", ["above", "below"])
def test_calls_are_pushed_before_and_after_the_tracker_is_there(
    page_collector: Collector, site: Site, visitor: Visitor, form: str, where: str
) -> None:
    source = page_collector.add_source()
    pushes = '(window.tracker ||= []).push(["page-view", {}]); (window.tracker ||= []).push(["a", {n: 1}], ["b"]);'
    html = snippet(source, page_collector.url, one_line=form == "one-line")
    head = f"<script>{pushes}</script>" + html if where == "above" else html
    page = visitor.open(site.add("p.html", pushes if where == "below" else "", head=head))
    page.wait_for_function(READY)
    page.evaluate('() => { (window.tracker ||= []).push(["late", {}]) }')
    rows = settled(page_collector, source, 4)
    assert [row["type"] for row in rows] == ["page-view", "a", "b", "late"]
    assert json.loads(rows[1]["properties"]) == {"n": 1}
    assert visitor.console == visitor.errors == []


def test_callbacks_are_pushed_before_and_after_the_one_line_form(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    push = "(window.onThamesThriveReady ||= []).push(({tracker}) => tracker.track('ready'));"
    head = snippet(source, page_collector.url, one_line=True)
    page = visitor.open(site.add("p.html", push, head=head))
    page.wait_for_function(READY)
    page.evaluate(f"() => {{ {push} }}")
    settled(page_collector, source, 2)


@pytest.mark.parametrize("where", ["above", "below"])
def test_a_page_with_options_of_its_own_uses_the_form_without_a_global(
    page_collector: Collector, site: Site, visitor: Visitor, where: str
) -> None:
    source = page_collector.add_source()
    own = "<script>const options = {color: 'red'}; window.color = options.color;</script>"
    html = snippet(source, page_collector.url, global_free=True)
    head = own + html if where == "above" else html + own
    page = visitor.open(site.add("p.html", "tracker.track('a')", head=head))
    settled(page_collector, source, 1)
    assert page.evaluate("color") == "red"
    assert visitor.console == visitor.errors == []


TAGGED = (
    """data-auto-triggers='[{"tag": "b", "trigger": "onClick", "data": {"event": "clicked"}}]'"""
)


@pytest.mark.parametrize("form", ["one-line", "classic"])
def test_a_click_counts_before_the_part_that_watches_clicks_is_there(
    page_collector: Collector, site: Site, visitor: Visitor, form: str
) -> None:
    """`page.min.js` comes with its second attempt only, ten seconds later; here after one."""
    source = page_collector.add_source()
    hasty = "<script>const real = setTimeout; setTimeout = (act, delay, ...given) => real(act, delay == 1e4 ? 1e3 : delay, ...given);</script>"
    head = hasty + snippet(source, page_collector.url, one_line=form == "one-line")
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

    visitor.context.route("**/page.min.js", refuse_once)
    body = "<button data-thamesthrive-tag='b'><em>b</em></button>"
    page = visitor.open(site.add("p.html", script, head=head, body=body))
    # The driver handles requests while it is being talked to.
    wait_for(lambda: page.evaluate("1") and attempts, "the first attempt")
    page.wait_for_function("window.tracker && window.tracker.ready")
    page.locator("em").click()
    wait_for(lambda: page.evaluate("1") and len(attempts) == 2, "the second attempt")
    assert [row["type"] for row in settled(page_collector, source, 1)] == ["clicked"]
    page.locator("em").click()
    settled(page_collector, source, 2)
