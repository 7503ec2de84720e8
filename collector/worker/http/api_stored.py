"""`/api/events`, `/api/rejected`, `/api/profiles`, `/api/stats` and `/api/audit`: what is stored."""

import re
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from typing import Any

from ... import store
from ...errors import StoreError
from ...store.erasure import PROFILE_TABLES
from ...store.tokens import ADMIN, READ
from ..admission import Admission
from ..replay import replay
from . import openapi
from .api_call import Call, Operation, Page, Reach, page_of, page_parameters
from .routes import query_parameter


def _list_events(call: Call) -> Any:
    filters = ("type", "source_id", "session_id", "profile_id", "run")
    return page_of(call, "events", store.iter_events, filters)


def _list_rejected(call: Call) -> Any:
    return page_of(call, "rejected", store.iter_rejected, ("source_id", "type", "reason"))


def _rejected_groups(call: Call) -> Any:
    source_id = call.query.get("source_id")
    found = store.list_rejected_groups(
        call.db.conn,
        sources=None if source_id is None else [source_id],
        reason=call.query.get("reason"),
        type=call.query.get("type"),
    )
    return {"groups": [group.as_dict() for group in found]}


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
    find = partial(store.iter_audit, since=None if since is None else store.time_ago(since))
    return page_of(call, "audit", find, ("source_id",))


def _status(call: Call) -> Any:
    since = store.time_ago(call.query.get("since", "24h"))
    source_id = call.path["source_id"]
    state = store.install_state(call.db, source_id, since)
    causes = store.likely_causes(call.db, source_id, since)
    return {**state.as_dict(), "causes": [cause.as_dict() for cause in causes]}


def _stats(call: Call) -> Any:
    return store.stats(call.db.conn)


def _export_profile(call: Call) -> Any:
    tables: list[str] = []  # of each row
    found = store.export_profile(call.db.conn, call.path["profile_id"], _profile_cursor(call))

    def rows() -> Iterator[tuple[str, Any]]:
        for table, key, row in found:
            tables.append(table)
            yield f"{table}:{key}", row

    page = Page(rows())
    answer: dict[str, Any] = {table: [] for table in PROFILE_TABLES}
    for number, row in enumerate(page):
        answer[tables[number]].append(row)
    return {**answer, "next": page.next}


def _profile_cursor(call: Call) -> tuple[str, int] | None:
    """Table and number of the last row of the page before. Raises StoreError."""
    text = call.query.get("cursor")
    if text is None:
        return None
    if not re.fullmatch(_PROFILE_CURSOR, text):
        raise StoreError("cursor must be `next` of the page before.")
    table, _, key = text.partition(":")
    return table, int(key)


def _forget_profile(call: Call) -> Any:
    return {"removed": store.forget_profile(call.db.conn, call.path["profile_id"])}


_PROFILE_CURSOR = f"^({'|'.join(PROFILE_TABLES)}):[0-9]{{1,18}}$"
_SINCE = query_parameter(
    "since", openapi.PAST, "Only since then: a date, a time, or how long ago, as in `7d` or `2h`."
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
        "GET",
        "/api/rejected/groups",
        _rejected_groups,
        "Rejected events by reason, type and the place that fails, the largest group first.",
        READ,
        Reach.QUERY,
        query=page_parameters("source_id", "type", "reason")[:3],
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
        query=page_parameters("source_id", "type", "session_id", "profile_id", "run"),
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
    Operation(
        "GET",
        "/api/sources/{source_id}/status",
        _status,
        "How far the pages of a source have come in the last 24 hours, and why no further.",
        READ,
        Reach.PATH,
        query=(_SINCE,),
    ),
    Operation("GET", "/api/stats", _stats, "Totals and counts by source.", READ, Reach.ALL),
    Operation(
        "GET",
        "/api/profiles/{profile_id}",
        _export_profile,
        "Everything about a visitor.",
        READ,
        Reach.ALL,
        query=(
            query_parameter(
                "cursor",
                {"type": "string", "pattern": _PROFILE_CURSOR},
                "`next` of the page before.",
            ),
        ),
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
