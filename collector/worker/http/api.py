"""`/api/*`: what an administrator does, over HTTP, behind a bearer token.

Each route is a library call, as the command line's commands are. There are no cookies and no CORS
headers here: a page in somebody's browser cannot use an administrator's rights.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic
from sqlite_utils import Database

from ... import store
from ...errors import InUse, NotFound, Refused, StoreError
from ...ipc import WriteRequest, WriteResult
from ...store.connection import connect, connect_readonly
from ...store.reports import NotCounted
from ..admission import Admission
from ..replay import replay
from ..writer_client import WriterClient
from . import api_reports, openapi
from .api_call import Call, Operation, page_of, page_parameters
from .responses import json_response
from .routes import Route, add_routes, query_parameter

UNAUTHORIZED = (
    "A token is needed: Authorization: Bearer … (`thamesthrive token create NAME` makes one)."
)
_ERRORS = openapi.errors(
    {
        "401": "No token, or an unknown one.",
        "404": "There is nothing by that name.",
        "409": "Other rows depend on it.",
        "422": "A value that cannot be; `detail` says which.",
        "503": "The database is busy, or its events are being counted for the first time.",
    }
)
_decode = msgspec.json.Decoder(dict[str, Any]).decode


def add(
    app: Sanic[Any, Any],
    sources: store.SourceCache,
    writer: WriterClient,
    path: Path,
) -> list[Route]:
    """Adds /api to the app. `path`: the database."""

    def handler(operation: Operation) -> Callable[..., Any]:
        async def handle(request: Request, **names: str) -> HTTPResponse:
            scheme, _, token = request.headers.get("authorization", "").partition(" ")
            if scheme.lower() != "bearer" or not sources.knows_token(token.strip()):
                return json_response(401, {"detail": UNAUTHORIZED}, {"WWW-Authenticate": "Bearer"})
            write = _write_from_thread(asyncio.get_running_loop(), writer)
            # The database may make this wait. Meanwhile the worker goes on taking events.
            status, body = await asyncio.to_thread(_run, operation, request, names, path, write)
            if request.method != "GET":
                sources.invalidate()
            return json_response(status, body)

        return handle

    routes = [_route(operation, handler(operation)) for operation in OPERATIONS]
    add_routes(app, routes)
    return routes


def _route(operation: Operation, handler: Callable[..., Any]) -> Route:
    done = openapi.response("Done.", operation.returns or openapi.ANY)
    body = None
    if operation.body is not None:
        body = openapi.body(operation.body, required=operation.body_required)
    return Route(
        operation.method,
        operation.path,
        handler,
        operation.summary,
        "Management",
        query=operation.query,
        body=body,
        responses={str(operation.status): done, **_ERRORS},
        secured=True,
    )


def _write_from_thread(
    loop: asyncio.AbstractEventLoop, writer: WriterClient
) -> Callable[[Sequence[WriteRequest]], Sequence[WriteResult]]:
    """A call that has the writer store requests, for a thread beside the event loop."""

    async def submit(requests: Sequence[WriteRequest]) -> list[WriteResult]:
        return await asyncio.gather(*(writer.submit(request, 0, 0) for request in requests))

    return lambda requests: asyncio.run_coroutine_threadsafe(submit(requests), loop).result()


def _run(
    operation: Operation,
    request: Request,
    names: dict[str, str],
    path: Path,
    write: Callable[[Sequence[WriteRequest]], Sequence[WriteResult]],
) -> tuple[int, Any]:
    """The status and the body of an answer."""
    try:
        text = request.body.decode()
        body = {} if operation.work is _set_schema or not text else _decode(text)
        arguments = request.get_args(keep_blank_values=True)
        query = {name: values[0] for name, values in arguments.items() if values}
        with closing(connect(path)) as connection:
            call = Call(Database(connection), names, query, body, text, path, write)
            return operation.status, operation.work(call)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 422, {"detail": "The body is not a JSON object."}
    except (StoreError, Refused) as error:
        return _status_of(error), {"detail": str(error)}
    except sqlite3.OperationalError:
        return 503, {"detail": "The database is busy. Try again."}


def _status_of(error: StoreError | Refused) -> int:
    if isinstance(error, Refused):
        return error.status
    return {NotFound: 404, InUse: 409, NotCounted: 503}.get(type(error), 422)


def _list_sources(call: Call) -> Any:
    return {"sources": [source.as_dict() for source in store.list_sources(call.db)]}


def _add_source(call: Call) -> Any:
    fields = dict(call.body)
    return store.add_source(call.db, fields.pop("name", ""), **fields).as_dict()


def _get_source(call: Call) -> Any:
    return store.get_source(call.db, call.path["source_id"]).as_dict()


def _update_source(call: Call) -> Any:
    return store.update_source(call.db, call.path["source_id"], call.body).as_dict()


def _remove_source(call: Call) -> Any:
    with_events = call.flag("with_events")
    events = store.remove_source(call.db, call.path["source_id"], with_events=with_events)
    return {"removed": True, "events": events}


def _list_schemas(call: Call) -> Any:
    source = store.get_source(call.db, call.path["source_id"])
    return {"schemas": [schema.as_dict() for schema in store.list_schemas(call.db, source.id)]}


def _get_schema(call: Call) -> Any:
    return store.get_schema(call.db, call.path["source_id"], call.path["event_type"]).as_dict()


def _set_schema(call: Call) -> Any:
    source_id, event_type = call.path["source_id"], call.path["event_type"]
    return store.set_schema(call.db, source_id, event_type, call.text).as_dict()


def _remove_schema(call: Call) -> Any:
    store.remove_schema(call.db, call.path["source_id"], call.path["event_type"])
    return {"removed": True}


def _list_redirects(call: Call) -> Any:
    return {"redirects": [redirect.as_dict() for redirect in store.list_redirects(call.db)]}


def _add_redirect(call: Call) -> Any:
    call.only("source_id", "target", "event_type")
    event_type = call.optional("event_type")
    redirect = store.add_redirect(
        call.db,
        call.required("source_id"),
        call.required("target"),
        "redirect" if event_type is None else event_type,
    )
    return redirect.as_dict()


def _remove_redirect(call: Call) -> Any:
    store.remove_redirect(call.db, call.path["redirect_id"])
    return {"removed": True}


def _list_events(call: Call) -> Any:
    filters = ("type", "source_id", "session_id", "profile_id")
    return page_of(call, "events", store.list_events, filters)


def _list_rejected(call: Call) -> Any:
    return page_of(call, "rejected", store.list_rejected, ("source_id", "type", "reason"))


def _replay(call: Call) -> Any:
    call.only("source_id", "type")
    with closing(store.SourceCache(call.database)) as sources:
        return replay(
            call.db.conn,
            Admission(sources),
            call.write,
            source_id=call.optional("source_id"),
            event_type=call.optional("type"),
        ).as_dict()


def _stats(call: Call) -> Any:
    return store.stats(call.db.conn)


def _export_profile(call: Call) -> Any:
    found: dict[str, list[Any]] = {"profiles": [], "sessions": [], "events": [], "rejected": []}
    with closing(connect_readonly(call.database)) as reading:
        for table, row in store.export_profile(reading, call.path["profile_id"]):
            found[table].append(row)
    return found


def _forget_profile(call: Call) -> Any:
    return {"removed": store.forget_profile(call.db.conn, call.path["profile_id"])}


_SOURCE = openapi.ref("Source")
_SOURCE_FIELDS = openapi.SOURCE_FIELD_SCHEMAS
_REDIRECT = {
    "source_id": openapi.TEXT,
    "target": openapi.REDIRECT_TARGET,
    "event_type": openapi.EVENT_TYPE,
}
_WITH_EVENTS = query_parameter("with_events", {"enum": ["true", "false"]}, "Its events, too.")
_SCHEMAS = "/api/sources/{source_id}/schemas"

OPERATIONS = (
    Operation("GET", "/api/sources", _list_sources, "List event sources."),
    Operation(
        "POST",
        "/api/sources",
        _add_source,
        "Create an event source.",
        body=openapi.fields(_SOURCE_FIELDS, "name"),
        body_required=True,
        status=201,
        returns=_SOURCE,
    ),
    Operation(
        "GET", "/api/sources/{source_id}", _get_source, "Show an event source.", returns=_SOURCE
    ),
    Operation(
        "PATCH",
        "/api/sources/{source_id}",
        _update_source,
        "Change an event source.",
        body=openapi.fields(_SOURCE_FIELDS),
        returns=_SOURCE,
    ),
    Operation(
        "DELETE",
        "/api/sources/{source_id}",
        _remove_source,
        "Remove an event source.",
        query=(_WITH_EVENTS,),
    ),
    Operation("GET", _SCHEMAS, _list_schemas, "List a source's schemas."),
    Operation("GET", f"{_SCHEMAS}/{{event_type}}", _get_schema, "Show a schema."),
    Operation(
        "PUT",
        f"{_SCHEMAS}/{{event_type}}",
        _set_schema,
        "Set a schema (JSON Schema, draft 2020-12).",
        body={"type": ["object", "boolean"]},
        body_required=True,
    ),
    Operation("DELETE", f"{_SCHEMAS}/{{event_type}}", _remove_schema, "Remove a schema."),
    Operation("GET", "/api/redirects", _list_redirects, "List redirects."),
    Operation(
        "POST",
        "/api/redirects",
        _add_redirect,
        "Create a redirect.",
        body=openapi.fields(_REDIRECT, "source_id", "target"),
        body_required=True,
        status=201,
    ),
    Operation("DELETE", "/api/redirects/{redirect_id}", _remove_redirect, "Remove a redirect."),
    Operation(
        "GET",
        "/api/rejected",
        _list_rejected,
        "Rejected events, the latest first.",
        query=page_parameters("source_id", "type", "reason"),
    ),
    Operation(
        "POST",
        "/api/rejected/replay",
        _replay,
        "Judge rejected events again, and store those that are valid now.",
        body=openapi.fields({"source_id": openapi.TEXT, "type": openapi.TEXT}),
    ),
    Operation(
        "GET",
        "/api/events",
        _list_events,
        "Events, the latest first.",
        query=page_parameters("source_id", "type", "session_id", "profile_id"),
    ),
    *api_reports.OPERATIONS,
    Operation("GET", "/api/stats", _stats, "Totals and counts by source."),
    Operation("GET", "/api/profiles/{profile_id}", _export_profile, "Everything about a visitor."),
    Operation("DELETE", "/api/profiles/{profile_id}", _forget_profile, "Forget a visitor."),
)
