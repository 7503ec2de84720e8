"""`/api/*`: what an administrator does, over HTTP, behind a bearer token.

Each route is a library call, as the command line's commands are. There are no cookies and no CORS
headers here: a page in somebody's browser cannot use an administrator's rights.
"""

import asyncio
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing, nullcontext
from pathlib import Path
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic
from sqlite_utils import Database

from ... import store
from ...database_file import DatabaseFile
from ...errors import (
    Forbidden,
    InUse,
    NewerDatabase,
    NotFound,
    Overloaded,
    Refused,
    ReplacedDatabase,
    StoreError,
)
from ...ipc import WriteRequest, WriteResult
from ...store.connection import connect, connect_readonly
from ...store.reports import NotCounted
from ...store.tokens import ADMIN, READ
from ..stopping import Stopping
from ..writer_client import WriterClient, write_from_thread
from . import api_access, api_reports, api_schemas, api_stored, openapi
from .api_call import CURSOR, Call, Operation, Reach, whole_list
from .responses import json_response, json_text_response
from .routes import Route, add_routes, query_parameter

STOPPING = "The collector is stopping. Call again: what it has not done yet is not done."
_ERRORS = openapi.errors(
    {
        "401": "No token, or one that is unknown or has expired.",
        "403": "The token may only read, or is limited to another source; `detail` says which.",
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
    database: DatabaseFile,
    stopping: Stopping,
) -> list[Route]:
    """Adds /api to the app."""
    # One reading call at a time: beside two, a small request to store events took 95 ms (99th
    # percentile) where it takes 28 beside one, and each takes some ten megabytes.
    reading = asyncio.Lock()

    use = api_access.TokenUse(database.path)

    def handler(operation: Operation) -> Callable[..., Any]:
        async def handle(request: Request, **names: str) -> HTTPResponse:
            try:
                return await call(operation, request, names)
            except Overloaded as error:
                headers = {"Retry-After": str(error.retry_after)}
                return json_response(503, {"detail": STOPPING}, headers)

        return handle

    async def call(operation: Operation, request: Request, names: dict[str, str]) -> HTTPResponse:
        try:
            database.require()  # nothing is read from another file, or written to it
            token = api_access.token_of(request, sources)
        except ReplacedDatabase as error:
            return json_response(503, {"detail": str(error)})
        if isinstance(token, str):
            return json_response(401, {"detail": token}, {"WWW-Authenticate": "Bearer"})
        await use.note(token)
        write = write_from_thread(asyncio.get_running_loop(), writer)
        # The database may make this wait. Meanwhile the worker goes on taking events.
        async with reading if request.method == "GET" else nullcontext():
            arguments = (operation, token, request, names, database.path, write)
            status, text = await stopping.in_thread(_run, *arguments)
        if request.method != "GET":
            sources.invalidate()
        return json_text_response(status, text)

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
        role=operation.role,
        description=api_access.REACHES[operation.reach],
    )


def _run(
    operation: Operation,
    token: store.Token,
    request: Request,
    names: dict[str, str],
    path: Path,
    write: Callable[[Sequence[WriteRequest]], Sequence[WriteResult]],
) -> tuple[int, bytes]:
    """The status and the body of an answer, encoded here: that takes as long as the reading."""
    status, body = _work(operation, token, request, names, path, write)
    return status, msgspec.json.encode(body)


def _work(
    operation: Operation,
    token: store.Token,
    request: Request,
    names: dict[str, str],
    path: Path,
    write: Callable[[Sequence[WriteRequest]], Sequence[WriteResult]],
) -> tuple[int, Any]:
    try:
        api_access.require_role(operation, token)
        text = request.body.decode()
        body = {} if operation.takes_text or not text else _decode(text)
        arguments = request.get_args(keep_blank_values=True)
        query = {name: values[0] for name, values in arguments.items() if values}
        api_access.keep_within_source(operation, token, names, query, body)
        actor = store.Actor(token.name, token.id)
        # Who may only read could not write even by mistake of ours, and has a cache of two megabytes.
        open_ = connect_readonly if operation.method == "GET" else connect
        with closing(open_(path)) as connection, store.acting_as(actor):
            store.refuse_newer(connection)
            call = Call(Database(connection), names, query, body, text, path, write)
            return operation.status, operation.work(call)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 422, {"detail": "The body is not a JSON object."}
    except Forbidden as error:
        return 403, {"detail": str(error)}
    except (StoreError, Refused) as error:
        return _status_of(error), {"detail": str(error)}
    except sqlite3.OperationalError:
        return 503, {"detail": "The database is busy. Try again."}


