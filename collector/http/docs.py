"""`/docs`: the HTTP interface as OpenAPI, and as a page for people. Nothing of it comes from
another server."""

import re
from html import escape
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic

from .. import __version__
from ..payload import MAX_EVENTS, MAX_ID, MAX_TYPE
from ..store.redirects import MAX_TARGET, TARGET
from ..store.sources import ORIGIN

_TEXT = {"type": "string"}
_NULLABLE_TEXT = {"type": ["string", "null"]}
_ANY = {"type": "object", "additionalProperties": True}
_OBJECT = {"type": ["object", "null"], "additionalProperties": True}
_COUNT = {"type": "integer", "minimum": 0}
_REF = {
    "type": ["object", "null"],
    "properties": {"id": {"type": ["string", "null"], "maxLength": MAX_ID}},
}

SCHEMAS: dict[str, Any] = {
    "Event": {
        "type": "object",
        "required": ["type"],
        "properties": {
            "id": {"type": ["string", "null"], "minLength": 1, "maxLength": MAX_ID},
            "type": {"type": "string", "minLength": 1, "maxLength": MAX_TYPE, "pattern": r"\S"},
            "time": {
                "type": ["object", "null"],
                "properties": {"create": {"type": ["string", "null"], "format": "date-time"}},
            },
            "properties": _OBJECT,
            "context": _OBJECT,
            "options": _OBJECT,
            "tags": {"type": ["array", "null"]},
        },
    },
    "Payload": {
        "type": "object",
        "required": ["source"],
        "properties": {
            "source": {"type": "object", "required": ["id"], "properties": {"id": _TEXT}},
            "session": _REF,
            "profile": _REF,
            "device": _REF,
            "context": _OBJECT,
            "properties": _OBJECT,
            "options": _OBJECT,
            "sentAt": {"type": ["string", "null"], "format": "date-time"},
            "events": {
                "type": ["array", "null"],
                "description": f"At most {MAX_EVENTS}.",
                "items": {"$ref": "#/components/schemas/Event"},
            },
            "known": {"type": ["array", "null"], "items": _TEXT},
            "dropped": _COUNT,
        },
    },
    "Note": {
        "type": "object",
        "required": ["reason"],
        "properties": {
            "index": _COUNT,
            "id": _TEXT,
            "reason": _TEXT,
            "detail": _TEXT,
            "duplicate": {"type": "boolean"},
        },
    },
    "Answer": {
        "type": "object",
        "required": [
            "task",
            "ux",
            "response",
            "events",
            "profile",
            "session",
            "errors",
            "warnings",
        ],
        "properties": {
            "task": {"type": "array", "items": _TEXT},
            "ux": {"type": "array"},
            "response": _ANY,
            "events": {"type": "array", "items": _TEXT},
            "profile": {"type": ["object", "null"], "properties": {"id": _TEXT}},
            "session": {"type": ["object", "null"], "properties": {"id": _TEXT}},
            "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Note"}},
            "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Note"}},
            "duplicate": {"type": "boolean"},
            "missing": {"type": "array", "items": _TEXT},
        },
    },
    "Error": {
        "type": "object",
        "required": ["detail"],
        "properties": {"detail": _TEXT, "request": _TEXT},
    },
    "Ready": {
        "type": "object",
        "required": ["ready", "problems"],
        "properties": {"ready": {"type": "boolean"}, "problems": {"type": "array", "items": _TEXT}},
    },
    "Source": {
        "type": "object",
        "required": ["id", "name", "enabled"],
        "properties": {
            "id": _TEXT,
            "name": {
                "type": "string",
                "pattern": r"^[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*$",
            },
            "enabled": {"type": "boolean"},
            "origins": {"type": "array", "items": {"type": "string", "pattern": f"^{ORIGIN}$"}},
            "bridges": {
                "type": "array",
                "minItems": 1,
                "items": {"enum": ["rest", "webhook", "redirect"]},
            },
            "static_profiles": {"type": "boolean"},
            "transitional": {"type": "boolean"},
            "rate_limit": {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1},
            "ip_policy": {"enum": ["truncate", "full", "none"]},
            "keep_days": {"type": ["integer", "null"], "minimum": 1, "maximum": 2**31 - 1},
            "created_at": _TEXT,
        },
    },
}
_SOURCE_CHANGES = {
    key: value
    for key, value in SCHEMAS["Source"]["properties"].items()
    if key not in ("id", "created_at")
}

