"""Refunds, which the server reports: no browser is there."""

import json
import urllib.request
from typing import Any

from playwright.sync_api import Page

from collector.testing import ANY, Tracking, TrackingCollector, TrackingSource

from .server import Shop


def post(url: str, body: dict[str, Any], headers: dict[str, str]) -> int:
    request = urllib.request.Request(url, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request) as answer:
        return int(json.load(answer)["collector"])


def test_a_refund_is_stored(shop: Shop, tracking: Tracking) -> None:
    post(f"{shop.url}/refund", {"order": "A-1", "amount": 13.45}, tracking.headers)
    tracking.expect("refund", {"order": "A-1", "amount": 13.45}, times=1)


def test_a_refund_is_no_order(shop: Shop, tracking: Tracking) -> None:
    post(f"{shop.url}/refund", {"order": "A-2", "amount": 1}, tracking.headers)
    tracking.expect("refund", {"amount": ANY})
    tracking.expect_none("purchase-order")


def test_refunds_of_other_runs_are_not_seen(shop: Shop, tracking: Tracking) -> None:
    post(f"{shop.url}/refund", {"order": "A-3", "amount": 1}, {"X-ThamesThrive-Run": "another"})
    post(f"{shop.url}/refund", {"order": "A-4", "amount": 2}, tracking.headers)
    tracking.expect("refund", {"order": "A-4"})
    tracking.expect("refund", times=1)


def test_a_wrong_source_is_refused(
    collector: TrackingCollector, tracking: Tracking, tracking_source: TrackingSource
) -> None:
    stranger = "00000000-0000-4000-8000-000000000000"
    shop = Shop({"collector": tracking_source.collector, "source": stranger})
    assert shop.refund({"order": "A-5", "amount": 1}, tracking.run) == 401
    request = tracking.expect_refused("unknown_source")
    assert request["status"] == 401


def test_a_purchase_and_its_refund_are_one_test(page: Page, shop: Shop, tracking: Tracking) -> None:
    page.goto("/thanks.html")
    post(f"{shop.url}/refund", {"order": "A-6", "amount": 5}, tracking.headers)
    tracking.expect("page-view", {"kind": "thanks"})
    tracking.expect("refund", {"order": "A-6"})
