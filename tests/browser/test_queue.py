"""What waits in the browser: its order, its bounds, wrong clocks, crashes, and whose it is."""

import json
import threading
from typing import Any

import pytest

from ..support import Collector
from .environment import (
    Network,
    Reply,
    Site,
    Visitor,
    crash,
    settled,
    snippet,
    split_snippet,
    streaming_server,
)
from .install import ENGINE

READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"
HOUR = 3_600_000
# Makes the page's clock run ahead of the real one by `ahead` milliseconds.
CLOCK = """<script>
  var ahead = AHEAD;
  (function (real) {
    window.Date = class extends real {
      constructor(...given) { given.length ? super(...given) : super(real.now() + ahead); }
      static now() { return real.now() + ahead; }
    };
  })(Date);
</script>"""
GIANT = """
  tracker.track("n1");
  window.giant = tracker.track("n2", {text: "x".repeat(1200000)});
  tracker.track("n3");
"""


def types(rows: list[dict[str, Any]]) -> list[str]:
    return [row["type"] for row in rows]


def dropped(collector: Collector, source: str) -> int:
    rows = collector.rows("SELECT sum(dropped) AS n FROM sessions WHERE source_id = ?", source)
    return int(rows[0]["n"])


@pytest.mark.parametrize("when", ["before the bundle", "after it"])
def test_an_event_beyond_the_size_of_the_queue_is_refused_alone(
    page_collector: Collector, site: Site, visitor: Visitor, when: str
) -> None:
    source = page_collector.add_source()
    script = GIANT if when == "before the bundle" else ""
    page = visitor.open(site.add("p.html", script, head=snippet(source, page_collector.url)))
    page.wait_for_function(READY)
    if not script:
        page.evaluate(f"() => {{ {GIANT} }}")
    assert types(settled(page_collector, source, 2)) == ["n1", "n3"]
    assert page.evaluate("() => giant")["reason"] == "too_large"
    assert visitor.said("too_large")
    page.reload()
    page.evaluate("() => tracker.track('n4', {}, {fire: true})")
    assert types(settled(page_collector, source, 5 if script else 3))[-1] == "n4"


