"""Schemas from events: what all of them have in common, and no more than a few prove.

A schema that refuses tomorrow's good event costs more than one that lets a bad one pass, so what
narrows a value needs evidence: MIN_EVIDENCE values.
"""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from jsonschema_rs import Draft202012Validator

DIALECT = "https://json-schema.org/draft/2020-12/schema"
MIN_EVIDENCE = 10  # values before they are said to be whole numbers, of a format or of a list
MAX_CHOICES = 6  # different texts that are listed
MAX_CHOICE = 40  # characters of each
MAX_NAMES = 100  # different keys of an object; more are data, and not listed
# The strictest first. What has to be in a text besides: `uri` alone is also "color:red".
FORMATS = {"uuid": "-", "date-time": "T", "date": "-", "email": "@", "uri": "://"}


def infer_plan(events: Iterable[tuple[str, Mapping[str, Any]]]) -> dict[str, str]:
    """Infers a plan from events, each its type and its properties. Types are in alphabetical
    order."""
    shapes: dict[str, _Shape] = {}
    for event_type, properties in events:
        shapes.setdefault(event_type, _Shape()).add(properties)
    return {
        event_type: json.dumps({"$schema": DIALECT, **shape.schema()}, indent=2, ensure_ascii=False)
        for event_type, shape in sorted(shapes.items())
    }


@dataclass
class _Shape:
    """What was seen in one place. `members`: of objects; `seen_in`: in how many of these."""

    kinds: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)  # a few of them
    formats: list[str] = field(default_factory=lambda: [*FORMATS])  # those of all texts
    members: dict[str, "_Shape"] = field(default_factory=dict)
    seen_in: Counter[str] = field(default_factory=Counter)
    items: "_Shape | None" = None
    is_map: bool = False

    def add(self, value: Any) -> None:
        """Looks at a value."""
        kind = _kind_of(value)
        self.kinds[kind] += 1
        if kind == "string":
            self._add_text(value)
        elif kind == "array":
            self.items = self.items or _Shape()
            for item in value:
                self.items.add(item)
        elif kind == "object" and not self.is_map:
            self._add_members(value)

    def _add_text(self, text: str) -> None:
        if self.formats:
            self.formats = [name for name in self.formats if _is_of(name, text)]
        if text in self.texts or len(self.texts) <= MAX_CHOICES:
            self.texts[text] += 1

    def _add_members(self, value: Mapping[str, Any]) -> None:
        for name, inner in value.items():
            self.members.setdefault(name, _Shape()).add(inner)
            self.seen_in[name] += 1
        if len(self.members) > MAX_NAMES:
            self.is_map = True
            self.members.clear()
            self.seen_in.clear()

    def schema(self) -> dict[str, Any]:
        """The schema that all of them meet."""
        found: dict[str, Any] = {}
        if types := self._types():
            found["type"] = types[0] if len(types) == 1 else types
        if self.kinds["string"]:
            found |= self._of_texts()
        if self.items and self.items.kinds:
            found["items"] = self.items.schema()
        if self.members:
            found["properties"] = {name: one.schema() for name, one in sorted(self.members.items())}
            objects = self.kinds["object"]
            required = sorted(name for name, seen in self.seen_in.items() if seen == objects)
            if required:
                found["required"] = required
        return found

    def _types(self) -> list[str]:
        kinds = {kind for kind, count in self.kinds.items() if count}
        whole = self.kinds["integer"]
        if "number" in kinds or 0 < whole < MIN_EVIDENCE:
            kinds = kinds - {"integer"} | {"number"}
        return sorted(kinds)

    def _of_texts(self) -> dict[str, Any]:
        """The format of the texts, or a list of them. A format comes first: it says more, and repeats
        nobody's address."""
        if self.kinds["string"] < MIN_EVIDENCE:
            return {}
        if self.formats:
            return {"format": self.formats[0]}
        is_list = len(self.texts) <= MAX_CHOICES and min(self.texts.values()) > 1
        others = set(self._types()) - {"string", "null"}
        if others or not is_list or max(map(len, self.texts)) > MAX_CHOICE:
            return {}
        return {"enum": [*sorted(self.texts), *([None] if self.kinds["null"] else [])]}


@cache
def _format(name: str) -> Draft202012Validator:
    return Draft202012Validator({"format": name}, validate_formats=True)


def _is_of(name: str, text: str) -> bool:
    return FORMATS[name] in text and _format(name).is_valid(text)


def _kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int):
        return "integer"
    if isinstance(value, float):
        return "number"
    if isinstance(value, str):
        return "string"
    if value is None:
        return "null"
    return "array" if isinstance(value, list) else "object"
