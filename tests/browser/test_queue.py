"""What waits in the browser: its order, its bounds, wrong clocks, crashes, and whose it is."""

import threading
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page

from collector.testing import Event, Tracking

from ..support import Collector
from .environment import Network, Reply, Site, crash, opened, streaming_server, through
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


def dropped(collector: Collector, events: list[Event]) -> int:
    """What the visits of these events have given up."""
    ids = sorted({str(event.session_id) for event in events})
    marks = ",".join("?" * len(ids))
    sql = f"SELECT sum(dropped) AS n FROM sessions WHERE id IN ({marks})"
    return int(collector.rows(sql, *ids)[0]["n"])


@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize("when", ["before the bundle", "after it"])
def test_an_event_beyond_the_size_of_the_queue_is_refused_alone(
    page: Page, site: Site, head: str, tracking: Tracking, when: str
) -> None:
    script = GIANT if when == "before the bundle" else ""
    page.goto(site.add("p.html", script, head=head))
    page.wait_for_function(READY)
    if not script:
        page.evaluate(f"() => {{ {GIANT} }}")
    tracking.expect_exactly("n1", "n3")
    assert page.evaluate("() => giant")["reason"] == "too_large"
    tracking.expect_console("too_large")
    page.reload()
    page.evaluate("() => tracker.track('n4', {}, {fire: true})")
    tracking.expect_exactly("n1", "n3", *["n1", "n3"] * bool(script), "n4")


@pytest.mark.usefixtures("in_order")
def test_what_another_tab_has_left_goes_in_the_order_of_the_calls(
    page: Page,
    context: BrowserContext,
    site: Site,
    head: str,
    page_collector: Collector,
    tracking: Tracking,
) -> None:
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        address = site.add("p.html", head=through(network, head))
        page.goto(address)
        other = opened(context, address)
        for tab, event in ((page, "one"), (other, "two"), (page, "three")):
            tab.wait_for_function(READY)
            tab.evaluate(f"() => {{ tracker.track('{event}') }}")
        tracked = page.evaluate("Date.now()")
        other.close()
        page.wait_for_function(f"Date.now() - {tracked} > 3000")  # what is younger is the other's
        network.weather = lambda _: None
        page.evaluate("() => dispatchEvent(new Event('online'))")
        tracking.expect_exactly("one", "two", "three")


def test_events_given_up_are_counted_once_when_an_answer_is_lost(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking
) -> None:
    with Network(page_collector) as network:
        network.weather = lambda _: "lost" if len(network.bodies) <= 2 else None
        page.goto(site.add("p.html", head=through(network, head)))
        page.wait_for_function(READY)
        page.evaluate("() => { for (let n = 0; n < 1005; n++) tracker.track('a', {n}) }")
        events = tracking.expect_exactly(*(("a", {"n": n}) for n in range(5, 1005)))
        left = "Object.keys(localStorage).filter((key) => key.startsWith('thamesthrive-queue.'))"
        page.wait_for_function(f"{left}.length == 0")
    assert dropped(page_collector, events) == 5


def test_events_given_up_are_counted_after_the_tab_was_closed(
    page: Page,
    context: BrowserContext,
    site: Site,
    head: str,
    page_collector: Collector,
    tracking: Tracking,
) -> None:
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        address = site.add("p.html", head=through(network, head))
        page.goto(address)
        page.wait_for_function(READY)
        page.evaluate("() => { for (let n = 0; n < 1003; n++) tracker.track('a', {n}) }")
        page.close()
        network.weather = lambda _: None
        opened(context, address).evaluate("() => dispatchEvent(new Event('online'))")
        events = tracking.expect_exactly(*(("a", {"n": n}) for n in range(3, 1003)))
    assert dropped(page_collector, events) == 3


def test_a_page_that_stays_open_sends_what_a_closed_tab_has_left(
    context: BrowserContext, site: Site, head: str, page_collector: Collector, tracking: Tracking
) -> None:
    """It looks every half minute; here twenty times as often."""
    hasty = "<script>const real = setInterval; setInterval = (act, delay) => real(act, delay / 20)</script>"
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        head = through(network, head)
        stays = opened(context, site.add("stays.html", head=hasty + head))
        other = opened(context, site.add("other.html", head=head))
        stays.wait_for_function(READY)
        other.wait_for_function(READY)
        other.evaluate("() => { tracker.track('left') }")
        other.close()
        network.weather = lambda _: None
        tracking.expect_exactly("left")


