"""Overview: visitors, sessions and events of a range of time, and where they come from."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ..errors import StoreError
from ..store import reports
from ..store.overview import (
    FILTERS,
    KIND_OF,
    Overview,
    Question,
    Top,
    finish,
    live_now,
    read_overview,
)
from ..store.overview_sql import MEASURES, queries_of
from ..store.ranges import CUSTOM, Range, custom_range, named_range
from .page import Call, Download, Html, Page, get
from .responses import ROOT
from .spreadsheet import CSV, csv_lines

RANGES = {
    "30min": "Last 30 minutes",
    "24h": "Last 24 hours",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "12mo": "Last 12 months",
    CUSTOM: "Chosen days",
}
TITLES = {
    "pages": "Pages",
    "entry_pages": "Entry pages",
    "exit_pages": "Exit pages",
    "referrers": "Referrers",
    "campaigns": "Campaigns",
    "types": "Event types",
    "browsers": "Browsers",
    "screens": "Screen sizes",
    "languages": "Languages",
    "time_zones": "Time zones",
}
LABELS = {
    "visitors": "Visitors",
    "sessions": "Sessions",
    "page_views": "Page-views",
    "events": "Events",
    "views_a_visit": "Views a visit",
    "bounce_rate": "Bounce rate",
}
_UNKNOWN = {"referrer": "(direct)", "campaign": "(none)"}  # the value that is not known
_NAME_OF = {kind: name for name, kind in KIND_OF.items()}
SHOWN = 10  # values of a kind
MOST = 10_000  # in a file


@dataclass(frozen=True)
class Tile:
    """A number. `change`: by which part it is more than in the time before; None if that is not
    known. `measure`: what the chart shows of it, if it can."""

    name: str
    value: float
    change: float | None
    measure: str | None


@dataclass(frozen=True)
class Panel:
    """The most frequent values of a kind. `top`: None if they are still to be counted."""

    kind: str
    title: str
    counts: str
    top: Top | None
    query: str

    @property
    def name(self) -> str:
        """The filter that its values are of."""
        return _NAME_OF[self.kind]

    @property
    def most(self) -> int:
        """How often the most frequent value came; 0 if there is none."""
        return self.top.rows[0][1] if self.top and self.top.rows else 0


def _range_of(call: Call) -> Range:
    """The range that the address names. Raises StoreError."""
    name = call.query.get("range") or "7d"
    if name != CUSTOM:
        return named_range(name)
    if not call.query.get("first") and not call.query.get("last"):
        week = named_range("7d")
        return custom_range(week.first, week.last)
    try:
        first, last = (date.fromisoformat(call.query.get(end, "")) for end in ("first", "last"))
    except ValueError as error:
        raise StoreError("Write both days as in 2026-11-27.") from error
    return custom_range(first, last)


def _question(call: Call) -> Question:
    unknown = call.query.get("unknown", "").split(",")
    filters = {name: "" for name in FILTERS if name in unknown}
    filters |= {name: call.query[name] for name in FILTERS if call.query.get(name)}
    return Question(_range_of(call), call.chosen_sources(), filters)


def value_text(name: str, value: str) -> str:
    """A value of a filter; what is not known has a name."""
    return value or _UNKNOWN.get(name, "(unknown)")


def _filtered(call: Call, name: str, value: str | None) -> str:
    """The address of this page with a filter, or without it for None."""
    unknown = {part for part in call.query.get("unknown", "").split(",") if part in FILTERS}
    unknown = unknown | {name} if value == "" else unknown - {name}
    changes = {name: value or None, "unknown": ",".join(sorted(unknown)) or None}
    return call.with_query(f"{ROOT}/overview", part=None, **changes)


def _overview(call: Call) -> Html:
    asked = _question(call)
    if part := call.query.get("part"):
        return _part(call, asked, part)
    has_details = call.query.get("details") == "yes"
    with reports.up_to_date(call.db):
        found = finish(read_overview(call.db, asked, limit=SHOWN, details=has_details))
        before = None
        if call.query.get("compare"):
            earlier = replace(asked, range=asked.range.before())
            before = finish(read_overview(call.db, earlier, limit=1, details=False))
        live = live_now(call.db, asked.sources)
    measure = call.query.get("measure", "visitors")
    measure = measure if measure in MEASURES else "visitors"
    queries = queries_of(asked, SHOWN)
    panels = [_panel(kind, found, queries) for kind in TITLES]
    shown = {
        **_frame(call, asked),
        "found": found,
        "before": before,
        "live": live,
        "tiles": _tiles(found, before),
        "measure": measure,
        "chart": _chart(found, before, measure),
        "panels": panels,
        "queries": queries,
        "measures": MEASURES,
    }
    return Html("overview.html", shown)


def _part(call: Call, asked: Question, kind: str) -> Html:
    """A panel that takes longer than the page."""
    if kind not in TITLES:
        raise StoreError(f"There is no {kind!r} here.")
    with reports.up_to_date(call.db):
        found = finish(read_overview(call.db, asked, limit=SHOWN))
    panel = _panel(kind, found, queries_of(asked, SHOWN))
    return Html("overview-panel.html", {**_frame(call, asked), "panel": panel})


def _frame(call: Call, asked: Question) -> dict[str, Any]:
    return {
        "sources": call.sources(),
        "asked": asked,
        "ranges": RANGES,
        "labels": LABELS,
        "value_text": value_text,
        "unfiltered": call.with_query(f"{ROOT}/overview", unknown=None, **dict.fromkeys(FILTERS)),
        "filtered": lambda name, value: _filtered(call, name, value),
    }


def _panel(kind: str, found: Overview, queries: Mapping[str, str]) -> Panel:
    counts = {"types": "Events", "pages": "Page-views"}.get(kind, "Sessions")
    return Panel(kind, TITLES[kind], counts, found.tops.get(kind), queries[kind])


def _tiles(found: Overview, before: Overview | None) -> list[Tile]:
    tiles = []
    for name in LABELS:
        value = getattr(found, name)
        earlier = getattr(before, name) if before else None
        change = value / earlier - 1 if earlier else None
        tiles.append(Tile(name, value, change, name if name in MEASURES else None))
    return tiles


def _chart(found: Overview, before: Overview | None, measure: str) -> dict[str, Any]:
    points = found.points
    series = [{"name": LABELS[measure], "values": [getattr(p, measure) for p in points]}]
    if before:
        values = [getattr(p, measure) for p in before.points][: len(points)]
        values += [None] * (len(points) - len(values))
        series.append({"name": "Before", "values": values})
    return {"times": [int(start.timestamp()) for start, _ in found.range.parts()], "series": series}


def _csv(call: Call) -> Download:
    """The chart's table, or all values of a kind, as a file."""
    asked, kind = _question(call), call.query.get("kind", "chart")
    if kind != "chart" and kind not in TITLES:
        raise StoreError(f"kind must be chart, or one of {', '.join(TITLES)}.")
    with reports.up_to_date(call.db):
        details = kind in asked.slow_kinds
        found = finish(read_overview(call.db, asked, limit=MOST, details=details))
    return Download(f"{kind}.csv", CSV, _lines(found, kind))


def _lines(found: Overview, kind: str) -> Iterator[str]:
    if kind == "chart":
        rows = [(p.period, *(getattr(p, name) for name in MEASURES)) for p in found.points]
        return csv_lines(["period", *MEASURES], rows)
    return csv_lines([_NAME_OF[kind], "count"], found.tops[kind].rows)


PAGES: tuple[Page, ...] = (get("/overview", _overview), get("/overview/csv", _csv))
