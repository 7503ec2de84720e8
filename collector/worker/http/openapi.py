"""The HTTP interface as OpenAPI: schemas, and a document of all declared routes."""

from collections.abc import Iterable
from typing import Any

from ... import __version__
from ...errors import REASONS
from ...event.limits import MAX_EVENTS, MAX_ID, MAX_TYPE
from ...store.redirects import MAX_TARGET, TARGET
from ...store.sources import SOURCE_FIELDS
from ..answer import MAX_ERRORS
from .routes import Route, path_parameters

TEXT = {"type": "string"}
ANY = {"type": "object", "additionalProperties": True}
_OBJECT = {"type": ["object", "null"], "additionalProperties": True}
_COUNT = {"type": "integer", "minimum": 0}
_TIME = {"type": ["string", "null"], "format": "date-time"}
_REF = {
    "type": ["object", "null"],
    "properties": {
        "id": {"type": ["string", "null"], "maxLength": MAX_ID, "pattern": r"^[^\x00-\x1f\x7f]*$"}
    },
}
_ID = {"type": ["object", "null"], "properties": {"id": TEXT}}

EVENT_TYPE = {"type": "string", "minLength": 1, "maxLength": MAX_TYPE, "pattern": r"\S"}
REDIRECT_TARGET = {"type": "string", "pattern": f"^{TARGET}$", "maxLength": MAX_TARGET}
SOURCE_FIELD_SCHEMAS = {name: spec.kind.schema for name, spec in SOURCE_FIELDS.items()}
GRACE = {"type": "string", "pattern": "^(0|[1-9][0-9]{0,4}(min|h|d))$"}
PAST = {
    "anyOf": [
        {"type": "string", "format": "date"},
        {"type": "string", "format": "date-time"},
        {"type": "string", "pattern": "^[0-9]{1,5}(min|h|d)$"},
    ]
}


def ref(name: str) -> dict[str, str]:
    """A reference to one of SCHEMAS."""
    return {"$ref": f"#/components/schemas/{name}"}


def _array(items: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": items}


SCHEMAS: dict[str, Any] = {
    "Event": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "id": {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_ID},
            "type": EVENT_TYPE,
            "time": {"type": ["object", "null"], "properties": {"create": _TIME}},
            "properties": _OBJECT,
            "context": _OBJECT,
            "options": _OBJECT,
            "tags": {"type": ["array", "null"]},
            "dropped": _COUNT,
        },
    },
    "Payload": {
        "type": "object",
        "required": ["source"],
        "properties": {
            "source": {"type": "object", "required": ["id"], "properties": {"id": TEXT}},
            "session": _REF,
            "profile": _REF,
            "device": _REF,
            "context": _OBJECT,
            "properties": _OBJECT,
            "options": _OBJECT,
            "sentAt": _TIME,
            "events": {
                "type": ["array", "null"],
                "description": f"At most {MAX_EVENTS}.",
                "items": ref("Event"),
            },
            "known": {"type": ["array", "null"], "items": TEXT},
            "dropped": _COUNT,
        },
    },
    "Note": {
        "type": "object",
        "required": ["reason"],
        "properties": {
            "index": _COUNT,
            "id": TEXT,
            "reason": {"enum": [*REASONS]},
            "detail": TEXT,
            "duplicate": {"type": "boolean"},
        },
    },
    "Answer": {
        "type": "object",
        "required": [
            "task", "ux", "response", "events", "profile", "session", "errors", "warnings"
        ],
        "properties": {
            "task": _array(TEXT),
            "ux": {"type": "array"},
            "response": ANY,
            "events": _array(TEXT),
            "profile": _ID,
            "session": _ID,
            "errors": {**_array(ref("Note")), "maxItems": MAX_ERRORS},
            "unlisted": {
                "type": "object",
                "description": "Rejected events that `errors` has no room for, by reason.",
                "additionalProperties": _COUNT,
            },
            "warnings": _array(ref("Note")),
            "duplicate": {"type": "boolean"},
            "missing": _array(TEXT),
        },
    },
    "Error": {
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": TEXT, "request": TEXT},
    },
    "Ready": {
        "type": "object",
        "required": ["ready", "problems"],
        "properties": {
            "ready": {"type": "boolean"},
            "problems": _array(TEXT),
            "warnings": _array(TEXT),
        },
    },
    "Source": {
        "type": "object",
        "required": ["id", "name", "enabled"],
        "properties": {"id": TEXT, **SOURCE_FIELD_SCHEMAS, "created_at": TEXT},
    },
}  # fmt: skip


def content(schema: dict[str, Any], *types: str) -> dict[str, Any]:
    """A body of this schema, in each of these content types; JSON by default."""
    return {kind: {"schema": schema} for kind in types or ("application/json",)}


def body(
    schema: dict[str, Any], *, types: tuple[str, ...] = (), required: bool = False
) -> dict[str, Any]:
    """A requestBody."""
    return {"required": required, "content": content(schema, *types)}


def fields(properties: dict[str, Any], *required: str) -> dict[str, Any]:
    """The schema of an object with these fields and no others."""
    return {
        "type": "object",
        "required": [*required],
        "properties": properties,
        "additionalProperties": False,
    }


def response(description: str, schema: dict[str, Any], *types: str) -> dict[str, Any]:
    """An answer with a body."""
    return {"description": description, "content": content(schema, *types)}


def errors(descriptions: dict[str, str]) -> dict[str, Any]:
    """Answers that say in `detail` what is wrong."""
    return {status: response(text, ref("Error")) for status, text in descriptions.items()}


INGESTION_RESPONSES = {
    "200": response("On disk.", ref("Answer")),
    **errors(
        {
            "401": "The source is unknown, disabled, or does not accept this bridge.",
            "403": "The source lists origins, and this is none of them.",
            "413": "Larger than 256 KB, 1 MB inflated, 500 events, or 32 levels deep.",
            "422": "Not what this route takes; `detail` says where.",
            "429": "More events than the source may send; try again after `Retry-After`.",
            "503": "Nothing was stored; try again after `Retry-After`.",
        }
    ),
}


def document(routes: Iterable[Route]) -> dict[str, Any]:
    """The OpenAPI document of the routes that have a tag."""
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        if route.tag:
            paths.setdefault(route.path, {})[route.method.lower()] = _operation(route)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "ThamesThrive collector",
            "version": __version__,
            "description": "Events of web pages, answered when they are on disk.",
        },
        "paths": paths,
        "components": {
            "schemas": SCHEMAS,
            "securitySchemes": {
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "A token of the role `admin` may do what one of the role `read` may.",
                }
            },
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "tags": [route.tag],
        "summary": route.summary,
        "responses": route.responses,
    }
    if route.role:
        # OpenAPI 3.1 has roles here for schemes without scopes.
        operation["security"] = [{"token": [route.role]}]
    if route.description:
        operation["description"] = route.description
    if parameters := [*path_parameters(route.path), *route.query]:
        operation["parameters"] = parameters
    if route.body:
        operation["requestBody"] = route.body
    return operation
