"""n events tracked = n rows stored, whatever happens in between. Rows are counted, not requests."""

import json
import os
import time
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from collector import store
from collector.testing import Tracking, TrackingSource

from ..support import Collector, wait_for
from .environment import (
    EVENTS,
    TYPES,
    Network,
    Site,
    crash,
    opened,
    snippet,
    split_snippet,
    through,
)
from .install import ENGINE

READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"


@pytest.fixture(scope="module")
def browser(full_browser: Browser) -> Browser:
    return full_browser


def types(rows: list[dict[str, Any]]) -> list[str]:
    return [row["type"] for row in rows]


def test_collector_down_while_the_page_tracks_and_up_again_later(
    collector: Collector, site: Site, context: BrowserContext
) -> None:
    """Not even the bundle can be loaded."""
    source = collector.add_source()
    address = site.add("p.html", EVENTS, head=snippet(source, collector.url))
    collector.stop()
    page = opened(context, address)
    assert (
        page.evaluate(
            "Object.keys(localStorage).filter(key => key.startsWith('thamesthrive-queue.')).length"
        )
        == 3
    )
    collector.start()
    rows = collector.wait_for_events(source, 3)
    page.goto("about:blank")
    assert types(collector.wait_for_events(source, 3)) == TYPES
    assert len({row["request_id"] for row in rows}) == 1


