"""Inbound traffic: all sources at a glance, and adding one."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from ..errors import StoreError
from ..store import Source, add_source, list_events, reports
from ..store.rollup_tables import HOUR
from .page import Call, Html, Page, Redirect, Result, get, post
from .responses import ROOT

FAILING = 0.05  # of the events of 24 hours were rejected
QUIET = timedelta(hours=24)


@dataclass(frozen=True)
class SourceRow:
    """A source on the page. `hours`: events of each of the last 24; `rejected_part`: of all that
    came in."""

    source: Source
    state: str
    last_event_at: str | None
    events: int
    hours: list[int]
    rejected: int

    @property
    def rejected_part(self) -> float:
        total = self.events + self.rejected
        return self.rejected / total if total else 0.0


def _home(call: Call) -> Html:
    rows: list[SourceRow] = []
    with reports.up_to_date(call.db):
        rows = [_row(call, source) for source in call.sources()]
    return Html("home.html", {"sources": rows, "can_add": _can_add(call)})


def _can_add(call: Call) -> bool:
    return call.session.is_admin and call.session.source_id is None


def _row(call: Call, source: Source) -> SourceRow:
    first, last = reports.last_periods(HOUR, 1)
    hours: dict[str, int] = {}
    for row in reports.events_over_time(call.db, source.id, HOUR, first, last):
        hours[row["period"]] = hours.get(row["period"], 0) + row["events"]
    rejected = sum(
        row["events"] for row in reports.rejections(call.db, source.id, HOUR, first, last)
    )
    latest = list_events(call.db, source_id=source.id, limit=1)
    last_at = latest[0].received_at if latest else None
    start = datetime.fromisoformat(f"{first}:00:00+00:00")
    periods = [(start + timedelta(hours=n)).isoformat()[:13] for n in range(24)]
    counts = [hours.get(period, 0) for period in periods]
    return SourceRow(
        source,
        _state(source, last_at, sum(counts), rejected),
        last_at,
        sum(counts),
        counts,
        rejected,
    )


def _state(source: Source, last_at: str | None, events: int, rejected: int) -> str:
    if not source.enabled:
        return "disabled"
    if rejected and rejected / (events + rejected) > FAILING:
        return "failing"
    if last_at is None:
        return "waiting"
    is_quiet = datetime.now(UTC) - datetime.fromisoformat(last_at) > QUIET
    return "quiet" if is_quiet else "live"


def _new(call: Call) -> Result:
    return Html("source-new.html", {"problem": "", "name": "", "origins": ""})


def _add(call: Call) -> Result:
    name, origins = call.form.get("name", ""), call.form.get("origins", "")
    values: dict[str, Any] = {"origins": origins.split()} if origins.split() else {}
    try:
        source = add_source(call.utils, name, **values)
    except StoreError as error:
        shown = {"problem": str(error), "name": name, "origins": origins}
        return Html("source-new.html", shown, 422)
    return Redirect(
        f"{ROOT}/sources/{source.id}/install", f"{source.name} is there. Now its snippet."
    )


def _source(call: Call) -> Result:
    source = call.source()
    return Redirect(call.with_query(f"{ROOT}/overview", source=source.id))


PAGES: tuple[Page, ...] = (
    get("", _home),
    get("/sources/{source_id}", _source),
    Page("GET", "/sources/new", _new, "admin", all_sources=True),
    post("/sources/new", _add, all_sources=True),
)
