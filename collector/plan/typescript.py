"""A plan as TypeScript: what `window.tracker.track` may be called with.

A type is never narrower than its schema, with one exception: where a schema lists properties and
says nothing of others, TypeScript knows no others, so that it reports one that is mistyped.
"""

import json
import re
from collections.abc import Iterator
from typing import Any

from ..event.json_pointer import steps_of, value_at
from .files import Plan

_HEAD = """\
// Written by `thamesthrive schema types`. Change the tracking plan instead.

"""
_TAIL = """
type ThamesThriveResult =
  | { stored: true; id: string; duplicate?: boolean }
  | { stored: false; id: string; reason: string; detail?: string };

interface ThamesThriveTrackOptions {
  fire?: boolean;
  asBeacon?: boolean;
  context?: Record<string, unknown>;
  [more: string]: unknown;
}

type ThamesThriveCall<T extends keyof ThamesThriveEvents> = {} extends ThamesThriveEvents[T]
  ? [properties?: ThamesThriveEvents[T] | null, options?: ThamesThriveTrackOptions | null]
  : [properties: ThamesThriveEvents[T], options?: ThamesThriveTrackOptions | null];

interface ThamesThriveTracker {
  track<T extends keyof ThamesThriveEvents>(
    type: T,
    ...call: ThamesThriveCall<T>
  ): Promise<ThamesThriveResult>;
  push(
    ...calls: {
      [T in keyof ThamesThriveEvents]: [type: T, ...call: ThamesThriveCall<T>];
    }[keyof ThamesThriveEvents][]
  ): void;
  flush(): Promise<void>;
  consent(decision: "granted" | "denied"): void;
  reset(): void;
  ready: Promise<unknown>;
  readonly profileId: string | null;
  readonly sessionId: string;
}

interface Window {
  tracker: ThamesThriveTracker;
}
"""
_NAME = re.compile(r"[A-Za-z_$][\w$]*", re.ASCII)
_BASIC = {"string": "string", "boolean": "boolean", "null": "null"}
_NUMBERS = ("number", "integer")
_OPEN = "[more: string]: unknown;"


def declarations_of(plan: Plan) -> str:
    """TypeScript declarations of a plan, for a file such as `tracking.d.ts`. They are global, and
    import nothing."""
    lines: list[str] = []
    named: list[str] = []
    for event_type, text in plan.items():
        schema = json.loads(text)
        writer = _Writer(schema, f"ThamesThrive_{_identifier(event_type)}")
        lines += [
            *_comment(schema, "  "),
            f"  {json.dumps(event_type)}: {writer.of_properties(schema)};",
        ]
        named += writer.named()
    events = "\n".join(["interface ThamesThriveEvents {", *lines, "}"])
    return "\n".join([_HEAD + events, *named]) + "\n" + _TAIL


def _identifier(text: str) -> str:
    """Letters and digits that no other text has."""
    return re.sub(r"[^A-Za-z0-9]", lambda found: f"_{ord(found[0]):x}_", text)


