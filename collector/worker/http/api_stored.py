"""`/api/events`, `/api/rejected`, `/api/profiles`, `/api/stats` and `/api/audit`: what is stored."""

from contextlib import closing
from functools import partial
from typing import Any

from ... import store
from ...store.connection import connect_readonly
from ...store.tokens import ADMIN, READ
from ..admission import Admission
from ..replay import replay
from . import openapi
from .api_call import Call, Operation, Reach, page_of, page_parameters
from .routes import query_parameter


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


def _list_audit(call: Call) -> Any:
    since = call.query.get("since")
    find = partial(store.list_audit, since=None if since is None else store.time_ago(since))
    return page_of(call, "audit", find, ("source_id",))


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


_SINCE = query_parameter(
    "since", openapi.PAST, "Only since then: a date, a time, or days ago, as in `7d`."
)

OPERATIONS = (
    Operation(
        "GET",
        "/api/rejected",
        _list_rejected,
        "Rejected events, the latest first.",
        READ,
        Reach.QUERY,
        query=page_parameters("source_id", "type", "reason"),
    ),
    Operation(
        "POST",
        "/api/rejected/replay",
        _replay,
        "Judge rejected events again, and store those that are valid now.",
        ADMIN,
        Reach.BODY,
        body=openapi.fields({"source_id": openapi.TEXT, "type": openapi.TEXT}),
    ),
    Operation(
        "GET",
        "/api/events",
        _list_events,
        "Events, the latest first.",
        READ,
        Reach.QUERY,
        query=page_parameters("source_id", "type", "session_id", "profile_id"),
    ),
    Operation(
        "GET",
        "/api/audit",
        _list_audit,
        "Changes by administrators, the latest first.",
        ADMIN,
        Reach.QUERY,
        query=(*page_parameters("source_id"), _SINCE),
    ),
    Operation("GET", "/api/stats", _stats, "Totals and counts by source.", READ, Reach.ALL),
    Operation(
        "GET",
        "/api/profiles/{profile_id}",
        _export_profile,
        "Everything about a visitor.",
        READ,
        Reach.ALL,
    ),
    Operation(
        "DELETE",
        "/api/profiles/{profile_id}",
        _forget_profile,
        "Forget a visitor.",
        ADMIN,
        Reach.ALL,
    ),
)
