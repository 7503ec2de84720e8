"""Schemas that would cost more than there is, when they are set and when they are applied."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlite_utils import Database

from collector import store
from collector.errors import StoreError
from collector.event.json_schema import MAX_WORK, Work, compile_schema
from collector.event.schema_cost import MAX_COST, cost_of

from ..support import Collector


def doubled(times: int, keyword: str = "anyOf") -> dict[str, Any]:
    """A schema of a few kilobytes, with a part that is applied 2 ** times."""
    parts: dict[str, Any] = {"p0": {"type": "string"}}
    for number in range(1, times + 1):
        reference = {"$ref": f"#/$defs/p{number - 1}"}
        parts[f"p{number}"] = {keyword: [reference, reference]}
    return {"$defs": parts, "$ref": f"#/$defs/p{times}"}


TREE = {
    "type": "object",
    "properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}, "n": {"type": "number"}},
}
TWICE_A_LEVEL = {"properties": {"a": {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]}}}
USUAL = {
    "$defs": {"money": {"type": "number", "minimum": 0}},
    "required": ["price"],
    "properties": {
        "price": {"$ref": "#/$defs/money"},
        "items": {"type": "array", "items": {"properties": {"price": {"$ref": "#/$defs/money"}}}},
        "size": {"enum": ["S", "M", "L"]},
        "code": {"anyOf": [{"type": "null"}, {"pattern": "^[A-Z]{3}$"}]},
    },
}


@pytest.mark.parametrize("keyword", ["anyOf", "allOf", "oneOf"])
def test_a_part_doubled_28_times_is_refused(keyword: str) -> None:
    with pytest.raises(StoreError, match="costs too much to apply"):
        compile_schema(json.dumps(doubled(28, keyword)))
    assert cost_of(doubled(5, keyword)) < MAX_COST


def test_a_part_doubled_at_each_level_is_refused() -> None:
    with pytest.raises(StoreError, match="costs too much"):
        compile_schema(json.dumps(TWICE_A_LEVEL))


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"allOf": [{"not": {"$ref": "#"}}]},
        {"$defs": {"a": {"$ref": "#/$defs/b"}, "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"},
    ],
)
def test_a_schema_that_refers_to_itself_in_place_is_refused(schema: Any) -> None:
    with pytest.raises(StoreError, match="refers to itself"):
        compile_schema(json.dumps(schema))


@pytest.mark.parametrize(
    "schema",
    [
        TREE,
        USUAL,
        True,
        {"$defs": {"a": {"$anchor": "here", "type": "string"}}, "items": {"$ref": "#here"}},
        {"properties": {f"p{n}": {"type": "string"} for n in range(3000)}},
        {"enum": list(range(5000))},
    ],
)
def test_schemas_that_people_write_are_taken(schema: Any) -> None:
    assert compile_schema(json.dumps(schema)).check is not None


def test_a_reference_that_points_nowhere_is_refused() -> None:
    with pytest.raises(StoreError):
        compile_schema('{"$ref": "#/$defs/nothing"}')


def test_the_work_of_a_request_is_bounded() -> None:
    validator = compile_schema(json.dumps(doubled(8)))
    work = Work()
    values = json.dumps({"list": ["x"] * 1000})
    faults = [work.fault(validator, values) for _ in range(MAX_WORK // validator.cost // 1000 + 1)]
    assert (
        faults[-1]
        == "/properties: too many values for this type's schema; send fewer in one request"
    )
    assert faults[0] != faults[-1]


def test_a_schema_that_cannot_be_applied_concerns_its_type_alone(
    collector: Collector, tmp_path: Path
) -> None:
    source, other = collector.add_source(), collector.add_source()
    with closing(sqlite3.connect(collector.db)) as connection, connection:
        connection.execute(
            "INSERT INTO schemas VALUES (?, 'a', ?, 'x')", [source, json.dumps(doubled(28))]
        )
    events = [{"id": "1", "type": "a"}, {"id": "2", "type": "b"}]
    answer = collector.post({"source": {"id": source}, "events": events})
    assert answer.json()["events"] == ["2"]
    (error,) = answer.json()["errors"]
    assert error["detail"].startswith("/properties: the schema for this type cannot be applied")
    assert collector.post({"source": {"id": other}, "events": events}).json()["events"] == [
        "1",
        "2",
    ]
    with closing(store.connect(collector.db)) as connection:
        store.set_schema(Database(connection), source, "a", "true")
    assert [row["event_id"] for row in collector.rows("SELECT event_id FROM rejected")] == ["1"]


@pytest.mark.timeout(45)
def test_an_event_with_thousands_of_faults_is_refused_as_quickly_as_one_with_one() -> None:
    """To find all of them takes more than a minute, which this test does not have."""
    parts = {**doubled(8)["$defs"], "list": {"items": {"$ref": "#/$defs/p8"}}}
    validator = compile_schema(json.dumps({"$defs": parts, "properties": {"l": parts["list"]}}))
    fault = Work().fault(validator, json.dumps({"l": [1] * 4800}))
    assert fault
    assert fault.startswith("/properties/l/0: ")
