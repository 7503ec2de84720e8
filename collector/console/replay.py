"""Replays: rejected events are judged again, and somebody watches."""

from urllib.parse import urlencode

from ..errors import NotFound
from ..worker.replays import RUNNING, ReplayJob
from .page import Call, Html, Page, Redirect, get, post
from .responses import ROOT


def _start(call: Call) -> Redirect:
    source = call.source_of(call.form.get("source", ""))
    call.app.replays.start(source.id, call.form.get("type") or None)
    return Redirect(_address(source.id))


def _show(call: Call) -> Html:
    source = call.source_of(call.query.get("source", ""))
    job = call.app.replays.of(source.id)
    if job is None:
        raise NotFound("No events of this source were replayed since the collector started.")
    shown = {"job": job, "source": source, "is_running": job.state == RUNNING, "said": _said(job)}
    return Html("replay.html", shown)


def _said(job: ReplayJob) -> str:
    counts = job.counts
    done = (
        f"{counts.stored:,} were stored, {counts.duplicate:,} were stored already."
        f" Still invalid: {counts.invalid:,}."
    )
    match job.state:
        case "running":
            return f"{job.looked:,} of {job.total:,} events have been looked at. {done}"
        case "failed":
            return f"It ended early: {job.problem} {done} Start it again to go on."
        case "stopped":
            return f"It was stopped after {job.looked:,} events. {done}"
        case _:
            return f"Done: {done}"


def _stop(call: Call) -> Redirect:
    source = call.source_of(call.form.get("source", ""))
    call.app.replays.stop(source.id)
    return Redirect(_address(source.id))


def _address(source_id: str) -> str:
    return f"{ROOT}/rejected/replay?{urlencode({'source': source_id})}"


PAGES: tuple[Page, ...] = (
    get("/rejected/replay", _show),
    post("/rejected/replay", _start),
    post("/rejected/replay/stop", _stop),
)
