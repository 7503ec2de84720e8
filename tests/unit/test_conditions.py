"""Conditions on what is in an event: how they are read, and which JSON meets them."""

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from collector.errors import StoreError
from collector.store.conditions import OPERATORS, Condition, parse_condition


def meets(condition: str | Condition, properties: Any, context: str = "{}") -> bool:
    """Whether SQLite finds a row with these columns."""
    found = parse_condition(condition) if isinstance(condition, str) else condition
    term, values = found.sql()
    text = properties if isinstance(properties, str) else json.dumps(properties)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE t (properties, context)")
        connection.execute("INSERT INTO t VALUES (?, ?)", [text, context])
        return bool(connection.execute(f"SELECT 1 FROM t WHERE {term}", values).fetchone())


@pytest.mark.parametrize(
    ("text", "column", "keys", "operator", "value", "is_quoted"),
    [
        ("price>10", "properties", ["price"], ">", "10", False),
        ("properties.item = red shoes ", "properties", ["item"], "=", "red shoes", False),
        ("context.page.path!=/", "context", ["page", "path"], "!=", "/", False),
        ("a.b<='x y'", "properties", ["a", "b"], "<=", "x y", True),
        (r'"a.b"."c\"d">="\u00e9 "', "properties", ["a.b", 'c"d'], ">=", "é ", True),
        ('"context".x=1', "properties", ["context", "x"], "=", "1", False),
        ("properties=1", "properties", ["properties"], "=", "1", False),
        ("query=a=b", "properties", ["query"], "=", "a=b", False),
        ("price==10", "properties", ["price"], "=", "10", False),
        ("coupon=", "properties", ["coupon"], "=", "", False),
        ("item~sun glasses", "properties", ["item"], "~", "sun glasses", False),
        ("item!~sun", "properties", ["item"], "!~", "sun", False),
        ("item=~sun", "properties", ["item"], "=", "~sun", False),
        ("first name=Ann", "properties", ["first name"], "=", "Ann", False),
    ],
)
def test_a_condition_is_a_path_an_operator_and_a_value(
    text: str, column: str, keys: list[str], operator: str, value: str, *, is_quoted: bool
) -> None:
    assert parse_condition(text) == Condition(column, tuple(keys), operator, value, is_quoted)


@pytest.mark.parametrize(
    "text",
    ["", "price", "price>", "=1", "a..b=1", ".a=1", "a.=1", "a. .b=1", "price===1", "price=>1", "item~",
     "price<>1", '"a=1', '"a"b=1', "a." * 40 + "b=1"],
)  # fmt: skip
def test_what_is_no_condition_says_what_is_right(text: str) -> None:
    with pytest.raises(StoreError) as error:
        parse_condition(text)
    assert "'price>10'" in str(error.value)
    assert str(error.value).endswith(f"The operators are {' '.join(OPERATORS)}.")
    assert error.value.exit_code == 2


@pytest.mark.parametrize("text", ['a="x', 'a="x"y', "a='x", r'a="\q"', "a='"])
def test_a_quoted_text_that_does_not_end_is_said(text: str) -> None:
    with pytest.raises(StoreError, match="does not end, or is no JSON string"):
        parse_condition(text)


@pytest.mark.parametrize(
    ("condition", "properties", "is_met"),
    [
        ("price>10", {"price": 10.5}, True),
        ("price>10", {"price": 9}, False),
        ("price>10", {"price": "9"}, False),  # SQLite alone would find every text greater
        ("price<=1e3", {"price": 1000}, True),
        ("price=10", {"price": 10.0}, True),
        ("zip=01234", {"zip": "01234"}, True),
        ("zip=10115", {"zip": "10115"}, True),
        ('zip="10115"', {"zip": 10115}, False),
        ("day>=2026-11-05", {"day": "2026-11-20"}, True),
        ("day>=2026-11-05", {"day": 5000}, False),
        ("paid=true", {"paid": True}, True),
        ("paid=1", {"paid": True}, False),
        ('paid="true"', {"paid": True}, False),
        ("paid=null", {"paid": None}, True),
        ("paid!=true", {"paid": None}, True),
        ("item!=shoes", {"item": "hat"}, True),
        ("item!=shoes", {}, False),
        ("item~SUN", {"item": "New sunglasses"}, True),
        ("item~%", {"item": "New sunglasses"}, False),
        ("item~1", {"item": 10}, False),
        ("item!~sun", {"item": "hat"}, True),
        ("item!~sun", {"item": "Sun hat"}, False),
        ("item!~sun", {"item": 10}, True),
        ("item!~sun", {}, False),
        ("n!=1", {"n": 1.0}, False),
        ("n=12345678901234567890", '{"n": 12345678901234567890}', True),
        ("n<1e308", '{"n": 1e999}', False),
        ("a.b=1", {"a": {"b": 1}}, True),
        ("a.b=1", {"a.b": 1}, False),
        ("a.b=1", {"a": '{"b": 1}'}, False),  # a text that looks like JSON
        ("a.b=1", {"a": "no JSON"}, False),
        ("items.1.sku=x", {"items": [{"sku": "w"}, {"sku": "x"}]}, True),
        ("é=1", '{"\\u00e9": 1}', True),
    ],
)
def test_values_compare_as_what_they_are(condition: str, properties: Any, *, is_met: bool) -> None:
    assert meets(condition, properties) is is_met


def test_context_has_conditions_of_its_own() -> None:
    page = '{"page": {"path": "/tea"}}'
    assert meets("context.page.path=/tea", "{}", page)
    assert not meets("page.path=/tea", "{}", page)


HOSTILE = ["'", '"', "\\", "$", "[0]", "a.b", "?", "--", "; DROP TABLE t", "%", "\n", "'||'", "*"]
TEXTS = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)


@given(
    st.lists(TEXTS | st.sampled_from(HOSTILE), min_size=1, max_size=4),
    TEXTS | st.sampled_from(HOSTILE),
)
def test_any_key_and_any_text_is_found_and_nothing_else(keys: list[str], value: str) -> None:
    path = ".".join(map(json.dumps, keys))
    inner: Any = value
    for key in reversed(keys):
        inner = {key: inner}
    assert meets(f"{path}={json.dumps(value)}", inner)
    assert not meets(f"{path}={json.dumps(value + 'x')}", inner)
    assert not meets(f"{path}.x={json.dumps(value)}", inner)
