"""`/api/*`: what an administrator does, over HTTP. The same library calls as the command line,
behind a bearer token.

There are no cookies and no CORS headers here: a page in somebody's browser cannot use an
administrator's rights.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from sanic import HTTPResponse, Request, Sanic
from sqlite_utils import Database

from .. import store
from ..errors import InUse, NotFound, StoreError
from ..gate import Gate
from ..replay import replay
from ..store import Registry
from ..store.connection import connect, connect_readonly

MAX_LIMIT = 1000
_decode = msgspec.json.Decoder(dict[str, Any]).decode


@dataclass(frozen=True)
class Call:
    """A request that was let in: the database, the names in its address, its query, and its body if
    it is JSON."""

    db: Database
    path: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    text: str
    registry: Path

    def number(self, name: str, default: int | None, highest: int) -> int | None:
        """A whole number of the query. Raises StoreError."""
        text = self.query.get(name)
        if text is None:
            return default
        if not re.fullmatch(r"[0-9]{1,18}", text) or not 1 <= int(text) <= highest:
            raise StoreError(f"{name} is a whole number from 1 to {highest}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """`true` or `false` in the query. Raises StoreError."""
        text = self.query.get(name, "false")
        if text not in ("true", "false"):
            raise StoreError(f"{name} is true or false.")
        return text == "true"

    def only(self, *names: str) -> dict[str, Any]:
        """The body's fields. Raises StoreError if there are others."""
        for name in self.body:
            if name not in names:
                raise StoreError(f"There is no field {name!r}. Choose from {', '.join(names)}.")
        return self.body

    def field(self, name: str) -> str:
        """A text of the body. Raises StoreError."""
        value = self.body.get(name)
        if not isinstance(value, str):
            raise StoreError(f"{name} is required, and a text.")
        return value


Answer = tuple[int, Any]

SOURCE_FIELDS = (
    "name",
    "origins",
    "bridges",
    "static_profiles",
    "transitional",
    "rate_limit",
    "ip_policy",
    "keep_days",
)


def _sources(call: Call) -> Answer:
    return 200, {"sources": [source.as_dict() for source in store.list_sources(call.db)]}


def _add_source(call: Call) -> Answer:
    fields = dict(call.only(*SOURCE_FIELDS))
    return 201, store.add_source(call.db, fields.pop("name", ""), **fields).as_dict()


def _source(call: Call) -> Answer:
    return 200, store.get_source(call.db, call.path["source_id"]).as_dict()


def _change_source(call: Call) -> Answer:
    return 200, store.update_source(
        call.db, call.path["source_id"], call.only("enabled", *SOURCE_FIELDS)
    ).as_dict()


def _remove_source(call: Call) -> Answer:
    with_events = call.flag("with_events")
    return 200, {
        "removed": True,
        "events": store.remove_source(call.db, call.path["source_id"], with_events=with_events),
    }


def _schemas(call: Call) -> Answer:
    source = store.get_source(call.db, call.path["source_id"])
    return 200, {"schemas": [schema.as_dict() for schema in store.list_schemas(call.db, source.id)]}


def _schema(call: Call) -> Answer:
    return 200, store.get_schema(call.db, call.path["source_id"], call.path["event_type"]).as_dict()


def _set_schema(call: Call) -> Answer:
    return 200, store.set_schema(
        call.db, call.path["source_id"], call.path["event_type"], call.text
    ).as_dict()


def _remove_schema(call: Call) -> Answer:
    store.remove_schema(call.db, call.path["source_id"], call.path["event_type"])
    return 200, {"removed": True}


def _redirects(call: Call) -> Answer:
    return 200, {"redirects": [redirect.as_dict() for redirect in store.list_redirects(call.db)]}


def _add_redirect(call: Call) -> Answer:
    call.only("source_id", "target", "event_type")
    kind = call.field("event_type") if "event_type" in call.body else "redirect"
    return 201, store.add_redirect(
        call.db, call.field("source_id"), call.field("target"), kind
    ).as_dict()


def _remove_redirect(call: Call) -> Answer:
    store.remove_redirect(call.db, call.path["redirect_id"])
    return 200, {"removed": True}


def _rejected(call: Call) -> Answer:
    limit = call.number("limit", 50, MAX_LIMIT) or 50
    found = list(
        store.list_rejected(
            call.db.conn,
            source_id=call.query.get("source_id"),
            type=call.query.get("type"),
            reason=call.query.get("reason"),
            before=call.number("cursor", None, 2**62),
            limit=limit,
        )
    )
    return 200, {
        "rejected": [row.as_dict() for row in found],
        "next": str(found[-1].seq) if len(found) == limit else None,
    }


