"""Explore: a number about events by group and over time, funnels, retention, and saved questions."""

import json
from functools import partial
from typing import Any

from msgspec.structs import asdict

from ..errors import Forbidden, Overloaded, StoreError
from ..printable import csv_lines, printable
from ..store import saved_reports
from ..store.analyses import AnyAnalysis, read_analysis
from ..store.cohorts import INTERVALS as COHORT_INTERVALS
from ..store.explore import INTERVALS, MEASURES
from ..store.json_values import NAMES
from ..store.suggestions import suggest
from .answers import BEGIN, table_of, today
from .answers import NAMES as MEASURE_NAMES
from .jobs import Job, Jobs
from .page import Call, Download, Html, Page, Redirect, get, post
from .questions import KINDS, Kind, address_of, is_asked, kind_of, read_question, texts_of
from .responses import ROOT

WAIT = 0.7  # seconds until a page shows what there is so far
FILE_WAIT = 20.0  # the same for a file
DAYS = (("1", "Today"), ("7", "7 days"), ("30", "30 days"), ("90", "90 days"), ("365", "12 months"))
TABS = (*((kind.path, kind.title) for kind in KINDS), ("/explore/saved", "Saved"))


def _show(kind: Kind, call: Call) -> Html:
    analysis, problem, job = None, "", None
    try:
        analysis = read_question(call, kind)
        is_wanted = call.query.get("run") != "no" and (kind is KINDS[0] or is_asked(call, kind))
        if is_wanted:
            job = _ask(call, analysis, WAIT, again="job" not in call.query)
    except StoreError as error:
        problem = str(error) if is_asked(call, kind) else ""
    texts = texts_of(call, kind, analysis)
    values: dict[str, Any] = {
        "tabs": TABS,
        "kind": kind,
        "texts": texts,
        "problem": problem,
        "analysis": analysis,
        "job": job,
        "answer": table_of(analysis, job.rows) if analysis and job else None,
        "is_stopped": call.query.get("run") == "no",
        **_choices(call, kind, analysis, texts),
    }
    if analysis and job:
        values |= _addresses(call, analysis, job)
        job.is_shown = job.is_shown or job.ended.is_set()
    return Html("explore.html", values, 422 if problem else 200)


def _choices(
    call: Call, kind: Kind, analysis: AnyAnalysis | None, texts: dict[str, Any]
) -> dict[str, Any]:
    """What the fields of the form offer."""
    try:
        sources = analysis.sources(call.source_ids) if analysis else call.source_ids
    except StoreError:
        sources = call.source_ids
    intervals = COHORT_INTERVALS if kind is KINDS[2] else INTERVALS
    options = [(name, f"By {name}") for name in intervals]
    suggested = suggest(call.db, sources, texts.get("type", [])[:5])
    of_sources = [(source.id, printable(source.name)) for source in call.sources()]
    return {
        "suggested": suggested,
        "measures": [(name, MEASURE_NAMES[name]) for name in MEASURES],
        "paths": [*NAMES, *suggested.paths],
        "interval_options": [("", "Together"), *options] if kind is KINDS[0] else options,
        "source_options": [("", "All"), *of_sources] if len(of_sources) > 1 else [],
        "day_options": _day_options(texts),
    }


def _day_options(texts: dict[str, Any]) -> list[tuple[str, str]]:
    """The times that the form offers, with the one that is asked for."""
    if texts["since"] or texts["until"]:
        return [("", "As chosen"), *DAYS]
    asked = texts["days"][0] if texts["days"] else ""
    others = [(asked, f"{asked} days")] if asked and asked not in dict(DAYS) else []
    return [*DAYS, *others]


def _ask(call: Call, analysis: AnyAnalysis, wait: float, *, again: bool) -> Job:
    """The job of a question. Raises NotFound for its source, Overloaded."""
    if analysis.source:
        call.source_of(analysis.source)
    query = analysis.query(call.source_ids)
    jobs: Jobs = call.app.jobs
    key = (type(analysis), repr(asdict(analysis)))
    begin = BEGIN[type(analysis)]
    return jobs.ask(
        call.session.hash, key, lambda connection: begin(connection, query), wait, again=again
    )


def _addresses(call: Call, analysis: AnyAnalysis, job: Job) -> dict[str, Any]:
    """Where the page leads to, and how else its question can be asked."""
    kind = kind_of(analysis)
    address = address_of(analysis)
    return {
        "address": address,
        "follow": address_of(analysis, job=job.id),
        "stopped": address_of(analysis, run="no"),
        "file": address.replace(f"{kind.path}?", f"{kind.path}/csv?", 1),
        "sql": analysis.sql(call.source_ids),
        "command": analysis.command(),
        "definition": json.dumps(analysis.as_dict()),
    }


def _file(kind: Kind, call: Call) -> Download:
    analysis = read_question(call, kind)
    job = _ask(call, analysis, FILE_WAIT, again=False)
    if job.error:
        raise StoreError(job.error)
    if not job.is_done:
        raise Overloaded("This takes longer than a file may. Open the page, and then its file.")
    table = table_of(analysis, job.rows)
    name = f"{kind.title.lower()}-{today()}.csv"
    return Download(name, "text/csv; charset=utf-8", csv_lines(table.columns, table.raw))


def _stop(call: Call) -> Redirect:
    jobs: Jobs = call.app.jobs
    jobs.stop(call.session.hash, call.form.get("job", ""))
    back = call.form.get("back", "")
    # Nowhere else, whatever the form says.
    is_own = back.startswith(f"{ROOT}/explore") and back.isascii() and back.isprintable()
    return Redirect(back if is_own else f"{ROOT}/explore", "Stopped.")


def _saved(call: Call) -> Html:
    reports = saved_reports.list_saved_reports(call.utils, call.source_ids)
    rows = [(report, address_of(report.analysis)) for report in reports]
    names = {source.id: source.name for source in call.sources()}
    return Html("saved.html", {"tabs": TABS, "rows": rows, "names": names})


def _save(call: Call) -> Redirect:
    try:
        analysis = read_analysis(json.loads(call.form.get("definition", "")))
    except (ValueError, RecursionError) as error:
        raise StoreError("This is no definition of a report. Save it from its page.") from error
    if call.source_ids is not None and analysis.source not in call.source_ids:
        raise Forbidden("You may save reports about your source only.")
    report = saved_reports.add_saved_report(call.utils, call.form.get("name", ""), analysis)
    return Redirect(f"{ROOT}/explore/saved", f"Saved {report.name}.")


def _remove(call: Call) -> Redirect:
    id_ = call.form.get("id", "")
    report = saved_reports.remove_saved_report(call.utils, id_, call.source_ids)
    return Redirect(f"{ROOT}/explore/saved", f"Removed {report.name}.")


PAGES: tuple[Page, ...] = (
    *(get(kind.path, partial(_show, kind)) for kind in KINDS),
    *(get(f"{kind.path}/csv", partial(_file, kind)) for kind in KINDS),
    get("/explore/saved", _saved),
    Page("POST", "/explore/stop", _stop),
    post("/explore/save", _save),
    post("/explore/saved/remove", _remove),
)
