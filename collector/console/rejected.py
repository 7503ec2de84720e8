"""Rejected events: what is wrong, with an example, what to do, and a file to take along."""

import csv
import io
import json
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

from .. import store
from ..errors import NotFound, StoreError
from ..printable import printable
from ..store import RejectedEvent, RejectedGroup
from .page import Call, Download, Html, Page, get

SHOWN = 10  # events of a group
FORMATS = {"jsonl": "application/x-ndjson", "csv": "text/csv; charset=utf-8"}
# What a spreadsheet takes for a formula, or skips before one.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
# What can be done here, before what can be done in a terminal.
ADVICE = {
    "invalid": "If the events are right, edit the schema below, try it on them, and replay what it"
    " rejected. If they are wrong, correct the page that sends them; this shows one as it came.",
}


def _groups(call: Call) -> Html:
    sources = call.sources()
    found = store.list_rejected_groups(
        call.db,
        sources=call.chosen_sources(),
        reason=call.query.get("reason") or None,
        type=call.query.get("type") or None,
        limit=None,
    )
    shown = {
        "groups": found[: store.MAX_GROUPS],
        "others": max(0, len(found) - store.MAX_GROUPS),
        "names": {source.id: source.name for source in sources},
        "sources": sources,
        "filters": {name: call.query.get(name, "") for name in ("source", "type", "reason")},
        "reasons": sorted({group.reason for group in found}),
        "events": sum(group.events for group in found),
        "days": store.MAX_REJECTED_DAYS,
    }
    return Html("rejected.html", shown)


def group_of(call: Call) -> RejectedGroup:
    """The group that an address names by source, reason, type and pointer. Raises NotFound."""
    source = call.source_of(call.query.get("source", ""))
    found = store.get_rejected_group(
        call.db,
        source.id,
        call.query.get("reason", ""),
        call.query.get("type") or None,
        call.query.get("pointer", ""),
    )
    if found is None:
        raise NotFound(
            "There are no such rejected events any more: they were stored by a replay, or removed."
        )
    return found


def _group(call: Call) -> Html:
    group = group_of(call)
    rows = store.iter_group(call.db, group)
    shown = {
        "group": group,
        "advice": ADVICE.get(group.reason, ""),
        "source": store.get_source(call.utils, group.source_id),
        "sample": store.sample_of(call.db, group.latest),
        "rows": [row for row, _ in zip(rows, range(SHOWN), strict=False)],
        "has_schema": bool(group.type) and _has_schema(call, group),
        "job": call.app.replays.of(group.source_id),
    }
    return Html("rejected-group.html", shown)


def _has_schema(call: Call, group: RejectedGroup) -> bool:
    return any(one.type == group.type for one in store.list_schemas(call.utils, group.source_id))


def _download(call: Call) -> Download:
    kind = call.query.get("format", "jsonl")
    if kind not in FORMATS:
        raise StoreError(f"format must be one of {', '.join(FORMATS)}.")
    if "pointer" in call.query:
        rows = store.iter_group(call.db, group_of(call))
    else:
        source = call.source_of(call.query.get("source", ""))
        rows = store.iter_rejected(
            call.db,
            source_id=source.id,
            type=call.query.get("type") or None,
            reason=call.query.get("reason") or None,
        )
    parts = _json_lines(rows) if kind == "jsonl" else _csv(rows)
    return Download(f"rejected.{kind}", FORMATS[kind], parts)


def _json_lines(rows: Iterator[RejectedEvent]) -> Iterator[str]:
    for row in rows:
        yield printable(json.dumps(row.as_dict(), ensure_ascii=False)) + "\n"


def _csv(rows: Iterator[RejectedEvent]) -> Iterator[str]:
    names = [field.name for field in fields(RejectedEvent)]
    yield _line(names)
    for row in rows:
        values = row.as_dict()
        yield _line([_cell(values[name]) for name in names])


def _line(cells: list[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(cells)
    return out.getvalue()


def _cell(value: Any) -> Any:
    """A cell that spreadsheets do not obey. An apostrophe makes it a text."""
    if not isinstance(value, str):
        return value
    return printable(f"'{value}" if value.startswith(_FORMULA) else value)


PAGES: tuple[Page, ...] = (
    get("/rejected", _groups),
    get("/rejected/group", _group),
    get("/rejected/download", _download),
)