def test_what_another_tab_has_left_goes_in_the_order_of_the_calls(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        address = site.add("p.html", head=split_snippet(source, page_collector, network))
        page, other = visitor.open(address), visitor.open(address)
        for tab, event in ((page, "one"), (other, "two"), (page, "three")):
            tab.wait_for_function(READY)
            tab.evaluate(f"() => {{ tracker.track('{event}') }}")
        tracked = page.evaluate("Date.now()")
        other.close()
        page.wait_for_function(f"Date.now() - {tracked} > 3000")  # what is younger is the other's
        network.weather = lambda _: None
        page.evaluate("() => dispatchEvent(new Event('online'))")
        assert types(settled(page_collector, source, 3)) == ["one", "two", "three"]


def test_events_given_up_are_counted_once_when_an_answer_is_lost(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    with Network(page_collector) as network:
        network.weather = lambda _: "lost" if len(network.bodies) <= 2 else None
        page = visitor.open(site.add("p.html", head=split_snippet(source, page_collector, network)))
        page.wait_for_function(READY)
        page.evaluate("() => { for (let n = 0; n < 1005; n++) tracker.track('a', {n}) }")
        settled(page_collector, source, 1000)
        left = "Object.keys(localStorage).filter((key) => key.startsWith('thamesthrive-queue.'))"
        page.wait_for_function(f"{left}.length == 0")
    assert dropped(page_collector, source) == 5


def test_events_given_up_are_counted_after_the_tab_was_closed(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        address = site.add("p.html", head=split_snippet(source, page_collector, network))
        page = visitor.open(address)
        page.wait_for_function(READY)
        page.evaluate("() => { for (let n = 0; n < 1003; n++) tracker.track('a', {n}) }")
        page.close()
        network.weather = lambda _: None
        visitor.open(address).evaluate("() => dispatchEvent(new Event('online'))")
        settled(page_collector, source, 1000)
    assert dropped(page_collector, source) == 3


def test_a_page_that_stays_open_sends_what_a_closed_tab_has_left(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    """It looks every half minute; here twenty times as often."""
    source = page_collector.add_source()
    hasty = "<script>const real = setInterval; setInterval = (act, delay) => real(act, delay / 20)</script>"
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        head = split_snippet(source, page_collector, network)
        stays = visitor.open(site.add("stays.html", head=hasty + head))
        other = visitor.open(site.add("other.html", head=head))
        stays.wait_for_function(READY)
        other.wait_for_function(READY)
        other.evaluate("() => { tracker.track('left') }")
        other.close()
        network.weather = lambda _: None
        assert types(settled(page_collector, source, 1)) == ["left"]


def test_requests_that_fail_together_double_the_pause_once(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    together = threading.Barrier(3)

    def fail(_: dict[str, Any]) -> Reply:
        together.wait(20)
        return (503, {}, b"{}")

    with Network(page_collector) as network:
        network.weather = fail
        address = site.add("p.html", head=split_snippet(source, page_collector, network))
        pages = [visitor.open(address) for _ in range(3)]
        for page in pages:
            page.wait_for_function(READY)
        for page in pages:
            page.evaluate("() => { tracker.track('a'); dispatchEvent(new Event('pagehide')) }")
        for page in pages:
            page.wait_for_function("localStorage['thamesthrive-queue']")
            page.evaluate("() => fetch('/')")  # whatever came back has been read by now
        assert pages[0].evaluate("localStorage['thamesthrive-queue'].split(' ')[1]") == "1000"


@pytest.mark.parametrize(
    "retry_after",
    ["3000000", "86400", "Fri, 01 Oct 2032 10:00:00 GMT"],
    ids=["month", "day", "date"],
)
def test_no_pause_is_longer_than_five_minutes(
    page_collector: Collector, site: Site, visitor: Visitor, retry_after: str
) -> None:
    """Timers overflow at 25 days, and then fire at once, again and again."""
    source = page_collector.add_source()
    count = "<script>var timers = 0, real = setTimeout; setTimeout = (...given) => (timers++, real(...given))</script>"
    with Network(page_collector) as network:
        network.weather = lambda _: (503, {"Retry-After": retry_after}, b"{}")
        head = count + split_snippet(source, page_collector, network)
        page = visitor.open(site.add("p.html", "tracker.track('a')", head=head))
        page.wait_for_function("localStorage['thamesthrive-queue']")
    rest = page.evaluate("parseInt(localStorage['thamesthrive-queue']) - Date.now()")
    assert 290_000 < rest <= 300_000
    quiet = "() => { const before = timers; return new Promise((done) => real(() => done(timers - before), 500)) }"
    assert page.evaluate(quiet) < 5


def test_a_clock_that_was_ahead_leaves_no_pause_behind(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    with Network(page_collector) as network:
        network.weather = lambda _: (503, {"Retry-After": "120"}, b"{}")
        ahead = CLOCK.replace("AHEAD", str(HOUR))
        head = split_snippet(source, page_collector, network)
        page = visitor.open(site.add("ahead.html", "tracker.track('one')", head=ahead + head))
        page.wait_for_function("localStorage['thamesthrive-queue']")
        network.weather = lambda _: None
        page.evaluate("ahead = 0")
        assert types(settled(page_collector, source, 1)) == ["one"]


def test_events_of_a_clock_that_was_ahead_go_in_the_order_of_the_calls(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        ahead = CLOCK.replace("AHEAD", str(HOUR))
        head = split_snippet(source, page_collector, network)
        page = visitor.open(site.add("ahead.html", head=ahead + head))
        page.wait_for_function(READY)
        page.evaluate(
            "() => { tracker.track('one'); ahead = 0; tracker.track('two'); tracker.track('three') }"
        )
        page.close()
        page = visitor.open(site.add("right.html", head=head))
        page.wait_for_function(READY)
        page.evaluate("() => { tracker.track('four') }")
        network.weather = lambda _: None
        page.evaluate("() => dispatchEvent(new Event('online'))")
        rows = settled(page_collector, source, 4)
    assert types(rows) == ["one", "two", "three", "four"]
    assert all(row["occurred_at"] <= row["received_at"] for row in rows[1:])


@pytest.mark.skipif(ENGINE != "chromium", reason="the driver crashes tabs of Chromium only")
def test_a_crash_while_the_page_is_still_coming_loses_nothing(
    page_collector: Collector, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    head = snippet(source, page_collector.url)
    start = f"<!doctype html><head>{head}</head><body><script>for (let n = 0; n < 3; n++) tracker.track('a', {{n}})</script>"
    with streaming_server(start, f"<!doctype html><head>{head}</head>") as address:
        page = visitor.context.new_page()
        page.goto(address + "slow", wait_until="commit")
        page.wait_for_function("tracker.length == 3")
        assert page.evaluate("document.readyState") == "loading"
        crash(page)
        visitor.open(address)
        rows = settled(page_collector, source, 3)
    assert [json.loads(row["properties"])["n"] for row in rows] == [0, 1, 2]


VISITORS, TABS = 8, 4


def test_a_visitor_who_opens_several_tabs_at_once_is_one_session_and_one_profile(
    page_collector: Collector, site: Site, visitor: Visitor
) -> None:
    source = page_collector.add_source()
    address = site.add(
        "p.html", "tracker.track('a', {}, {fire: true})", head=snippet(source, page_collector.url)
    )
    start = site.add("start.html")
    for number in range(VISITORS):
        page = visitor.open(start)
        page.evaluate(
            f"() => {{ for (let n = 0; n < {TABS}; n++) open('{address}', '', 'noopener') }}"
        )
        page_collector.wait_for_events(source, (number + 1) * TABS)
        for tab in visitor.context.pages:
            tab.goto("about:blank")
            tab.close()
        visitor.context.clear_cookies()
        page = visitor.open(start)
        page.evaluate("() => localStorage.clear()")
    rows = page_collector.events(source)
    assert len(rows) == VISITORS * TABS
    assert len({row["session_id"] for row in rows}) == VISITORS
    assert len({row["profile_id"] for row in rows}) == VISITORS