_INGESTION_ERRORS = {
    "401": "The source is unknown, disabled, or takes no requests by this bridge.",
    "403": "The source lists origins, and this is none of them.",
    "413": "Larger than 256 KB, 1 MB inflated, 500 events, or 32 levels deep.",
    "422": "Not what this route takes; `detail` says where.",
    "429": "More events than the source may send; come again after `Retry-After`.",
    "503": "Nothing was stored; come again after `Retry-After`.",
}
_API_ERRORS = {
    "401": "No token, or one that is unknown.",
    "404": "There is nothing by that name.",
    "409": "Other rows depend on it.",
    "422": "A value that cannot be; `detail` says which.",
    "503": "The database is busy.",
}


def _json(schema: Any) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{name}"}


def _responses(good: dict[str, Any], errors: dict[str, str]) -> dict[str, Any]:
    return {
        **good,
        **{
            status: {"description": text, "content": _json(_ref("Error"))}
            for status, text in errors.items()
        },
    }


def _in_path(name: str, description: str) -> dict[str, Any]:
    schema = {"type": "string", "minLength": 1}
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": description,
        "schema": schema,
    }


def _in_query(name: str, schema: Any, description: str) -> dict[str, Any]:
    return {
        "name": name,
        "in": "query",
        "required": False,
        "description": description,
        "schema": schema,
    }


_STORED = {"200": {"description": "On disk.", "content": _json(_ref("Answer"))}}
_SOURCE_ID = _in_path("source_id", "The event source.")
_EVENT_TYPE = _in_path("event_type", "The event's type.")
_SESSION_ID = _in_path("session_id", "The visit it belongs to. Without one, no profile is made.")


def _webhook(parameters: list[Any]) -> dict[str, Any]:
    common = {
        "tags": ["Ingestion"],
        "parameters": parameters,
        "responses": _responses(_STORED, _INGESTION_ERRORS),
    }
    body = {
        "required": False,
        "content": {**_json(_ANY), "application/x-www-form-urlencoded": {"schema": _ANY}},
    }
    return {
        "get": {"summary": "Store one event; the query becomes its properties.", **common},
        "post": {
            "summary": "Store one event; query and body become its properties.",
            "requestBody": body,
            **common,
        },
    }


def _redirect(parameters: list[Any]) -> dict[str, Any]:
    responses = {
        "307": {"description": "To the stored target, whether or not the event could be stored."}
    }
    return {
        "get": {
            "tags": ["Ingestion"],
            "summary": "Store one event and lead on.",
            "parameters": parameters,
            "responses": _responses(responses, {"404": "There is no such redirect."}),
        }
    }


def _api(
    summary: str,
    parameters: list[Any] | None = None,
    body: Any = None,
    good: str = "200",
    schema: Any = None,
    *,
    required: bool = True,
) -> Any:
    operation: dict[str, Any] = {
        "tags": ["Management"],
        "summary": summary,
        "security": [{"token": []}],
        "responses": _responses(
            {good: {"description": "Done.", "content": _json(schema or _ANY)}}, _API_ERRORS
        ),
    }
    if parameters:
        operation["parameters"] = parameters
    if body is not None:
        operation["requestBody"] = {"required": required, "content": _json(body)}
    return operation


