"""Tests of tracking: a pytest plugin (`plugin.py`), and what tests import from here.

A test asserts on what is stored, for its own run:

    def test_buying_stores_one_order(page, tracking):
        page.goto("/shop")
        page.click("#buy")
        tracking.expect("purchase-order", {"price": 13.45}, times=1)
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .chain import Link
    from .evidence import Event
    from .failure import ExpectationFailed
    from .matching import ABSENT, ANY, approx, one_of, regex
    from .record import ExpectationRecord, StepRecord, TestRecord
    from .server import TrackingCollector, TrackingSource
    from .tracking import AsyncTracking, Tracking
    from .whole_run import CARD_NUMBER, EMAIL

__all__ = [
    "ABSENT",
    "ANY",
    "CARD_NUMBER",
    "EMAIL",
    "AsyncTracking",
    "Event",
    "ExpectationFailed",
    "ExpectationRecord",
    "Link",
    "StepRecord",
    "TestRecord",
    "Tracking",
    "TrackingCollector",
    "TrackingSource",
    "approx",
    "one_of",
    "regex",
]

# Where each is. They are imported when they are used: the plugin is loaded into every run of pytest.
_HOMES = {
    "ABSENT": "matching",
    "ANY": "matching",
    "AsyncTracking": "tracking",
    "CARD_NUMBER": "whole_run",
    "EMAIL": "whole_run",
    "Event": "evidence",
    "ExpectationFailed": "failure",
    "ExpectationRecord": "record",
    "Link": "chain",
    "StepRecord": "record",
    "TestRecord": "record",
    "Tracking": "tracking",
    "TrackingCollector": "server",
    "TrackingSource": "server",
    "approx": "matching",
    "one_of": "matching",
    "regex": "matching",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{home}", __name__), name)
