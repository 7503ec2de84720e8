"""The state of one test: its run, what is to be judged at its end, and how a failure is told."""

import sys
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TypeVar

from .chain import Broken, Link, described_rejection, first_broken_link
from .evidence import BrowserSide, Event, Evidence, Wanted, types_of
from .failure import ExpectationFailed
from .message import failure_text
from .record import ExpectationRecord, StepRecord, TestRecord
from .run import Run
from .steps import Leave, Look, Steps
from .watcher import Watcher

T = TypeVar("T")
HERE = str(Path(__file__).parent)
# These are sent again by whoever sent them.
RETRIED = {408, 425, 429, 503}


class Session:
    """What all expectations of a test share. `again`: the command that shows the run once more."""

    def __init__(
        self, run: Run, watcher: Watcher, record: TestRecord, *, within: float, again: str
    ) -> None:
        self.run = run
        self.watcher = watcher
        self.record = record
        self.within = within
        self.again = again
        self.no_rejected = True
        self.expected_rejections: list[Callable[[dict[str, Any]], bool]] = []
        self.expected_refusals: set[str] = set()
        self.left = False
        self._at_end: dict[Hashable, tuple[Callable[[], Steps[None]], Wanted | None]] = {}

    # At the end of a test

    def judge_at_end(
        self, key: Hashable, judge: Callable[[], Steps[None]], none_of: Wanted | None = None
    ) -> None:
        """Has something judged once the pages are left and nothing is on its way. A later judgement
        with the same key takes its place. `none_of`: events that there have to be none of."""
        self._at_end.pop(key, None)
        self._at_end[key] = (judge, none_of)

    def forget_none(self, event: Event) -> None:
        """Takes back that there are to be none of an event."""
        kept = self._at_end.items()
        self._at_end = {key: at for key, at in kept if not (at[1] and at[1].accepts(event))}

    def finish(self) -> Steps[None]:
        """Leaves the pages, waits until all has arrived, and judges."""
        __tracebackhide__ = True
        yield Leave()
        self.left = True
        if not (yield from self.run.settle()):
            yield from self.fail("Requests of this test were still on their way after 10 s.")
        yield from self.run.fetch()
        for judge, _ in self._at_end.values():
            yield from judge()
        if self.no_rejected:
            yield from self.noted("expect_no_rejected", {}, self._judge_rejected())

    def _judge_rejected(self) -> Steps[None]:
        __tracebackhide__ = True
        for row in (yield from self.run.rejected()):
            if not any(accepts(row) for accepts in self.expected_rejections):
                broken = Broken(Link.REJECTED, described_rejection(row))
                yield from self.fail("Expected no rejected events.", broken=broken)
        for request in (yield from self.run.journal()):
            status, reason = int(request["status"]), str(request["reason"])
            if status >= 400 and status not in RETRIED and reason not in self.expected_refusals:
                types = ", ".join(types_of(request)) or "events that were not read"
                broken = Broken(Link.REFUSED, f"{status} {reason}: {types}")
                yield from self.fail("Expected no refused requests.", broken=broken)

    def collect(self) -> Steps[None]:
        """Puts what the run has stored into the record, whatever became of the test."""
        if not self.left:  # the test has failed before
            yield Look(screenshot=True)
            yield Leave()
            yield from self.run.settle()
        record, side = self.record, self.watcher.side()
        record.events = [event.raw for event in (yield from self.run.fetch())]
        record.rejected = yield from self.run.rejected()
        record.requests = yield from self.run.journal()
        record.actions = self.watcher.actions
        record.calls = [
            {"type": call.type, "properties": call.properties, "page": call.page, "at": call.at}
            for call in side.calls
        ]

    # Failures

    def fail(
        self,
        what: str,
        *,
        wanted: Wanted | None = None,
        broken: Broken | None = None,
        find_link: bool = False,
    ) -> Steps[None]:
        """Raises ExpectationFailed with all that is known. `find_link`: the first broken link of what
        is wanted is looked for."""
        __tracebackhide__ = True
        evidence = yield from self.evidence()
        if find_link and wanted:
            broken = first_broken_link(wanted, evidence)
        text = failure_text(what, evidence, broken, wanted, self.again)
        raise ExpectationFailed(text, broken)

    def evidence(self) -> Steps[Evidence]:
        """All that is known of the run now."""
        yield Look(screenshot=True)
        evidence = yield from self.run.evidence()
        evidence.browser = self.watcher.side() if self.watcher.contexts else None
        return evidence

    def seen(self) -> Steps[BrowserSide]:
        """What was seen in the pages until now."""
        yield Look()
        return self.watcher.side()

    # The record

    def noted(self, kind: str, wanted: dict[str, Any], work: Steps[T]) -> Steps[T]:
        """Does the work of an expectation, and keeps what became of it."""
        __tracebackhide__ = True
        began = time.time()
        note = ExpectationRecord(kind, wanted, True, began, 0.0)
        self.record.expectations.append(note)
        try:
            return (yield from work)
        except ExpectationFailed as failed:
            note.held, note.message = False, str(failed)
            note.link = failed.link.name.lower() if failed.link else ""
            raise
        finally:
            note.spent = time.time() - began

    def start_step(self, name: str) -> StepRecord:
        """Begins a named part of the test."""
        step = StepRecord(name, time.time())
        self.record.steps.append(step)
        return step


def caller() -> str:
    """Where in the test an expectation stands: `test_shop.py:12`."""
    frame = sys._getframe(1)
    while frame.f_back and frame.f_code.co_filename.startswith(HERE):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