def _page(*names: str) -> list[Any]:
    return [
        *(
            _in_query(name, _TEXT, f"Only those of this {name.removesuffix('_id')}.")
            for name in names
        ),
        _in_query(
            "limit",
            {"type": "integer", "minimum": 1, "maximum": 1000},
            "How many; 50 if you do not say.",
        ),
        _in_query(
            "cursor",
            {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"},
            "`next` of the page before.",
        ),
    ]


def _fields(required: list[str], properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "required": required,
        "properties": properties,
        "additionalProperties": False,
    }


_TARGET = {"type": "string", "pattern": f"^{TARGET}$", "maxLength": MAX_TARGET}
_REDIRECT_ID = _in_path("redirect_id", "The redirect.")
_PROFILE_ID = _in_path("profile_id", "The visitor.")

PATHS: dict[str, Any] = {
    "/track": {
        "post": {
            "tags": ["Ingestion"],
            "summary": "Store the events of a page.",
            "requestBody": {
                "required": True,
                "content": {
                    kind: {"schema": _ref("Payload")} for kind in ("application/json", "text/plain")
                },
            },
            "responses": _responses(_STORED, _INGESTION_ERRORS),
        }
    },
    "/collect/{event_type}/{source_id}": _webhook([_EVENT_TYPE, _SOURCE_ID]),
    "/collect/{event_type}/{source_id}/{session_id}": _webhook(
        [_EVENT_TYPE, _SOURCE_ID, _SESSION_ID]
    ),
    "/collect/{event_type}/{source_id}/pixel.gif": {
        "get": {
            "tags": ["Ingestion"],
            "summary": "Store one event, answer a transparent pixel.",
            "parameters": [_EVENT_TYPE, _SOURCE_ID],
            "responses": _responses(
                {
                    "200": {
                        "description": "On disk.",
                        "content": {
                            "image/gif": {"schema": {"type": "string", "format": "binary"}}
                        },
                    }
                },
                _INGESTION_ERRORS,
            ),
        }
    },
    "/redirect/{redirect_id}": _redirect([_REDIRECT_ID]),
    "/redirect/{redirect_id}/{session_id}": _redirect([_REDIRECT_ID, _SESSION_ID]),
    "/tracker/{name}": {
        "get": {
            "tags": ["Tracker"],
            "summary": "A file of the tracker, by its exact name.",
            "parameters": [
                _in_path("name", "tracker.min.js, loader.min.js, their maps, or the hashed name.")
            ],
            "responses": _responses(
                {
                    "200": {
                        "description": "The file.",
                        "content": {
                            "text/javascript": {"schema": _TEXT},
                            "application/json": {"schema": {}},
                        },
                    },
                    "304": {"description": "What you have is still good."},
                },
                {"404": "There is no such file."},
            ),
        }
    },
    "/health": {
        "get": {
            "tags": ["Operation"],
            "summary": "The process is up.",
            "responses": {"200": {"description": "It is.", "content": _json(_ANY)}},
        }
    },
    "/ready": {
        "get": {
            "tags": ["Operation"],
            "summary": "Requests may be sent here.",
            "responses": {
                "200": {"description": "They may.", "content": _json(_ref("Ready"))},
                "503": {
                    "description": "They may not; `problems` says why.",
                    "content": _json(_ref("Ready")),
                },
            },
        }
    },
    "/metrics": {
        "get": {
            "tags": ["Operation"],
            "summary": "Metrics for Prometheus.",
            "responses": {
                "200": {
                    "description": "In its text format.",
                    "content": {"text/plain": {"schema": _TEXT}},
                }
            },
        }
    },
    "/api/sources": {
        "get": _api("List event sources."),
        "post": _api(
            "Create an event source.",
            body=_fields(
                ["name"], {key: value for key, value in _SOURCE_CHANGES.items() if key != "enabled"}
            ),
            good="201",
            schema=_ref("Source"),
        ),
    },
    "/api/sources/{source_id}": {
        "get": _api("Show an event source.", [_SOURCE_ID], schema=_ref("Source")),
        "patch": _api(
            "Change an event source.",
            [_SOURCE_ID],
            _fields([], _SOURCE_CHANGES),
            schema=_ref("Source"),
            required=False,
        ),
        "delete": _api(
            "Remove an event source.",
            [
                _SOURCE_ID,
                _in_query("with_events", {"enum": ["true", "false"]}, "Its events go too."),
            ],
        ),
    },
    "/api/sources/{source_id}/schemas": {"get": _api("List a source's schemas.", [_SOURCE_ID])},
    "/api/sources/{source_id}/schemas/{event_type}": {
        "get": _api("Show a schema.", [_SOURCE_ID, _EVENT_TYPE]),
        "put": _api(
            "Set a schema (JSON Schema, draft 2020-12).",
            [_SOURCE_ID, _EVENT_TYPE],
            {"type": ["object", "boolean"]},
        ),
        "delete": _api("Remove a schema.", [_SOURCE_ID, _EVENT_TYPE]),
    },
    "/api/redirects": {
        "get": _api("List redirects."),
        "post": _api(
            "Create a redirect.",
            body=_fields(
                ["source_id", "target"],
                {
                    "source_id": _TEXT,
                    "target": _TARGET,
                    "event_type": SCHEMAS["Event"]["properties"]["type"],
                },
            ),
            good="201",
        ),
    },
    "/api/redirects/{redirect_id}": {"delete": _api("Remove a redirect.", [_REDIRECT_ID])},
    "/api/rejected": {
        "get": _api("Rejected events, the latest first.", _page("source_id", "type", "reason"))
    },
    "/api/rejected/replay": {
        "post": _api(
            "Judge rejected events again, store those that are valid now.",
            body=_fields([], {"source_id": _TEXT, "type": _TEXT}),
            required=False,
        )
    },
    "/api/events": {
        "get": _api(
            "Events, the latest first.", _page("source_id", "type", "session_id", "profile_id")
        )
    },
    "/api/stats": {"get": _api("Totals and counts by source.")},
    "/api/profiles/{profile_id}": {
        "get": _api("Everything about a visitor.", [_PROFILE_ID]),
        "delete": _api("Forget a visitor.", [_PROFILE_ID]),
    },
}

SPEC: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "ThamesThrive collector",
        "version": __version__,
        "description": "Events of web pages, answered when they are on disk.",
    },
    "paths": PATHS,
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1c2426; --paper: #fdfdfc; --line: #d9dfe0; --accent: #0b5c66; }
@media (prefers-color-scheme: dark) { :root { --ink: #e4eaeb; --paper: #12181a; --line: #2d383b; --accent: #6cc7d3; } }
body { margin: 0 auto; padding: 1.5rem; max-width: 52rem; font: 1rem/1.6 system-ui, sans-serif; color: var(--ink); background: var(--paper); }
a { color: var(--accent); } h3 { margin: 1.6rem 0 .2rem; font-size: 1rem; } code { font-family: ui-monospace, monospace; overflow-wrap: anywhere; }
ul { margin: .2rem 0; padding-left: 1.2rem; } section { border-top: 1px solid var(--line); }
"""


def _html() -> str:
    parts = []
    for tag in ("Ingestion", "Tracker", "Operation", "Management"):
        parts.append(f"<section><h2>{tag}</h2>")
        for path, operations in PATHS.items():
            for method, operation in operations.items():
                if tag in operation["tags"]:
                    parts.append(_operation(path, method, operation))
        parts.append("</section>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>HTTP interface · ThamesThrive</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}</style></head><body><main><h1>HTTP interface</h1>"
        '<p>As OpenAPI, for programs: <a href="/docs/openapi.json">openapi.json</a>. Management takes a token: '
        "<code>Authorization: Bearer …</code></p>" + "".join(parts) + "</main></body></html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parameters = "".join(
        f"<li><code>{escape(p['name'])}</code>: {_marked(p['description'])}</li>"
        for p in operation.get("parameters", ())
    )
    answers = "".join(
        f"<li>{status}: {_marked(answer['description'])}</li>"
        for status, answer in operation["responses"].items()
    )
    return (
        f"<h3><code>{method.upper()} {escape(path)}</code></h3>{_marked(operation['summary'])}"
        f"{f'<ul>{parameters}</ul>' if parameters else ''}<ul>{answers}</ul>"
    )


def _marked(text: str) -> str:
    return re.sub(r"`(.+?)`", r"<code>\1</code>", escape(text))


def add_routes(app: Sanic[Any, Any]) -> None:
    """Adds /docs and /docs/openapi.json to the app."""
    spec, page = msgspec.json.encode(SPEC), _html().encode()

    @app.get("/docs/openapi.json", name="openapi")
    async def openapi(_: Request) -> HTTPResponse:
        return HTTPResponse(spec, content_type="application/json")

    @app.get("/docs", name="docs")
    async def docs(request: Request) -> HTTPResponse:
        if "html" in request.headers.get("accept", "") or "json" not in request.headers.get(
            "accept", ""
        ):
            headers = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'"}
            return HTTPResponse(page, headers=headers, content_type="text/html; charset=utf-8")
        return HTTPResponse(spec, content_type="application/json")
