"""Overview: visitors, sessions and events of a range of time, and where they come from."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from ..errors import Overloaded, StoreError
from ..printable import csv_lines
from ..store import reports
from ..store.overview import (
    FILTERS,
    KIND_OF,
    Overview,
    Question,
    Top,
    live_now,
    read_overview,
)
from ..store.overview_sql import MEASURES, queries_of
from ..store.ranges import CUSTOM, MINUTE, Range, custom_range, named_range
from ..store.rollup_visits import PAGE_VIEW
from .jobs import Job, Jobs
from .page import Call, Download, Html, Page, Redirect, get
from .responses import ROOT

RANGES = {
    "30min": "Last 30 minutes",
    "24h": "Last 24 hours",
    "today": "Today",
    "yesterday": "Yesterday",
    "7d": "Last 7 days",
    "30d": "Last 30 days",
    "12mo": "Last 12 months",
    CUSTOM: "Custom range",
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
    "countries": "Countries",
}
LABELS = {
    "visitors": "Visitors",
    "sessions": "Sessions",
    "page_views": "Page-views",
    "events": "Events",
    "views_a_visit": "Page-views a session",
    "bounce_rate": "Bounce rate",
}
_UNKNOWN = {"referrer": "(direct)", "campaign": "(none)"}  # the value that is not known
_NAME_OF = {kind: name for name, kind in KIND_OF.items()}
WAIT = 0.7  # seconds until a page shows how far it is
FILE_WAIT = 20.0  # the same for a file
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


@dataclass(frozen=True)
class _Asked:
    """What a page asks for: an overview, perhaps that of the time before, and its slow kinds."""

    question: Question
    compare: bool
    details: bool

    @property
    def is_quick(self) -> bool:
        """Whether it takes as long as a page may, however much is stored."""
        is_short = self.question.range.grain == MINUTE
        return is_short or not (
            self.question.filters or (self.details and self.question.slow_kinds)
        )


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
    return call.with_query(f"{ROOT}/overview", part=None, job=None, run=None, **changes)


class _Work:
    """A question as a job: the overview, and that of the time before if it is compared."""

    def __init__(self, connection: sqlite3.Connection, asked: _Asked) -> None:
        self._connection = connection
        self._asked = asked
        self._found: list[Overview] = []

    def steps(self) -> Iterator[tuple[int, int]]:
        question, details = self._asked.question, self._asked.details
        found = yield from read_overview(self._connection, question, limit=MOST, details=details)
        before = []
        if self._asked.compare:
            earlier = replace(question, range=question.range.before())
            before = [(yield from read_overview(self._connection, earlier, limit=0, details=False))]
        self._found = [found, *before]

    def rows(self) -> list[Any]:
        """Both overviews once they are there."""
        return self._found


@contextmanager
def _begin(connection: sqlite3.Connection, asked: _Asked) -> Iterator[_Work]:
    with reports.up_to_date(connection):
        yield _Work(connection, asked)


def _ask(call: Call, asked: _Asked, wait: float) -> Job:
    """The job of a question, which may be running. One that takes a moment is not kept."""
    if asked.is_quick:
        job = Job(call.session.hash, asked)
        with _begin(call.db, asked) as work:
            for _ in work.steps():
                pass
            job.rows, job.is_done = work.rows(), True
        job.ended.set()
        return job
    jobs: Jobs = call.app.jobs
    again = "job" not in call.query
    return jobs.ask(
        call.session.hash, asked, lambda connection: _begin(connection, asked), wait, again=again
    )


def _overview(call: Call) -> Html:
    question = _question(call)
    if part := call.query.get("part"):
        return _part(call, question, part)
    details = call.query.get("details") == "yes"
    asked = _Asked(question, bool(call.query.get("compare")), details)
    is_stopped = call.query.get("run") == "no"
    job = None if is_stopped else _ask(call, asked, WAIT)
    shown = {
        **_frame(call, question),
        "job": job,
        "found": None,
        "live": live_now(call.db, question.sources),
        "compare": asked.compare,
    }
    if job:
        shown["follow"] = call.with_query(f"{ROOT}/overview", job=job.id)
        if job.rows:
            shown |= _numbers(call, question, job)
        job.is_shown = job.is_shown or job.ended.is_set()
    return Html("overview.html", shown)


def _numbers(call: Call, question: Question, job: Job) -> dict[str, Any]:
    found, before = job.rows[0], job.rows[1] if job.rows[1:] else None
    usual = "events" if "type" in question.filters else "visitors"
    measure = call.query.get("measure", usual)
    measure = measure if measure in MEASURES else usual
    queries = queries_of(question, SHOWN)
    return {
        "found": found,
        "before": before,
        "tiles": [tile for tile in _tiles(found, before) if tile.name not in _beside(question)],
        "measure": measure,
        "chart": _chart(found, before, measure),
        "panels": [
            _panel(kind, found, queries, question) for kind in TITLES if _has(call, kind, found)
        ],
        "queries": queries,
        "measures": MEASURES,
    }


def _part(call: Call, question: Question, kind: str) -> Html:
    """A panel that takes longer than the page."""
    if kind not in TITLES:
        raise StoreError(f"There is no {kind!r} here.")
    job = _ask(call, _Asked(question, compare=False, details=True), WAIT)
    found = job.rows[0] if job.rows else None
    panel = _panel(kind, found, queries_of(question, SHOWN), question)
    return Html("overview-panel.html", {**_frame(call, question), "panel": panel, "job": job})


def _stop(call: Call) -> Redirect:
    jobs: Jobs = call.app.jobs
    jobs.stop(call.session.hash, call.form.get("job", ""))
    return Redirect(call.with_query(f"{ROOT}/overview", run="no", job=None), "Stopped.")


def _frame(call: Call, question: Question) -> dict[str, Any]:
    return {
        "sources": call.sources(),
        "asked": question,
        "ranges": RANGES,
        "labels": LABELS,
        "value_text": value_text,
        "unfiltered": call.with_query(f"{ROOT}/overview", unknown=None, **dict.fromkeys(FILTERS)),
        "filtered": lambda name, value: _filtered(call, name, value),
    }


def _beside(question: Question) -> tuple[str, ...]:
    """What says nothing where events of one type are looked at: they are no page-views."""
    if question.filters.get("type", PAGE_VIEW) == PAGE_VIEW:
        return ()
    return ("page_views", "views_a_visit", "bounce_rate")


def _has(call: Call, kind: str, found: Overview) -> bool:
    """Whether a panel says anything: countries are known only if a file for them is or was named."""
    if kind != "countries" or call.settings.countries:
        return True
    return any(value for value, _ in found.tops[kind].rows)


def _panel(
    kind: str, found: Overview | None, queries: Mapping[str, str], question: Question
) -> Panel:
    counts = {"types": "Events", "pages": "Page-views"}.get(kind, "Sessions")
    if kind_filter := question.filters.get("type"):
        counts = f"{counts} with {kind_filter}" if counts == "Sessions" else counts
    top = found.tops.get(kind) if found else None
    if top:
        rest = top.rest + sum(count for _, count in top.rows[SHOWN:])
        top = replace(top, rows=top.rows[:SHOWN], rest=rest)
    return Panel(kind, TITLES[kind], counts, top, queries[kind])


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
    question, kind = _question(call), call.query.get("kind", "chart")
    if kind != "chart" and kind not in TITLES:
        raise StoreError(f"kind must be chart, or one of {', '.join(TITLES)}.")
    details = kind in question.slow_kinds
    job = _ask(call, _Asked(question, compare=False, details=details), FILE_WAIT)
    if job.error:
        raise StoreError(job.error)
    if not job.rows:
        raise Overloaded("This takes longer than a file may. Open the page, and then its file.")
    return Download(f"{kind}.csv", "text/csv; charset=utf-8", _lines(job.rows[0], kind))


def _lines(found: Overview, kind: str) -> Iterator[str]:
    if kind == "chart":
        rows = [(p.period, *(getattr(p, name) for name in MEASURES)) for p in found.points]
        return csv_lines(["period", *MEASURES], rows)
    return csv_lines([_NAME_OF[kind], "count"], found.tops[kind].rows)


PAGES: tuple[Page, ...] = (
    get("/overview", _overview),
    get("/overview/csv", _csv),
    Page("POST", "/overview/stop", _stop),
)
