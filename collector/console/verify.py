"""Install → Verify: fetches a page as a visitor's browser does, and says why its events are not stored.

Whoever may change the console has it fetch an address, so it goes to the public internet only: see
`collector/verify/guard.py`.
"""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
from typing import Any
from urllib.parse import urlsplit

from ..errors import Overloaded, StoreError
from ..settings import Settings
from ..store import Source
from ..verify import STAGES, Check, Guard, Report, run_stages
from .jobs import Job, Jobs
from .page import Call, Html, Page, Redirect, get, post
from .responses import ROOT

MAX_URL = 2000  # characters
PER_MINUTE = 10  # verifications that are begun, of everybody
WAIT = 1.5  # seconds that a page without a script waits for the answer
# Those that need no browser, and what is said of one that failed.
SERVER_STAGES = {
    "static": "The page could not be checked",
    "collector": "The way from the page to the collector could not be checked",
}


class Verifications:
    """All verifications that are asked for in the console."""

    def __init__(self, path: Path) -> None:
        self.jobs = Jobs(path)
        self._begun: deque[float] = deque(maxlen=PER_MINUTE)
        self._lock = Lock()

    def note(self) -> None:
        """Counts one more. Raises Overloaded if that is too many."""
        with self._lock:
            now = time.monotonic()
            if len(self._begun) == PER_MINUTE and now - self._begun[0] < 60:
                raise Overloaded(
                    f"{PER_MINUTE} pages were verified in the last minute. Try again in a minute, or"
                    " use `thamesthrive verify` in a terminal."
                )
            self._begun.append(now)


@dataclass
class _Work:
    """One verification, stage by stage. See `jobs.Work`."""

    check: Check
    report: Report | None = None
    _stages: list[str] = field(default_factory=lambda: [*SERVER_STAGES])

    def steps(self) -> Iterator[tuple[int, int]]:
        """Runs a stage at each step."""
        count = len(self._stages)
        for done, name in enumerate(self._stages):
            yield done, count
            found = run_stages(self.check, [STAGES[name]()])
            before = self.report.stages if self.report else ()
            self.report = Report(self.check.url, (*before, *found.stages), found.facts)
        yield count, count

    def rows(self) -> list[Report]:
        """The report so far."""
        return [self.report] if self.report else []


def _show(call: Call) -> Html:
    """The form, and the verification of the address in it, if it was begun."""
    source = call.source()
    url = call.query.get("url", "")[:MAX_URL]
    job = _jobs(call).jobs.find(call.session.hash, (source.id, url)) if url else None
    if job is not None:
        job.ended.wait(0 if "job" in call.query else WAIT)
        job.is_shown = job.ended.is_set()  # so that it is done again when it is asked for again
    return Html("verify.html", _values(call, source, url, job))


def _values(
    call: Call, source: Source, url: str, job: Job | None, problem: str = ""
) -> dict[str, Any]:
    """What the page shows."""
    here = f"{ROOT}/sources/{source.id}/install/verify"
    report = job.rows[0] if job is not None and job.rows else None
    return {
        "source": source,
        "url": url,
        "problem": problem,
        "job": job,
        "report": report,
        "failures": _failures(report) if report else [],
        "here": here,
        "address": call.with_query(here, url=url, job=None),
        "follow": call.with_query(here, url=url, job=job.id if job is not None else None),
    }


def _failures(report: Report) -> list[tuple[str, str]]:
    """What could not be checked, and why. All stages fetch the page: one reason is said once."""
    reasons: dict[str, str] = {}
    for stage in report.stages:
        if stage.state == "failed":
            reasons.setdefault(stage.detail, SERVER_STAGES[stage.name])
    return [(title, detail) for detail, title in reasons.items()]


def _begin(call: Call) -> Html | Redirect:
    source = call.source()
    typed = call.form.get("url", "")[:MAX_URL]
    try:
        url = read_url(call.form.get("url", ""))
    except StoreError as error:
        return Html("verify.html", _values(call, source, typed, None, str(error)), 422)
    verifications = _jobs(call)
    verifications.note()
    settings: Settings = call.settings
    guard = Guard(guarded=True, allowed=settings.verifiable_hosts)
    work = _Work(Check(url, source.id, guard=guard))
    verifications.jobs.ask(
        call.session.hash, (source.id, url), lambda _: nullcontext(work), 0, again=True
    )
    here = f"{ROOT}/sources/{source.id}/install/verify"
    return Redirect(call.with_query(here, url=url, job=None))


def read_url(text: str) -> str:
    """An address as people type it. Raises StoreError for what is none."""
    url = text.strip()
    if url and "://" not in url:
        url = f"https://{url}"
    try:
        parts = urlsplit(url)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_address = is_address and " " not in parts.netloc
        _ = parts.port
    except ValueError:
        is_address = False
    if not is_address or len(url) > MAX_URL or not url.isprintable():
        raise StoreError("Type the address of a page, as in https://www.example.com/shop")
    return url


def _jobs(call: Call) -> Verifications:
    verifications: Verifications = call.app.verifications
    return verifications


_PATH = "/sources/{source_id}/install/verify"
PAGES: tuple[Page, ...] = (get(_PATH, _show), post(_PATH, _begin))