def _status_of(error: StoreError | Refused) -> int:
    if isinstance(error, Refused):
        return error.status
    return {NotFound: 404, InUse: 409, NotCounted: 503, NewerDatabase: 503}.get(type(error), 422)


def _list_sources(call: Call) -> Any:
    found = store.list_sources(call.db)
    rows = ((f"{source.created_at} {source.id}", source.as_dict()) for source in found)
    return whole_list(call, "sources", rows)


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


def _rotate_source(call: Call) -> Any:
    call.only("grace")
    grace = call.optional("grace")
    source = store.rotate_source(
        call.db, call.path["source_id"], store.GRACE if grace is None else grace
    )
    return source.as_dict()


def _list_redirects(call: Call) -> Any:
    found = store.list_redirects(call.db, call.query.get("source_id"))
    rows = ((f"{redirect.created_at} {redirect.id}", redirect.as_dict()) for redirect in found)
    return whole_list(call, "redirects", rows)


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
    store.remove_redirect(call.db, call.path["redirect_id"], call.query.get("source_id"))
    return {"removed": True}


_SOURCE = openapi.ref("Source")
_SOURCE_FIELDS = openapi.SOURCE_FIELD_SCHEMAS
_REDIRECT = {
    "source_id": openapi.TEXT,
    "target": openapi.REDIRECT_TARGET,
    "event_type": openapi.EVENT_TYPE,
}
_WITH_EVENTS = query_parameter("with_events", {"enum": ["true", "false"]}, "Its events, too.")
_OF_SOURCE = query_parameter("source_id", openapi.TEXT, "Only those of this source.")

OPERATIONS = (
    Operation(
        "GET",
        "/api/sources",
        _list_sources,
        "List event sources.",
        READ,
        Reach.ALL,
        query=(CURSOR,),
    ),
    Operation(
        "POST",
        "/api/sources",
        _add_source,
        "Create an event source.",
        ADMIN,
        Reach.ALL,
        body=openapi.fields(_SOURCE_FIELDS, "name"),
        body_required=True,
        status=201,
        returns=_SOURCE,
    ),
    Operation(
        "GET",
        "/api/sources/{source_id}",
        _get_source,
        "Show an event source.",
        READ,
        Reach.PATH,
        returns=_SOURCE,
    ),
    Operation(
        "PATCH",
        "/api/sources/{source_id}",
        _update_source,
        "Change an event source.",
        ADMIN,
        Reach.PATH,
        body=openapi.fields(_SOURCE_FIELDS),
        returns=_SOURCE,
    ),
    Operation(
        "DELETE",
        "/api/sources/{source_id}",
        _remove_source,
        "Remove an event source.",
        ADMIN,
        Reach.ALL,
        query=(_WITH_EVENTS,),
    ),
    Operation(
        "POST",
        "/api/sources/{source_id}/rotate",
        _rotate_source,
        "Give an event source a new id. The former one is accepted for `grace`: a length of time, a"
        " date, or `0` for not at all; 7d by default.",
        ADMIN,
        Reach.PATH,
        body=openapi.fields({"grace": openapi.GRACE}),
        returns=_SOURCE,
    ),
    *api_schemas.OPERATIONS,
    Operation(
        "GET",
        "/api/redirects",
        _list_redirects,
        "List redirects.",
        READ,
        Reach.QUERY,
        query=(_OF_SOURCE, CURSOR),
    ),
    Operation(
        "POST",
        "/api/redirects",
        _add_redirect,
        "Create a redirect.",
        ADMIN,
        Reach.BODY,
        body=openapi.fields(_REDIRECT, "source_id", "target"),
        body_required=True,
        status=201,
    ),
    Operation(
        "DELETE",
        "/api/redirects/{redirect_id}",
        _remove_redirect,
        "Remove a redirect.",
        ADMIN,
        Reach.QUERY,
        query=(_OF_SOURCE,),
    ),
    *api_stored.OPERATIONS,
    *api_reports.OPERATIONS,
)