def _replay(call: Call) -> Answer:
    call.only("source_id", "type")
    source_id = call.field("source_id") if "source_id" in call.body else None
    kind = call.field("type") if "type" in call.body else None
    with closing(Registry(call.registry)) as registry:
        return 200, replay(
            call.db.conn, Gate(registry), source_id=source_id, event_type=kind
        ).as_dict()


def _events(call: Call) -> Answer:
    limit = call.number("limit", 50, MAX_LIMIT) or 50
    found = list(
        store.list_events(
            call.db.conn,
            type=call.query.get("type"),
            source_id=call.query.get("source_id"),
            session_id=call.query.get("session_id"),
            profile_id=call.query.get("profile_id"),
            before=call.number("cursor", None, 2**62),
            limit=limit,
        )
    )
    found.reverse()  # the latest first
    return 200, {
        "events": [e.as_dict() for e in found],
        "next": str(found[-1].seq) if len(found) == limit else None,
    }


def _stats(call: Call) -> Answer:
    return 200, store.stats(call.db.conn)


def _profile(call: Call) -> Answer:
    found: dict[str, list[Any]] = {"profiles": [], "sessions": [], "events": [], "rejected": []}
    with closing(connect_readonly(call.registry)) as reading:
        for table, row in store.export_profile(reading, call.path["profile_id"]):
            found[table].append(row)
    return 200, found


def _forget_profile(call: Call) -> Answer:
    return 200, {"removed": store.forget_profile(call.db.conn, call.path["profile_id"])}


ROUTES: dict[tuple[str, str], Callable[[Call], Answer]] = {
    ("GET", "/api/sources"): _sources,
    ("POST", "/api/sources"): _add_source,
    ("GET", "/api/sources/<source_id:str>"): _source,
    ("PATCH", "/api/sources/<source_id:str>"): _change_source,
    ("DELETE", "/api/sources/<source_id:str>"): _remove_source,
    ("GET", "/api/sources/<source_id:str>/schemas"): _schemas,
    ("GET", "/api/sources/<source_id:str>/schemas/<event_type:str>"): _schema,
    ("PUT", "/api/sources/<source_id:str>/schemas/<event_type:str>"): _set_schema,
    ("DELETE", "/api/sources/<source_id:str>/schemas/<event_type:str>"): _remove_schema,
    ("GET", "/api/redirects"): _redirects,
    ("POST", "/api/redirects"): _add_redirect,
    ("DELETE", "/api/redirects/<redirect_id:str>"): _remove_redirect,
    ("GET", "/api/rejected"): _rejected,
    ("POST", "/api/rejected/replay"): _replay,
    ("GET", "/api/events"): _events,
    ("GET", "/api/stats"): _stats,
    ("GET", "/api/profiles/<profile_id:str>"): _profile,
    ("DELETE", "/api/profiles/<profile_id:str>"): _forget_profile,
}


def add_routes(app: Sanic[Any, Any], registry: Registry, path: Path) -> None:
    """Adds /api to the app. `path`: the database."""
    for (method, uri), work in ROUTES.items():
        app.add_route(
            _handler(registry, path, work),
            uri,
            methods=[method],
            name=work.__name__.strip("_"),
            unquote=True,
        )


def _handler(registry: Registry, path: Path, work: Callable[[Call], Answer]) -> Callable[..., Any]:
    async def handle(request: Request, **names: str) -> HTTPResponse:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not registry.knows_token(token.strip()):
            detail = "A token is needed: Authorization: Bearer … (`thamesthrive token create NAME` makes one)."
            return _json(401, {"detail": detail}, {"WWW-Authenticate": "Bearer"})
        # The database may make this wait; meanwhile the worker goes on taking events.
        status, body = await asyncio.to_thread(_run, path, work, request, names)
        if request.method != "GET":
            registry.expire()
        return _json(status, body)

    return handle


def _run(
    path: Path, work: Callable[[Call], Answer], request: Request, names: dict[str, str]
) -> Answer:
    try:
        text = request.body.decode()
        body = {} if work is _set_schema or not text else _decode(text)
        query = {
            name: values[0]
            for name, values in request.get_args(keep_blank_values=True).items()
            if values
        }
        with closing(connect(path)) as connection:
            return work(Call(Database(connection), names, query, body, text, path))
    except (msgspec.DecodeError, UnicodeDecodeError):
        return 422, {"detail": "The body is not a JSON object."}
    except NotFound as error:
        return 404, {"detail": str(error)}
    except InUse as error:
        return 409, {"detail": str(error)}
    except StoreError as error:
        return 422, {"detail": str(error)}
    except sqlite3.OperationalError:
        return 503, {"detail": "The database is busy. Try again."}


def _json(status: int, body: Any, headers: dict[str, str] | None = None) -> HTTPResponse:
    content = msgspec.json.encode(body)
    return HTTPResponse(
        content, status, {"Cache-Control": "no-store", **(headers or {})}, "application/json"
    )
