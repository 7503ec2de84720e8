"""Where a JSON pointer leads in a text."""

import pytest

from collector.event.json_pointer import mark, value_at

EVENT = '{"type":"order","properties":{"price":-1.50,"a/b":{"~":[1,{"x":1e999}]},"price":2.0}}'


@pytest.mark.parametrize(
    ("pointer", "marked"),
    [
        ("/type", '"type": "order"'),
        # Of a key that comes twice, the last one counts.
        ("/properties/price", '"price": 2.0'),
        ("/properties/a~1b/~0/1/x", '"x": 1e999'),
        ("/properties/a~1b/~0/0", "1"),
        # What is not there is marked by the last object on the way.
        ("/properties/total", '"properties"'),
        ("/properties/a~1b/~0/7", '"~"'),
        ("/total", ""),
        ("", ""),
        ("no pointer", ""),
    ],
)
def test_a_pointer_marks_its_place(pointer: str, marked: str) -> None:
    found = mark(EVENT, pointer)
    assert found.marked == marked
    assert "".join(found).replace("\n", "").replace(" ", "") == EVENT


@pytest.mark.parametrize("text", ["", "{", '{"a": ', "[" * 100_000, "\ud800", '{"a": "\ud800"}'])
def test_what_is_not_json_is_left_as_it_is(text: str) -> None:
    assert mark(text, "/a/b") == (text, "", "")


def test_a_pointer_leads_to_a_value() -> None:
    assert value_at({"a/b": [1, {"~": 2}]}, "/a~1b/1/~0") == 2
    with pytest.raises(LookupError):
        value_at({"a": 1}, "/b")
    with pytest.raises(ValueError, match="no JSON pointer"):
        value_at({"a": 1}, "a")