def test_collector_down_the_tab_closed_and_the_page_opened_again(
    collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = collector.add_source()
    address = site.add("p.html", EVENTS, head=snippet(source, collector.url))
    collector.stop()
    opened(context, address).close()
    collector.start()
    page = opened(context, address)
    rows = collector.wait_for_events(source, 6)
    page.goto("about:blank")
    assert types(collector.wait_for_events(source, 6)) == TYPES + TYPES
    assert rows[0]["occurred_at"] < rows[3]["occurred_at"]


def test_collector_goes_away_under_a_loaded_page(
    collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = collector.add_source()
    page = opened(
        context, site.add("p.html", "tracker.track('before')", head=snippet(source, collector.url))
    )
    collector.wait_for_events(source, 1)
    collector.kill()
    page.evaluate(
        "() => { tracker.track('during', {n: 1}, {fire: true}); tracker.track('during', {n: 2}); }"
    )
    collector.start()
    page.evaluate("() => { tracker.track('after') }")
    rows = collector.wait_for_events(source, 4)
    assert types(rows) == ["before", "during", "during", "after"]
    assert [json.loads(row["properties"]) for row in rows[1:3]] == [{"n": 1}, {"n": 2}]


def test_the_tab_closed_during_an_outage_and_the_page_opened_again(
    collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = collector.add_source()
    address = site.add("p.html", head=snippet(source, collector.url))
    page = opened(context, address)
    page.wait_for_function(READY)
    collector.kill()
    page.evaluate("() => { for (let n = 0; n < 20; n++) tracker.track('during', {n}) }")
    page.close()
    collector.start()
    opened(context, address)
    assert [
        json.loads(row["properties"])["n"] for row in collector.wait_for_events(source, 20)
    ] == list(range(20))


def test_an_event_fired_as_soon_as_another_is_stored_is_sent(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    """The flush before has ended by then, and its lock is not free yet."""
    source = shared_collector.add_source()
    page = opened(context, site.add("p.html", head=snippet(source, shared_collector.url)))
    page.wait_for_function(READY)
    page.evaluate(
        """() => { (async () => {
             for (let n = 0; n < 20; n++) await tracker.track('a', {n}, {fire: true});
           })() }"""
    )
    rows = shared_collector.wait_for_events(source, 20)
    assert [json.loads(row["properties"])["n"] for row in rows] == list(range(20))


def test_an_answer_that_is_lost_after_storing_makes_no_second_row(
    collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = collector.add_source()
    with Network(collector) as network:
        network.weather = lambda _: "lost" if len(network.bodies) <= 2 else None
        page = opened(
            context,
            site.add(
                "p.html",
                "var done = " + EVENTS.strip(),
                head=split_snippet(source, collector, network),
            ),
        )
        result = page.evaluate("() => done")
        assert (result["stored"], result["duplicate"]) == (True, True)
        assert len(network.bodies) > 2
    assert types(collector.wait_for_events(source, 3)) == TYPES


@pytest.mark.usefixtures("in_order")
@pytest.mark.parametrize(
    "bad",
    [
        (500, {}, b"<h1>Internal Server Error</h1>"),
        (502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>"),
        (429, {"Retry-After": "1"}, b'{"detail":"slow down"}'),
        (503, {"Retry-After": "1"}, b'{"detail":"later"}'),
        (408, {}, b""),
        (200, {"Content-Type": "text/html"}, b"<h1>Welcome to the hotel</h1>"),
        (200, {}, b'{"events": []}'),
    ],
    ids=["500", "502", "429", "503", "408", "captive portal", "no verdict"],
)
def test_passing_faults_cost_nothing(
    page: Page,
    site: Site,
    head: str,
    page_collector: Collector,
    tracking: Tracking,
    bad: tuple[int, dict[str, str], bytes],
) -> None:
    with Network(page_collector) as network:
        network.weather = lambda _: bad if len(network.bodies) == 1 else None
        page.goto(site.add("p.html", EVENTS, head=through(network, head)))
        tracking.expect_exactly(*TYPES)
        left = "Object.keys(localStorage).filter(key => key.startsWith('thamesthrive-queue.'))"
        page.wait_for_function(f"{left}.length == 0")
    assert [text for text in tracking.console if "[ThamesThrive]" in text] == []


def test_retry_after_is_honoured(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    with Network(shared_collector) as network:
        network.weather = lambda _: (
            (503, {"Retry-After": "3"}, b"{}") if len(network.bodies) == 1 else None
        )
        opened(
            context,
            site.add("p.html", EVENTS, head=split_snippet(source, shared_collector, network)),
        )
        assert len(shared_collector.wait_for_events(source, 3)) == 3
        first, second = (body["sentAt"] for body in network.bodies)
    page = context.pages[0]
    assert page.evaluate(f"Date.parse('{second}') - Date.parse('{first}')") >= 3000


def test_a_413_halves_the_batch_and_keeps_the_order(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    script = "for (let n = 0; n < 8; n++) tracker.track('a', {n})"
    with Network(shared_collector) as network:
        network.weather = lambda body: (
            (413, {}, b'{"detail":"too large"}') if len(body["events"]) > 2 else None
        )
        opened(
            context,
            site.add("p.html", script, head=split_snippet(source, shared_collector, network)),
        )
        rows = shared_collector.wait_for_events(source, 8)
    assert [json.loads(row["properties"])["n"] for row in rows] == list(range(8))


def test_other_refusals_are_final_and_said_once(
    page: Page,
    site: Site,
    head: str,
    page_collector: Collector,
    tracking_source: TrackingSource,
    tracking: Tracking,
) -> None:
    with Network(page_collector) as network:
        network.weather = lambda _: (
            403,
            {"X-Collector-Reason": "origin_not_allowed"},
            b'{"detail": "Access denied."}',
        )
        script = "var done = " + EVENTS.strip()
        page.goto(site.add("p.html", script, head=through(network, head)))
        assert page.evaluate("() => done")["reason"] == "origin_not_allowed"
        page.evaluate("() => tracker.track('again', {}, {fire: true})")
        assert len(network.bodies) == 2
    (said,) = [text for text in tracking.console if "[ThamesThrive]" in text]
    assert said.endswith(f"{tracking_source.id}: 403 Access denied. See `thamesthrive source list`")
    left = "Object.keys(localStorage).filter(key => key.startsWith('thamesthrive-queue.'))"
    assert page.evaluate(left) == []


def test_many_events_go_in_several_requests_in_order(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    script = "for (let n = 0; n < 200; n++) tracker.track('a', {n, text: 'é'.repeat(500)})"
    opened(context, site.add("p.html", script, head=snippet(source, shared_collector.url)))
    rows = shared_collector.wait_for_events(source, 200)
    assert [json.loads(row["properties"])["n"] for row in rows] == list(range(200))
    assert (
        5 <= len({row["request_id"] for row in rows}) <= 8
    )  # 200 of 1.4 KB in bodies of at most 60 KB


def test_order_survives_an_outage_in_the_middle(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    """Half of the requests fail; what waits keeps its place before what was tracked later."""
    source = shared_collector.add_source()
    script = "for (let n = 0; n < 120; n++) tracker.track('a', {n, text: 'x'.repeat(1000)})"
    with Network(shared_collector) as network:
        network.weather = lambda _: (503, {}, b"{}") if len(network.bodies) in (2, 4) else None
        page = opened(
            context,
            site.add("p.html", script, head=split_snippet(source, shared_collector, network)),
        )
        page.evaluate("() => { for (let n = 120; n < 140; n++) tracker.track('a', {n}) }")
        rows = shared_collector.wait_for_events(source, 140)
    assert [json.loads(row["properties"])["n"] for row in rows] == list(range(140))


@pytest.mark.parametrize("leave", ["location", "close", "reload", "link"])
def test_events_tracked_while_leaving_are_stored(
    shared_collector: Collector, site: Site, context: BrowserContext, leave: str
) -> None:
    source = shared_collector.add_source()
    site.add("next.html")
    body = "<a id='out' href='next.html' onclick='tracker.track(\"leaving\")'>out</a>"
    page = opened(
        context, site.add("p.html", head=snippet(source, shared_collector.url), body=body)
    )
    page.wait_for_function(READY)
    if leave == "link":
        page.click("#out")
    else:
        page.evaluate("() => { tracker.track('leaving') }")
        if leave == "close":
            page.close(run_before_unload=True)
        elif leave == "reload":
            page.reload()
        else:
            page.evaluate("() => { location.href = 'next.html' }")
    assert types(shared_collector.wait_for_events(source, 1)) == ["leaving"]


def test_a_hanging_collector_holds_up_only_until_the_tab_is_left(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    with Network(shared_collector) as network:
        network.weather = lambda _: "hang" if len(network.bodies) == 1 else None
        address = site.add("p.html", EVENTS, head=split_snippet(source, shared_collector, network))
        page = opened(context, address)
        wait_for(lambda: network.bodies, "the first request")
        page.close()
        opened(context, address)
        assert types(shared_collector.wait_for_events(source, 6)) == TYPES + TYPES


@pytest.mark.skipif(os.environ.get("FAULTS") != "long", reason="takes half a minute: make faults")
@pytest.mark.faults
def test_a_hanging_collector_is_given_up_and_asked_again(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    with Network(shared_collector) as network:
        network.weather = lambda _: "hang" if len(network.bodies) == 1 else None
        opened(
            context,
            site.add("p.html", EVENTS, head=split_snippet(source, shared_collector, network)),
        )
        wait_for(lambda: shared_collector.events(source), "the events", 60)
    assert types(shared_collector.wait_for_events(source, 3)) == TYPES


@pytest.mark.parametrize("seconds", [30 if os.environ.get("FAULTS") == "long" else 2])
@pytest.mark.faults
def test_a_collector_that_is_down_for_a_while_costs_nothing(
    collector: Collector, site: Site, context: BrowserContext, seconds: float
) -> None:
    """Events go on being tracked meanwhile, and arrive in order."""
    source = collector.add_source()
    page = opened(
        context,
        site.add("p.html", "tracker.track('a', {n: 0})", head=snippet(source, collector.url)),
    )
    collector.wait_for_events(source, 1)
    collector.kill()
    until, n = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        n += 1
        page.evaluate(
            f"() => {{ tracker.track('a', {{n: {n}}}, {{fire: {str(n % 3 == 0).lower()}}}) }}"
        )
        page.wait_for_timeout(100)
    collector.start()
    wait_for(lambda: len(collector.events(source)) == n + 1, "all events", 90)
    assert [json.loads(row["properties"])["n"] for row in collector.events(source)] == list(
        range(n + 1)
    )


def test_offline_and_online_again(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    page = opened(
        context,
        site.add("p.html", "tracker.track('before')", head=snippet(source, shared_collector.url)),
    )
    shared_collector.wait_for_events(source, 1)
    context.set_offline(True)
    page.evaluate("() => { tracker.track('during', {}, {fire: true}); tracker.track('during') }")
    page.wait_for_function("localStorage['thamesthrive-queue']")  # it has tried
    assert len(shared_collector.events(source)) == 1
    context.set_offline(False)
    assert types(shared_collector.wait_for_events(source, 3)) == ["before", "during", "during"]


@pytest.mark.skipif(ENGINE != "chromium", reason="the driver crashes tabs of Chromium only")
def test_a_crashed_tab_loses_nothing(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    address = site.add("p.html", head=snippet(source, shared_collector.url))
    page = opened(context, address)
    page.wait_for_function(READY)
    page.evaluate("() => { tracker.track('last words') }")
    crash(page)
    opened(context, address)
    assert types(shared_collector.wait_for_events(source, 1)) == ["last words"]


def test_several_tabs_store_each_event_once(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = shared_collector.add_source()
    script = "for (let n = 0; n < 10; n++) tracker.track('tab', {n})"
    address = site.add("p.html", script, head=snippet(source, shared_collector.url))
    pages = [opened(context, address) for _ in range(4)]
    for page in pages:
        page.reload()
    rows = shared_collector.wait_for_events(source, 80)
    for page in pages:
        page.goto("about:blank")
    assert len({row["id"] for row in shared_collector.wait_for_events(source, 80)}) == 80
    assert len({row["session_id"] for row in rows}) == 1


def test_a_full_queue_drops_the_oldest_and_reports_how_many(
    collector: Collector, site: Site, context: BrowserContext
) -> None:
    source = collector.add_source()
    page = opened(context, site.add("p.html", head=snippet(source, collector.url)))
    page.wait_for_function(READY)
    collector.kill()
    first = page.evaluate(
        "() => { const first = tracker.track('a', {n: 0}); for (let n = 1; n < 1005; n++) tracker.track('a', {n}); return first }"
    )
    assert (first["stored"], first["reason"]) == (False, "overloaded")
    collector.start()
    rows = collector.wait_for_events(source, 1000)
    assert [json.loads(row["properties"])["n"] for row in rows] == list(range(5, 1005))
    assert collector.rows("SELECT sum(dropped) AS n FROM sessions") == [{"n": 5}]


def test_events_of_another_source_on_the_same_origin_are_left_alone(
    collector: Collector, site: Site, context: BrowserContext
) -> None:
    shop, blog = collector.add_source(), collector.add_source()
    shop_page = site.add("shop.html", "tracker.track('shop')", head=snippet(shop, collector.url))
    blog_page = site.add("blog.html", "tracker.track('blog')", head=snippet(blog, collector.url))
    collector.stop()
    opened(context, shop_page).close()
    collector.start()
    opened(context, blog_page)
    assert types(collector.wait_for_events(blog, 1)) == ["blog"]
    opened(context, shop_page)
    assert types(collector.wait_for_events(shop, 2)) == ["shop", "shop"]


def test_many_refused_events_are_all_decided_by_one_answer(
    shared_collector: Collector, site: Site, context: BrowserContext
) -> None:
    """The collector lists twenty of them."""
    source = shared_collector.add_source()
    with shared_collector.database() as database:
        schema = json.dumps({"properties": {"n": {"maximum": 9}}})
        store.set_schema(database, source, "priced", schema)
    page = opened(context, site.add("p.html", "", head=snippet(source, shared_collector.url)))
    page.wait_for_function(READY)
    reasons = page.evaluate(
        "() => Promise.all(Array.from({length: 60}, (_, n) => tracker.track('priced', {n})))"
        ".then((results) => results.map((result) => result.stored || result.reason))"
    )
    assert reasons == [True] * 10 + ["invalid"] * 50
    left = "Object.keys(localStorage).filter(key => key.startsWith('thamesthrive-queue.')).length"
    assert page.evaluate(left) == 0
    rejected = "SELECT seen FROM rejected WHERE source_id = ?"
    assert shared_collector.rows(rejected, source) == [{"seen": 1}] * 50
    page.goto("about:blank")
