"""How much of a plan tests have seen."""

import json

import pytest

from collector.testing.plan_coverage import coverage_of

from .records import event, record

ITEM = {"type": "object", "properties": {"sku": {}, "parts": {"$ref": "#/$defs/list"}}}
ORDER = {
    "properties": {"price": {}, "items": {"$ref": "#/$defs/list"}},
    "required": ["price", "id"],
    "oneOf": [{"required": ["card"]}, {"properties": {"cash": {}}}],
    "$defs": {"list": {"type": "array", "items": ITEM}},
}


def test_properties_are_those_of_objects_items_and_alternatives() -> None:
    plan = {"order": json.dumps(ORDER)}
    items = [{"sku": 1}, {"parts": [{"sku": 2}]}]
    seen = coverage_of([record("t", event("order", {"price": 1, "items": items}))], plan)
    paths = {row.path: row.is_seen for row in seen.planned}
    wanted = ["", "/price", "/id", "/items", "/items/*/sku", "/items/*/parts", "/card", "/cash"]
    assert set(wanted) <= paths.keys()
    assert {path for path in wanted if paths[path]} == {
        "", "/price", "/items", "/items/*/sku", "/items/*/parts",
    }  # fmt: skip
    assert paths["/items/*/parts/*/sku"]


@pytest.mark.parametrize(
    ("properties", "percent"),
    [({"a": 1, "b": 1}, "100 %"), ({"a": 1}, "66.6 %"), ({}, "33.3 %"), (None, "0 %")],
)
def test_the_share_is_never_rounded_up(properties: dict[str, int] | None, percent: str) -> None:
    plan = {"x": json.dumps({"properties": {"a": {}, "b": {}}})}
    events = [] if properties is None else [event("x", properties)]
    assert coverage_of([record("t", *events)], plan).shown_percent == percent


def test_what_the_plan_does_not_have_changes_no_share() -> None:
    plan = {"x": json.dumps({"properties": {"a": {}}})}
    found = coverage_of([record("t", event("x", {"more": 1}), event("other"))], plan)
    assert found.percent == 50
    others = [(row.type, row.path) for row in found.rows if not row.in_plan]
    assert others == [("x", "/more"), ("other", "")]


def test_a_schema_that_contains_itself_ends() -> None:
    tree = {"properties": {"child": {"$ref": "#"}, "name": {}}}
    rows = coverage_of([], {"tree": json.dumps(tree)}).planned
    assert 2 < len(rows) <= 501
