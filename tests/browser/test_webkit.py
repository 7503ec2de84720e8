"""The core of the tracker in WebKitGTK, driven by Selenium: Playwright has no WebKit that every
machine can install.

Runs with ENGINE=webkit only: `make test-browsers`.
"""

from typing import TYPE_CHECKING

import pytest

from ..support import Collector, wait_for
from .environment import EVENTS, TYPES, Network, Reply, Site, snippet, split_snippet
from .install import ENGINE

pytestmark = [
    pytest.mark.skipif(ENGINE != "webkit", reason="ENGINE=webkit runs it: make test-browsers"),
    pytest.mark.filterwarnings(
        "ignore:setting remote_server_addr:DeprecationWarning"
    ),  # Selenium's own
]

if TYPE_CHECKING:
    from selenium.webdriver.webkitgtk.webdriver import WebDriver

READY = "return !!(window.tracker && window.tracker.ready && document.readyState == 'complete')"


def result_of(webkit: "WebDriver", call: str) -> dict[str, object]:
    """What a call of `track` resolves to."""
    wait_for(lambda: webkit.execute_script(READY), "the tracker")
    found: dict[str, object] = webkit.execute_async_script(
        f"window.tracker.track({call}).then(arguments[0])"
    )
    return found


def test_the_pages_batch_goes_in_one_request(
    shared_collector: Collector, site: Site, webkit: "WebDriver"
) -> None:
    source = shared_collector.add_source()
    webkit.get(site.add("p.html", EVENTS, head=snippet(source, shared_collector.url)))
    rows = shared_collector.wait_for_events(source, 3)
    assert [row["type"] for row in rows] == TYPES
    assert len({row["request_id"] for row in rows}) == 1
    assert (
        webkit.execute_script(
            "return Object.keys(localStorage).filter(k => k.startsWith('thamesthrive-queue.'))"
        )
        == []
    )


def test_a_failure_is_tried_again_and_a_lost_answer_counts_once(
    shared_collector: Collector, site: Site, webkit: "WebDriver"
) -> None:
    source = shared_collector.add_source()
    with Network(shared_collector) as network:
        replies: dict[int, Reply | str] = {1: (503, {"Retry-After": "1"}, b"{}"), 2: "lost"}
        network.weather = lambda _: replies.get(len(network.bodies))
        webkit.get(
            site.add("p.html", EVENTS, head=split_snippet(source, shared_collector, network))
        )
        wait_for(lambda: len(network.bodies) > 2, "a third request")
        assert [row["type"] for row in shared_collector.wait_for_events(source, 3)] == TYPES


@pytest.mark.parametrize("leave", ["location", "link", "reload"])
def test_events_tracked_while_leaving_are_stored(
    shared_collector: Collector, site: Site, webkit: "WebDriver", leave: str
) -> None:
    source = shared_collector.add_source()
    site.add("next.html")
    body = "<a id='out' href='next.html' onclick='tracker.track(\"leaving\")'>out</a>"
    webkit.get(site.add("p.html", head=snippet(source, shared_collector.url), body=body))
    wait_for(lambda: webkit.execute_script(READY), "the tracker")
    if leave == "link":
        webkit.execute_script("document.getElementById('out').click()")
    elif leave == "location":
        webkit.execute_script("tracker.track('leaving'); location.href = 'next.html'")
    else:
        webkit.execute_script("tracker.track('leaving')")
        webkit.refresh()
    assert [row["type"] for row in shared_collector.wait_for_events(source, 1)] == ["leaving"]


def test_an_outage_is_survived_by_what_was_tracked(
    collector: Collector, site: Site, webkit: "WebDriver"
) -> None:
    source = collector.add_source()
    address = site.add("p.html", EVENTS, head=snippet(source, collector.url))
    collector.stop()
    webkit.get(address)
    webkit.get(site.add("other.html"))
    collector.start()
    webkit.get(address)
    assert [row["type"] for row in collector.wait_for_events(source, 6)] == TYPES + TYPES


def test_identity_stays_from_page_to_page(
    shared_collector: Collector, site: Site, webkit: "WebDriver"
) -> None:
    source = shared_collector.add_source()
    webkit.get(
        site.add("one.html", "tracker.track('one')", head=snippet(source, shared_collector.url))
    )
    shared_collector.wait_for_events(source, 1)
    webkit.get(
        site.add("two.html", "tracker.track('two')", head=snippet(source, shared_collector.url))
    )
    one, two = shared_collector.wait_for_events(source, 2)
    assert (one["session_id"], one["profile_id"]) == (two["session_id"], two["profile_id"])


def test_an_unknown_source_is_told(
    shared_collector: Collector, site: Site, webkit: "WebDriver"
) -> None:
    before = shared_collector.counts()
    webkit.get(
        site.add(
            "p.html", head=snippet("00000000-0000-4000-8000-000000000000", shared_collector.url)
        )
    )
    result = result_of(webkit, "'a'")
    assert (result["stored"], result["reason"]) == (False, "unknown_source")
    assert shared_collector.counts() == before


def test_track_resolves_when_the_event_is_stored(
    shared_collector: Collector, site: Site, webkit: "WebDriver"
) -> None:
    source = shared_collector.add_source()
    webkit.get(site.add("p.html", head=snippet(source, shared_collector.url)))
    result = result_of(webkit, "'a', {n: 1}, {fire: true}")
    assert result["stored"] is True
    assert [row["id"] for row in shared_collector.events(source)] == [result["id"]]
