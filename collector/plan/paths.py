"""The properties that a schema speaks of, and those that an event has, by the same names: pointers
in which `*` is any item of an array, as in `/items/*/name`."""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

from ..event.json_pointer import escape, value_at

MAX_DEPTH = 8  # levels of properties
MAX_PATHS = 500  # of one type
_SAME_VALUE = ("allOf", "anyOf", "oneOf")


def paths_of_schema(schema: str) -> list[str]:
    """The properties that a schema, JSON text, lists, in its order; those it requires as well."""
    root = json.loads(schema)
    return [*dict.fromkeys(islice(_listed(root, root, "", 0), MAX_PATHS))]


def _listed(root: Any, schema: Any, at: str, depth: int) -> Iterator[str]:
    if not isinstance(schema, dict) or depth > MAX_DEPTH:
        return
    known = schema.get("properties", {})
    for name in dict.fromkeys([*known, *schema.get("required", [])]):
        path = f"{at}/{escape(name)}"
        yield path
        yield from _listed(root, known.get(name), path, depth + 1)
    yield from _listed(root, schema.get("items"), f"{at}/*", depth + 1)
    for key in _SAME_VALUE:
        for part in schema.get(key, []):
            yield from _listed(root, part, at, depth + 1)
    for key in ("then", "else"):
        yield from _listed(root, schema.get(key), at, depth + 1)
    reference = schema.get("$ref")
    if isinstance(reference, str) and re.match(r"#(/|$)", reference):
        yield from _listed(root, value_at(root, reference[1:]), at, depth + 1)


def paths_of_event(properties: Any) -> set[str]:
    """The properties that an event has. Arrays have their items', whichever item has them."""
    found: set[str] = set()
    waiting: list[tuple[Any, str, int]] = [(properties, "", 0)]
    while waiting and len(found) < MAX_PATHS:
        value, at, depth = waiting.pop()
        if depth > MAX_DEPTH:
            continue
        if isinstance(value, dict):
            for name, inner in value.items():
                path = f"{at}/{escape(name)}"
                found.add(path)
                waiting.append((inner, path, depth + 1))
        elif isinstance(value, list):
            waiting += [(item, f"{at}/*", depth + 1) for item in value]
    return found