def test_requests_that_fail_together_double_the_pause_once(
    context: BrowserContext, site: Site, head: str, page_collector: Collector, tracking: Tracking
) -> None:
    together = threading.Barrier(3)

    def fail(_: dict[str, Any]) -> Reply:
        together.wait(20)
        return (503, {}, b"{}")

    with Network(page_collector) as network:
        network.weather = fail
        address = site.add("p.html", head=through(network, head))
        pages = [opened(context, address) for _ in range(3)]
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
    page: Page,
    site: Site,
    head: str,
    page_collector: Collector,
    tracking: Tracking,
    retry_after: str,
) -> None:
    """Timers overflow at 25 days, and then fire at once, again and again."""
    count = "<script>var timers = 0, real = setTimeout; setTimeout = (...given) => (timers++, real(...given))</script>"
    with Network(page_collector) as network:
        network.weather = lambda _: (503, {"Retry-After": retry_after}, b"{}")
        head = count + through(network, head)
        page.goto(site.add("p.html", "tracker.track('a')", head=head))
        page.wait_for_function("localStorage['thamesthrive-queue']")
    rest = page.evaluate("parseInt(localStorage['thamesthrive-queue']) - Date.now()")
    assert 290_000 < rest <= 300_000
    quiet = "() => { const before = timers; return new Promise((done) => real(() => done(timers - before), 500)) }"
    assert page.evaluate(quiet) < 5


def test_a_clock_that_was_ahead_leaves_no_pause_behind(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking
) -> None:
    with Network(page_collector) as network:
        network.weather = lambda _: (503, {"Retry-After": "120"}, b"{}")
        ahead = CLOCK.replace("AHEAD", str(HOUR))
        head = through(network, head)
        page.goto(site.add("ahead.html", "tracker.track('one')", head=ahead + head))
        page.wait_for_function("localStorage['thamesthrive-queue']")
        network.weather = lambda _: None
        page.evaluate("ahead = 0")
        tracking.expect_exactly("one")


def test_events_of_a_clock_that_was_ahead_go_in_the_order_of_the_calls(
    page: Page,
    context: BrowserContext,
    site: Site,
    head: str,
    page_collector: Collector,
    tracking: Tracking,
) -> None:
    with Network(page_collector) as network:
        network.weather = lambda _: "down"
        ahead = CLOCK.replace("AHEAD", str(HOUR))
        head = through(network, head)
        page.goto(site.add("ahead.html", head=ahead + head))
        page.wait_for_function(READY)
        page.evaluate(
            "() => { tracker.track('one'); ahead = 0; tracker.track('two'); tracker.track('three') }"
        )
        page.close()
        page = opened(context, site.add("right.html", head=head))
        page.wait_for_function(READY)
        page.evaluate("() => { tracker.track('four') }")
        network.weather = lambda _: None
        page.evaluate("() => dispatchEvent(new Event('online'))")
        for event in ("one", "two", "three", "four"):
            tracking.expect(event, times=1)
        events = sorted(tracking.events, key=lambda event: event.seq)
    assert [event.type for event in events] == ["one", "two", "three", "four"]
    assert all(event.occurred_at <= event.received_at for event in events[1:])


@pytest.mark.skipif(ENGINE != "chromium", reason="the driver crashes tabs of Chromium only")
@pytest.mark.usefixtures("in_order")
def test_a_crash_while_the_page_is_still_coming_loses_nothing(
    page: Page, context: BrowserContext, head: str, tracking: Tracking
) -> None:
    start = f"<!doctype html><head>{head}</head><body><script>for (let n = 0; n < 3; n++) tracker.track('a', {{n}})</script>"
    with streaming_server(start, f"<!doctype html><head>{head}</head>") as address:
        page.goto(address + "slow", wait_until="commit")
        page.wait_for_function("tracker.length == 3")
        assert page.evaluate("document.readyState") == "loading"
        crash(page)
        opened(context, address)
        tracking.expect_exactly(*(("a", {"n": n}) for n in range(3)))


VISITORS, TABS = 8, 4


def test_a_visitor_who_opens_several_tabs_at_once_is_one_session_and_one_profile(
    page: Page, context: BrowserContext, site: Site, head: str, tracking: Tracking
) -> None:
    address = site.add("p.html", "tracker.track('a', {}, {fire: true})", head=head)
    page.goto(site.add("start.html"))
    for number in range(VISITORS):
        page.evaluate(
            f"() => {{ for (let n = 0; n < {TABS}; n++) open('{address}', '', 'noopener') }}"
        )
        tracking.expect_exactly(*["a"] * (number + 1) * TABS)
        for tab in context.pages:
            if tab != page:
                tab.goto("about:blank")
                tab.close()
        context.clear_cookies()
        page.evaluate("() => localStorage.clear()")
    events = tracking.events
    assert len(events) == VISITORS * TABS
    assert len({event.session_id for event in events}) == VISITORS
    assert len({event.profile_id for event in events}) == VISITORS