class _Writer:
    """Writes the types of one schema. What it refers to gets a name, for it may contain itself."""

    def __init__(self, root: Any, prefix: str) -> None:
        self._root = root
        self._prefix = prefix
        self._names: dict[str, str] = {}
        self._waiting: list[str] = []

    def of_properties(self, schema: Any) -> str:
        """The type of an event's properties: an object, if the schema says so or not."""
        found = self.of(schema, 1)
        return "Record<string, unknown>" if found == "unknown" else found

    def named(self) -> Iterator[str]:
        """The types that others refer to, which may refer to more."""
        while self._waiting:
            reference = self._waiting.pop()
            target = self._target(reference)
            yield f"type {self._names[reference]} = {self.of(target, 0)};"

    def of(self, schema: Any, depth: int) -> str:
        """A schema's type. `depth`: of its indentation."""
        if schema is False:
            return "never"
        if not isinstance(schema, dict):
            return "unknown"
        parts = [part for part in self._parts(schema, depth) if part != "unknown"]
        if len(parts) > 1:
            parts = [f"({part})" if " | " in part else part for part in parts]
        return " & ".join(dict.fromkeys(parts)) or "unknown"

    def _parts(self, schema: dict[str, Any], depth: int) -> Iterator[str]:
        if "const" in schema:
            yield _literal(schema["const"])
        elif isinstance(schema.get("enum"), list):
            yield _union([_literal(value) for value in schema["enum"]])
        else:
            yield self._of_kinds(schema, depth)
        for key in ("anyOf", "oneOf"):
            if isinstance(schema.get(key), list):
                yield _union([self.of(part, depth) for part in schema[key]])
        for part in schema.get("allOf", []):
            yield self.of(part, depth)
        if isinstance(schema.get("$ref"), str):
            yield self._name_of(schema["$ref"])

    def _of_kinds(self, schema: dict[str, Any], depth: int) -> str:
        kinds = schema.get("type")
        if kinds is None:
            is_object = any(key in schema for key in ("properties", "required"))
            kinds = "object" if is_object else "array" if "items" in schema else []
        names = [kinds] if isinstance(kinds, str) else kinds
        return _union([self._of_kind(kind, schema, depth) for kind in names])

    def _of_kind(self, kind: str, schema: dict[str, Any], depth: int) -> str:
        if kind in _NUMBERS:
            return "number"
        if kind == "object":
            return self._object(schema, depth)
        return self._array(schema, depth) if kind == "array" else _BASIC[kind]

    def _object(self, schema: dict[str, Any], depth: int) -> str:
        known = schema.get("properties", {})
        required = schema.get("required", [])
        lines = []
        for name in dict.fromkeys([*known, *required]):
            part = known.get(name, True)
            lines += _comment(part, "  " * (depth + 1))
            sign = "" if name in required else "?"
            lines.append(f"{'  ' * (depth + 1)}{_key(name)}{sign}: {self.of(part, depth + 1)};")
        rest = schema.get("additionalProperties")
        if not known and isinstance(rest, dict) and not required:
            return f"Record<string, {self.of(rest, depth)}>"
        is_open = "properties" not in schema and rest is not False
        if is_open or rest or "patternProperties" in schema:
            lines.append("  " * (depth + 1) + _OPEN)
        if not lines:
            return "Record<string, never>"
        return "\n".join(["{", *lines, "  " * depth + "}"])

    def _array(self, schema: dict[str, Any], depth: int) -> str:
        item = self.of(schema.get("items", True), depth)
        if first := schema.get("prefixItems"):
            item = _union([item, *(self.of(part, depth) for part in first)])
        return f"{item}[]" if re.fullmatch(r"\w+", item) else f"({item})[]"

    def _target(self, reference: str) -> Any:
        """What a reference leads to. An anchor may lead to anything."""
        if not re.match(r"#(/|$)", reference):
            return True
        return value_at(self._root, reference[1:])

    def _name_of(self, reference: str) -> str:
        if reference not in self._names:
            last = (steps_of(reference[1:]) or ["root"])[-1] if "/" in reference else reference
            name = f"{self._prefix}_{_identifier(last)}"
            while name in self._names.values():
                name += "_"
            self._names[reference] = name
            self._waiting.append(reference)
        return self._names[reference]


def _union(types: list[str]) -> str:
    if "unknown" in types:
        return "unknown"
    return " | ".join(dict.fromkeys(types)) or "unknown"


def _literal(value: Any) -> str:
    if isinstance(value, list | dict):
        return "unknown"
    return json.dumps(value)


def _key(name: str) -> str:
    return name if _NAME.fullmatch(name) else json.dumps(name)


def _comment(schema: Any, indent: str) -> list[str]:
    """A schema's title and description, as editors show them."""
    if not isinstance(schema, dict):
        return []
    texts = [schema[key] for key in ("title", "description") if isinstance(schema.get(key), str)]
    words = " ".join(" ".join(texts).split()).replace("*/", "*\\/")
    return [f"{indent}/** {words} */"] if words else []
