"""Tracking plans against the schemas that a source has: how they differ, and making them the same."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database

from ..event.json_pointer import escape
from ..event.json_schema import compile_schema
from ..event.timestamps import now
from .audit import add_entry
from .connection import transaction
from .event_schemas import EventSchema, list_schemas, summary_of, trimmed_type
from .sources import get_source

_ABSENT = object()


@dataclass(frozen=True)
class SchemaChange:
    """A place where a plan's schema and the source's differ. `before`: the source's value there,
    `after`: the plan's, as JSON text; None where there is none."""

    pointer: str
    before: str | None
    after: str | None


@dataclass(frozen=True)
class PlanDiff:
    """How a plan differs from a source's schemas. `added`: types that only the plan has, `extra`:
    that only the source has, `changed`: where the schemas of a type differ."""

    added: list[str]
    changed: dict[str, list[SchemaChange]]
    extra: list[str]

    @property
    def is_same(self) -> bool:
        """Whether the source has the plan's schemas, and no others."""
        return not (self.added or self.changed or self.extra)

    def as_dict(self) -> dict[str, Any]:
        """The difference as JSON-ready data. A place without a value has no `before` or `after`."""
        changed = {
            event_type: [
                {
                    "pointer": change.pointer,
                    **({} if change.before is None else {"before": json.loads(change.before)}),
                    **({} if change.after is None else {"after": json.loads(change.after)}),
                }
                for change in changes
            ]
            for event_type, changes in self.changed.items()
        }
        return {
            "same": self.is_same, "added": self.added, "changed": changed, "extra": self.extra,
        }  # fmt: skip


def diff_plan(db: Database, source_id: str, plan: Mapping[str, str]) -> PlanDiff:
    """Compares a plan, types with their schemas' JSON text, with the schemas of a source. The order
    of keys and blanks make no difference. Raises NotFound for the source."""
    source = get_source(db, source_id)
    return _compare({found.type: found.schema for found in list_schemas(db, source.id)}, plan)


def apply_plan(
    db: Database, source_id: str, plan: Mapping[str, str], *, prune: bool = False
) -> PlanDiff:
    """Sets the schemas of a plan, all of them or none. Returns what differed before. Schemas that
    only the source has stay, or are removed with `prune`. Raises NotFound for the source, StoreError
    for what is no schema."""
    source = get_source(db, source_id)
    plan = {trimmed_type(event_type): schema for event_type, schema in plan.items()}
    for schema in plan.values():
        compile_schema(schema)
    with transaction(db.conn):
        known = {found.type: found.schema for found in list_schemas(db, source.id)}
        diff = _compare(known, plan)
        table, at = db.table("schemas", pk=("source_id", "type")), now()
        for event_type in sorted([*diff.added, *diff.changed]):
            schema = plan[event_type]
            table.upsert(EventSchema(source.id, event_type, schema, at).as_dict())
            changes = {"schema": (summary_of(known.get(event_type)), summary_of(schema))}
            add_entry(db.conn, "schema.set", event_type, source_id=source.id, changes=changes)
        for event_type in diff.extra if prune else ():
            table.delete((source.id, event_type))
            changes = {"schema": (summary_of(known[event_type]), None)}
            add_entry(db.conn, "schema.remove", event_type, source_id=source.id, changes=changes)
    return diff


def _compare(known: Mapping[str, str], plan: Mapping[str, str]) -> PlanDiff:
    differing = {
        event_type: [*_differences(json.loads(known[event_type]), json.loads(schema))]
        for event_type, schema in sorted(plan.items())
        if event_type in known
    }
    return PlanDiff(
        added=sorted(plan.keys() - known.keys()),
        changed={event_type: found for event_type, found in differing.items() if found},
        extra=sorted(known.keys() - plan.keys()),
    )


def _differences(before: Any, after: Any, pointer: str = "") -> Iterator[SchemaChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _differences(
                before.get(key, _ABSENT), after.get(key, _ABSENT), f"{pointer}/{escape(key)}"
            )
    elif (old := _text(before)) != (new := _text(after)):
        yield SchemaChange(pointer, old, new)


def _text(value: Any) -> str | None:
    if value is _ABSENT:
        return None
    return json.dumps(value, sort_keys=True, ensure_ascii=False)
