"""The first broken link, where several traces of an event contradict each other."""

from typing import Any

import pytest

from collector.testing import Event, Link
from collector.testing.chain import first_broken_link
from collector.testing.evidence import BrowserRequest, BrowserSide, Call, Evidence, Wanted

PAGE = "https://shop.example/"
COLLECTOR = "http://127.0.0.1:8686"


def stored(type_: str, path: str = "/", **properties: Any) -> Event:
    context = {"page": {"path": path}}
    return Event("1", type_, properties, context, None, None, "t", "t", 1, {})


def call(type_: str, outcome: dict[str, Any] | None = None, **properties: Any) -> Call:
    return Call(type_, properties, PAGE, 0.0, outcome)


def request(type_: str, status: int = 200, reason: str = "stored") -> dict[str, Any]:
    entry = {"status": status, "reason": reason, "method": "POST", "route": "/track"}
    return {**entry, "source_id": "s", "origin": PAGE, "events": [{"type": type_}]}


def rejected(type_: str, **properties: Any) -> dict[str, Any]:
    row = {"type": type_, "reason": "invalid", "pointer": "/properties/price", "detail": "is wrong"}
    return {**row, "payload": {"type": type_, "properties": properties}}


def side(*calls: Call, **values: Any) -> BrowserSide:
    return BrowserSide(pages=[PAGE], loaded=[PAGE], calls=list(calls), **values)


ORDER = Wanted("order", {"price": 1})
FAILED = BrowserRequest("track", f"{COLLECTOR}/track", None, "net::ERR_FAILED")


@pytest.mark.parametrize(
    ("evidence", "link"),
    [
        ({"events": [stored("order", price=2)]}, Link.DIFFERENT),
        # The right one was tracked as well, and is what is missing.
        (
            {
                "events": [stored("order", price=2)],
                "browser": side(call("order", price=2), call("order", price=1), requests=[FAILED]),
            },
            Link.BLOCKED,
        ),
        (
            {
                "events": [stored("order", price=2)],
                "requests": [request("order"), request("order", 429, "rate_limited")],
                "browser": side(call("order", price=2), call("order", price=1)),
            },
            Link.REFUSED,
        ),
        (
            {"events": [stored("order", price=2)], "rejected": [rejected("order", price=1)]},
            Link.REJECTED,
        ),
        # No further off than the one that was stored.
        (
            {"events": [stored("order", price=2)], "rejected": [rejected("order")]},
            Link.REJECTED,
        ),
        ({"events": [stored("orders", price=1)]}, Link.OTHER_NAME),
        ({"events": [stored("view", price=1)], "requests": [request("view")]}, Link.NOT_CALLED),
        ({"browser": side(call("order", price=1))}, Link.WAITING),
        (
            {"browser": side(call("order", {"stored": False, "reason": "too_large"}, price=1))},
            Link.REFUSED,
        ),
        ({"browser": BrowserSide()}, Link.NO_PAGE),
        ({}, Link.NO_PAGE),
        ({"others": [("left-over", stored("order", price=1))]}, Link.OTHER_RUN),
        ({"others": [("", stored("order", price=1))]}, Link.OTHER_RUN),
        ({"others": [("", stored("another"))]}, Link.NO_PAGE),
    ],
    ids=lambda value: value.name.lower() if isinstance(value, Link) else "",
)
def test_the_first_broken_link(evidence: dict[str, Any], link: Link) -> None:
    assert first_broken_link(ORDER, Evidence("run", "s", COLLECTOR, **evidence)).link == link


def test_another_context_is_a_difference() -> None:
    """Whether the page has tracked the right properties or not."""
    wanted = Wanted("view", {"sku": "a"}, {"page": {"path": "/hats"}})
    evidence = Evidence("run", "s", COLLECTOR, events=[stored("view", "/shoes", sku="a")])
    evidence.browser = side(call("view", sku="a"))
    assert first_broken_link(wanted, evidence).link == Link.DIFFERENT
