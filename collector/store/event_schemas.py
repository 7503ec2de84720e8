"""Schemas of events: administration."""

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

from sqlite_utils import Database

from ..errors import NotFound, StoreError
from ..event.json_schema import compile_schema
from ..event.limits import MAX_TYPE
from ..event.timestamps import now
from .audit import add_entry
from .connection import transaction
from .sources import get_source


@dataclass(frozen=True)
class EventSchema:
    """What the properties of one type of event must be for one source. `schema` is JSON text."""

    source_id: str
    type: str
    schema: str
    updated_at: str

    def as_dict(self) -> dict[str, Any]:
        """The schema as JSON-ready data."""
        return asdict(self)


def set_schema(db: Database, source_id: str, event_type: str, schema: str) -> EventSchema:
    """Sets or replaces a schema. Raises NotFound for the source, StoreError for what is no
    schema."""
    source = get_source(db, source_id)
    event_type = trimmed_type(event_type)
    compile_schema(schema)
    found = EventSchema(source.id, event_type, schema, now())
    with transaction(db.conn):
        rows = db["schemas"].rows_where("source_id = ? AND type = ?", [source.id, event_type])
        before = next((str(row["schema"]) for row in rows), None)
        db.table("schemas", pk=("source_id", "type")).upsert(found.as_dict())
        changes = {"schema": (summary_of(before), summary_of(schema))}
        add_entry(db.conn, "schema.set", event_type, source_id=source.id, changes=changes)
    return found


def trimmed_type(event_type: str) -> str:
    """An event type without surrounding blanks. Raises StoreError for one that cannot be."""
    event_type = event_type.strip()
    if not 0 < len(event_type) <= MAX_TYPE:
        raise StoreError(f"An event type must have 1 to {MAX_TYPE} characters.")
    return event_type


def summary_of(schema: str | None) -> str | None:
    """What tells a schema from others. It may be long, and have examples of data in it."""
    if schema is None:
        return None
    content = schema.encode("utf-8", "surrogatepass")
    return f"{len(content)} bytes, sha256 {hashlib.sha256(content).hexdigest()[:16]}"


def list_schemas(db: Database, source_id: str | None = None) -> list[EventSchema]:
    """The schemas of one source, or of all."""
    where = "source_id = ?" if source_id else None
    rows = db["schemas"].rows_where(
        where, [source_id] if source_id else None, order_by="source_id, type"
    )
    return [EventSchema(**row) for row in rows]


def get_schema(db: Database, source_id: str, event_type: str) -> EventSchema:
    """One schema. Raises NotFound."""
    for row in db["schemas"].rows_where("source_id = ? AND type = ?", [source_id, event_type]):
        return EventSchema(**row)
    raise NotFound(
        f"Source {source_id} has no schema for {event_type!r}. `thamesthrive schema list` lists them."
    )


def remove_schema(db: Database, source_id: str, event_type: str) -> None:
    """Removes a schema: events of that type are stored whatever their properties. Raises
    NotFound."""
    with transaction(db.conn):
        found = get_schema(db, source_id, event_type)
        db.table("schemas").delete((found.source_id, found.type))
        changes = {"schema": (summary_of(found.schema), None)}
        add_entry(db.conn, "schema.remove", found.type, source_id=source_id, changes=changes)
