"""How much a JSON Schema may cost to apply, found by reading it.

A few kilobytes can ask for more than a computer has: two references to a part that has two
references, twenty-eight times. What is counted is how many parts of the schema are applied on the
way to any one value of an event.
"""

from collections.abc import Iterator
from typing import Any

from ..errors import StoreError
from .limits import MAX_DEPTH

MAX_COST = 2000  # parts of a schema on the way to a value
_LISTS = ("allOf", "anyOf", "oneOf")
_PARTS = ("not", "if", "then", "else")
_REFERENCES = ("$ref", "$dynamicRef")
# Of an object's or an array's values, each is for all of them.
_DEEPER = (
    "additionalProperties", "items", "contains", "propertyNames", "unevaluatedProperties",
    "unevaluatedItems",
)  # fmt: skip


def cost_of(schema: Any) -> int:
    """The largest number of parts that are applied on the way to one value. Raises StoreError if it
    is larger than MAX_COST, or without end."""
    try:
        return _Cost(schema).of(schema, MAX_DEPTH)
    except RecursionError as error:
        raise StoreError("The schema is nested too deeply.") from error


class _Cost:
    def __init__(self, root: Any) -> None:
        self._root = root
        self._known: dict[tuple[int, int], int] = {}
        self._open: set[tuple[int, int]] = set()
        self._anchors = {
            f"#{part[name]}": part
            for part in _all_parts(root)
            for name in ("$anchor", "$dynamicAnchor")
            if isinstance(part.get(name), str)
        }

    def of(self, schema: Any, depth: int) -> int:
        """The cost of a schema for a value that has so many levels below it."""
        if not isinstance(schema, dict) or depth < 0:
            return 1
        key = (id(schema), depth)
        if key in self._open:
            raise StoreError("The schema refers to itself without going deeper into the event.")
        if key not in self._known:
            self._open.add(key)
            cost = 1 + len(_list(schema.get("enum"))) // 10
            cost += sum(self.of(part, depth) for part in self._same_value(schema))
            cost += sum(self.of(part, depth - 1) for part in _each_value(schema))
            cost += max((self.of(part, depth - 1) for part in _one_value(schema)), default=0)
            if cost > MAX_COST:
                raise StoreError(
                    f"The schema costs too much to apply: more than {MAX_COST} parts of it are"
                    " applied on the way to one value. Name alternatives once, not within each"
                    " other."
                )
            self._open.discard(key)
            self._known[key] = cost
        return self._known[key]

    def _same_value(self, schema: dict[str, Any]) -> Iterator[Any]:
        for name in _LISTS:
            yield from _list(schema.get(name))
        for name in _PARTS:
            if name in schema:
                yield schema[name]
        yield from _dict(schema.get("dependentSchemas")).values()
        for name in _REFERENCES:
            if isinstance(schema.get(name), str):
                yield self._resolve(schema[name])

    def _resolve(self, reference: str) -> Any:
        """The part that a reference points to. Raises StoreError."""
        found = self._anchors.get(reference)
        if found is None and (reference == "#" or reference.startswith("#/")):
            found = self._root
            for step in reference.split("/")[1:]:
                name = step.replace("~1", "/").replace("~0", "~")
                if isinstance(found, list) and name.isdigit() and int(name) < len(found):
                    found = found[int(name)]
                elif isinstance(found, dict) and name in found:
                    found = found[name]
                else:
                    found = None
                    break
        if found is None:
            raise StoreError(
                f"{reference!r} is not in the schema. A $ref points within it, as in #/$defs/price"
            )
        return found


def _each_value(schema: dict[str, Any]) -> Iterator[Any]:
    for name in _DEEPER:
        if name in schema:
            yield schema[name]
    yield from _dict(schema.get("patternProperties")).values()


def _one_value(schema: dict[str, Any]) -> Iterator[Any]:
    """Parts that are each for another value."""
    yield from _dict(schema.get("properties")).values()
    yield from _list(schema.get("prefixItems"))


def _all_parts(schema: Any) -> Iterator[dict[str, Any]]:
    waiting = [schema]
    while waiting:
        part = waiting.pop()
        if isinstance(part, dict):
            yield part
            waiting += part.values()
        elif isinstance(part, list):
            waiting += part


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
