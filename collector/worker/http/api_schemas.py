"""`/api/sources/{source_id}/schemas`: what the properties of events must be."""

from typing import Any

from ... import store
from ...store.tokens import ADMIN, READ
from .api_call import CURSOR, Call, Operation, Reach, whole_list
from .routes import query_parameter

TRIED = 100  # events


def _list_schemas(call: Call) -> Any:
    source = store.get_source(call.db, call.path["source_id"])
    found = store.list_schemas(call.db, source.id)
    return whole_list(call, "schemas", ((schema.type, schema.as_dict()) for schema in found))


def _get_schema(call: Call) -> Any:
    return store.get_schema(call.db, call.path["source_id"], call.path["event_type"]).as_dict()


def _set_schema(call: Call) -> Any:
    source_id, event_type = call.path["source_id"], call.path["event_type"]
    return store.set_schema(call.db, source_id, event_type, call.text).as_dict()


def _remove_schema(call: Call) -> Any:
    store.remove_schema(call.db, call.path["source_id"], call.path["event_type"])
    return {"removed": True}


def _try_schema(call: Call) -> Any:
    source = store.get_source(call.db, call.path["source_id"])
    limit = call.number("limit", store.MAX_TRIED) or TRIED
    found = store.try_schema(call.db.conn, source.id, call.path["event_type"], call.text, limit)
    return found.as_dict()


_SCHEMAS = "/api/sources/{source_id}/schemas"
_SCHEMA: dict[str, Any] = {"type": ["object", "boolean"]}
_LIMIT = query_parameter(
    "limit",
    {"type": "integer", "minimum": 1, "maximum": store.MAX_TRIED},
    "How many events; 100 by default.",
)

OPERATIONS = (
    Operation(
        "GET",
        _SCHEMAS,
        _list_schemas,
        "List a source's schemas.",
        READ,
        Reach.PATH,
        query=(CURSOR,),
    ),
    Operation("GET", f"{_SCHEMAS}/{{event_type}}", _get_schema, "Show a schema.", READ, Reach.PATH),
    Operation(
        "PUT",
        f"{_SCHEMAS}/{{event_type}}",
        _set_schema,
        "Set a schema (JSON Schema, draft 2020-12).",
        ADMIN,
        Reach.PATH,
        body=_SCHEMA,
        body_required=True,
        takes_text=True,
    ),
    Operation(
        "DELETE",
        f"{_SCHEMAS}/{{event_type}}",
        _remove_schema,
        "Remove a schema.",
        ADMIN,
        Reach.PATH,
    ),
    Operation(
        "POST",
        f"{_SCHEMAS}/{{event_type}}/try",
        _try_schema,
        "Try a schema on the latest events of the type, stored and rejected ones. Nothing is stored.",
        ADMIN,
        Reach.PATH,
        query=(_LIMIT,),
        body=_SCHEMA,
        body_required=True,
        takes_text=True,
    ),
)
