"""What our own tracker sends, recorded: each request is as the published schema says, and has not
changed unnoticed.

`CONTRACT=record` writes the recordings anew; read the difference before you commit it.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema_rs
import pytest
from playwright.sync_api import Page

from collector.testing import Tracking

from ..support import ROOT, Collector
from .environment import EVENTS, Network, Site, through

CONTRACT = ROOT / "tests" / "recordings" / "thamesthrive"
SCHEMA = jsonschema_rs.validator_for(
    json.loads((ROOT / "site/assets/track.schema.json").read_text()), validate_formats=True
)
HEADERS = ("Content-Type", "Origin", "Sec-Fetch-Mode")


def act(call: str) -> Callable[[Page], Any]:
    return lambda page: page.evaluate(f"async () => {{ {call} }}")


# name: (what is done on the page, the page's script, what happens after it has loaded, the types
# that are stored)
SCENARIOS: dict[str, tuple[str, str, Callable[[Page], Any] | None, list[str]]] = {
    "load3": (
        "three events while the page loads",
        EVENTS,
        None,
        ["purchase-order", "interest", "page-view"],
    ),
    "fire": (
        "an event, then one with fire, and one after the answer",
        "tracker.track('page-view'); tracker.track('sign-up', {plan: 'free'}, {fire: true}).then(() => tracker.track('interest'))",
        None,
        ["page-view", "sign-up", "interest"],
    ),
    "beacon": (
        "an event as a beacon, after the page has loaded",
        "",
        act("tracker.track('checkout', {}, {asBeacon: true})"),
        ["checkout"],
    ),
    "auto": (
        "automatic events and a trigger",
        """options.tracker.auto = {events: [["segment", {name: "early"}]],
             triggers: [{tag: "t", trigger: "onClick", data: {event: "clicked", properties: {n: 1}}}]}""",
        act("document.querySelector('p').click()"),
        ["segment", "clicked"],
    ),
    "helpers": (
        "helpers.track after the first answer",
        "tracker.track('page-view'); onThamesThriveReady.bind(({helpers}) => helpers.track('helped', {n: 1}, {fire: true}))",
        None,
        ["page-view", "helped"],
    ),
    "context_full": (
        "every context switched on",
        """options.tracker.context = {performance: true, location: {data: {city: "London"}}, storage: true, cookies: true};
           document.cookie = "tea=green"; localStorage.cup = "large";
           tracker.track("page-view", {}, {context: {shop: "Hampton"}})""",
        None,
        ["page-view"],
    ),
}


def shape(value: Any) -> Any:
    """Keys and types of JSON. What browsers report of themselves differs by machine and version, so
    only that it is there."""
    if isinstance(value, dict):
        return {
            key: "…" if key in ("performance", "browser", "screen") else shape(value[key])
            for key in sorted(value)
        }
    return [shape(item) for item in value] if isinstance(value, list) else type(value).__name__


@pytest.mark.parametrize("name", SCENARIOS)
def test_requests_are_as_recorded_and_as_the_schema_says(
    page: Page, site: Site, head: str, page_collector: Collector, tracking: Tracking, name: str
) -> None:
    what, script, after, types = SCENARIOS[name]
    with Network(page_collector) as network:
        body = "<p data-thamesthrive-tag='t'>t</p>"
        page.goto(site.add("p.html", script, head=through(network, head), body=body))
        if after:
            page.wait_for_function(
                "window.tracker && window.tracker.ready && document.readyState == 'complete'"
            )
            after(page)
        tracking.expect_exactly(*types)
        # That they belong to a test is all that differs from what visitors send.
        assert [body.pop("options") for body in network.bodies] == [{"run": tracking.run}] * len(
            network.bodies
        )
        requests: list[dict[str, Any]] = [
            {
                "method": "POST",
                "path": "/track",
                "headers": {key: headers[key] for key in HEADERS if key in headers},
                "body": body,
                "expect": {
                    "status": 200,
                    "stored_types": [event["type"] for event in body["events"]],
                },
            }
            for headers, body in zip(network.headers, network.bodies, strict=True)
        ]
    for request in requests:
        SCHEMA.validate(request["body"])
    path = CONTRACT / f"{name}.json"
    if os.environ.get("CONTRACT") == "record":
        path.write_text(
            json.dumps({"name": name, "what": what, "requests": requests}, indent=1) + "\n",
            encoding="utf-8",
        )
    recorded = json.loads(path.read_text(encoding="utf-8"))["requests"]
    assert [shape(request["body"]) for request in requests] == [
        shape(request["body"]) for request in recorded
    ]
    assert [request["headers"]["Content-Type"] for request in requests] == [
        "text/plain;charset=UTF-8"
    ] * len(recorded)
    assert [kind for request in requests for kind in request["expect"]["stored_types"]] == types


@pytest.mark.parametrize(
    "path",
    sorted((ROOT / "tests" / "recordings" / "tracardi").glob("*.json")),
    ids=lambda path: path.stem,
)
def test_other_trackers_requests_are_as_the_schema_says(path: Path) -> None:
    bodies = [
        request["body"]
        for request in json.loads(path.read_text(encoding="utf-8"))["requests"]
        if "body" in request
    ]
    assert [SCHEMA.is_valid(body) for body in bodies] == [True] * len(bodies) != []


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"source": {}},
        {"source": {"id": "s"}, "events": [{}]},
        {"source": {"id": "s"}, "events": [{"type": " "}]},
        [],
    ],
)
def test_the_schema_refuses_what_the_collector_refuses(wrong: Any) -> None:
    with pytest.raises(jsonschema_rs.ValidationError):
        SCHEMA.validate(wrong)
