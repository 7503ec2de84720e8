"""What an expectation accepts."""

import json
import re
from typing import Any

import pytest

from collector.testing import (
    ABSENT,
    ANY,
    ExpectationRecord,
    StepRecord,
    TestRecord,
    approx,
    one_of,
    regex,
)
from collector.testing.matching import differences

STORED = {
    "price": 13.45,
    "paid": True,
    "count": 1,
    "coupon": None,
    "items": [{"sku": "A-1", "size": "M"}, {"sku": "B-2"}],
}


@pytest.mark.parametrize(
    "expected",
    [
        {},
        {"price": 13.45},
        {"items": [{"sku": "A-1"}, {"sku": "B-2"}]},
        {"price": approx(13.449, abs=0.01), "paid": True},
        {"price": pytest.approx(13.45)},
        {"coupon": None, "count": ANY},
        {"coupon": ANY, "gift": ABSENT},
        {"items": [{"sku": regex("^A-")}, ANY]},
        {"items": one_of([], [{"sku": "A-1"}, {"sku": "B-2"}])},
        {"price": one_of(1, 13.45)},
    ],
    ids=repr,
)
def test_parts_and_matchers_are_accepted(expected: dict[str, Any]) -> None:
    assert differences(expected, STORED) == []


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ({"price": 13.5}, "properties.price: expected 13.5, stored 13.45"),
        ({"price": "13.45"}, 'properties.price: expected "13.45", stored 13.45'),
        ({"paid": 1}, "properties.paid: expected 1, stored true"),
        ({"count": True}, "properties.count: expected true, stored 1"),
        ({"coupon": ABSENT}, "properties.coupon: expected ABSENT, stored null"),
        ({"gift": ANY}, "properties.gift: expected ANY, is missing"),
        ({"gift": None}, "properties.gift: expected null, is missing"),
        (
            {"items": [{"sku": "A-1"}, {"sku": regex("^C")}]},
            "properties.items[1].sku: expected regex('^C'), stored \"B-2\"",
        ),
        (
            {"items": [ANY]},
            'properties.items: expected [ANY], stored [{"sku": "A-1", "size": "M"}, {"sku": "B-2"}]',
        ),
        ({"price": approx(13)}, "properties.price: expected approx(13, abs=1.3e-05), stored 13.45"),
        ({"price": one_of(1, 2)}, "properties.price: expected one_of(1, 2), stored 13.45"),
        ({"price": regex("13")}, "properties.price: expected regex('13'), stored 13.45"),
    ],
    ids=lambda value: "" if isinstance(value, str) else repr(value),
)
def test_a_difference_says_where_and_what(expected: dict[str, Any], told: str) -> None:
    assert [str(found) for found in differences(expected, STORED, "properties")] == [told]


def test_long_values_are_cut() -> None:
    (found,) = differences({"a": "x" * 300}, {"a": "y"})
    assert re.fullmatch(r'a: expected "x{198}…, stored "y"', str(found))


def test_a_record_survives_json() -> None:
    """As it travels between the processes of xdist."""
    record = TestRecord("a::b", "run", "source", "http://c", outcome="passed")
    record.steps.append(StepRecord("buy", 1.0, 2.0))
    record.expectations.append(ExpectationRecord("expect", {"type": "a"}, True, 1.0, 0.5))
    assert TestRecord.from_dict(json.loads(json.dumps(record.as_dict()))) == record
