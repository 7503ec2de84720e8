"""What a test can expect of the events of its run. Each expectation is a generator of steps, which
`tracking.py` and `async_tracking.py` drive."""

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias

from .chain import Broken, Link, first_broken_link
from .evidence import Event, Wanted
from .matching import ANY, Difference, differences, how_often
from .session import Session, caller
from .steps import Steps

Properties: TypeAlias = Mapping[str, Any] | None
Item: TypeAlias = str | tuple[str, Mapping[str, Any]]
LONGEST_NAME = 10  # events of a sequence that are named
PAUSE = 0.05  # seconds between looks at the console


class Expectations:
    """The expectations about stored, rejected and refused events."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._run = session.run

    def expect(
        self,
        type_: str,
        properties: Properties,
        context: Properties,
        times: int | None,
        within: float | None,
    ) -> Steps[Event]:
        """The last of the events that are wanted, once there are `times` of them."""
        __tracebackhide__ = True
        if times == 0:
            raise ValueError("times=0 has no event to return: use expect_none")
        wanted = Wanted(type_, properties, context)
        note = {**wanted.as_dict(), **({} if times is None else {"times": times})}
        return (yield from self._session.noted("expect", note, self._expect(wanted, times, within)))

    def _expect(self, wanted: Wanted, times: int | None, within: float | None) -> Steps[Event]:
        __tracebackhide__ = True
        seconds = self._session.within if within is None else within
        matching = yield from self._matching(wanted, times or 1, seconds)
        if len(matching) < (times or 1):
            what = f"Expected {_times(times)}{wanted} within {seconds:g} s, stored {len(matching)}."
            yield from self._session.fail(what, wanted=wanted, find_link=True)
        # The last word counts: what has come was expected after none of it was.
        self._session.forget_none(matching[-1])
        if times is not None:
            yield from self._judge_times(wanted, times)
            where = caller()
            self._session.judge_at_end(
                ("times", str(wanted)), lambda: self._judge_times(wanted, times, where)
            )
        return matching[-1]

    def _matching(self, wanted: Wanted, count: int, seconds: float) -> Steps[list[Event]]:
        def matching(events: list[Event]) -> list[Event]:
            return [event for event in events if wanted.accepts(event)]

        events = yield from self._until(
            lambda events: len(matching(events)) >= count, seconds, wanted.type
        )
        return matching(events)

    def _until(
        self, enough: Callable[[list[Event]], bool], seconds: float, type_: str | None = None
    ) -> Steps[list[Event]]:
        """The events of the run when they are `enough`, or when the time is over. `type_`: the type
        of those that are waited for."""
        deadline = time.monotonic() + seconds
        while True:
            events = yield from self._run.fetch()
            left = deadline - time.monotonic()
            if enough(events) or left <= 0:
                return events
            yield from self._run.wait(left, type_)

    def _judge_times(self, wanted: Wanted, times: int, where: str = "") -> Steps[None]:
        __tracebackhide__ = True
        found = [event for event in self._run.events if wanted.accepts(event)]
        if len(found) > times:
            broken = yield from self._why_so_often(wanted, found)
            at = f" ({where})" if where else ""
            what = f"Expected {_times(times)}{wanted}, stored {len(found)}{at}."
            yield from self._session.fail(what, broken=broken)

    def _why_so_often(self, wanted: Wanted, found: list[Event]) -> Steps[Broken]:
        evidence = yield from self._session.evidence()
        times = ", ".join(event.occurred_at for event in found)
        why = f"{wanted.type} was stored {how_often(len(found))}, at {times}"
        if evidence.browser:
            calls = sum(call.type == wanted.type for call in evidence.browser.calls)
            why += f"; pages were seen to track it {how_often(calls)}"
        return Broken(Link.TOO_MANY, why)

    def expect_none(self, type_: str, properties: Properties, context: Properties) -> Steps[None]:
        """Judged now, and again at the end of the test."""
        __tracebackhide__ = True
        wanted, where = Wanted(type_, properties, context), caller()
        yield from self._run.fetch()
        yield from self._session.noted("expect_none", wanted.as_dict(), self._judge_none(wanted))
        self._session.judge_at_end(
            ("none", str(wanted)), lambda: self._judge_none(wanted, where), none_of=wanted
        )

    def _judge_none(self, wanted: Wanted, where: str = "") -> Steps[None]:
        __tracebackhide__ = True
        found = [event for event in self._run.events if wanted.accepts(event)]
        if found:
            broken = yield from self._why_so_often(wanted, found)
            at = f" ({where})" if where else ""
            yield from self._session.fail(
                f"Expected no {wanted}, stored {len(found)}{at}.", broken=broken
            )

    def expect_sequence(self, items: Iterable[Item], within: float | None) -> Steps[list[Event]]:
        """The events of a sequence; others may come between them."""
        __tracebackhide__ = True
        wanted = _wanted(items)
        if not wanted:
            raise ValueError("expect_sequence needs at least one type")
        note = {"sequence": [each.as_dict() for each in wanted]}
        return (
            yield from self._session.noted(
                "expect_sequence", note, self._expect_sequence(wanted, within)
            )
        )

    def _expect_sequence(self, wanted: list[Wanted], within: float | None) -> Steps[list[Event]]:
        __tracebackhide__ = True
        seconds = self._session.within if within is None else within
        events = yield from self._until(
            lambda events: len(_in_order(wanted, events)) == len(wanted), seconds
        )
        found = _in_order(wanted, events)
        if len(found) == len(wanted):
            return found
        what = f"Expected the sequence {_names(wanted)} within {seconds:g} s"
        yield from self._fail_missing(what, wanted, found)
        raise AssertionError("fail always raises")

    def _fail_missing(self, what: str, wanted: list[Wanted], found: list[Event]) -> Steps[None]:
        """Says which event of a sequence is missing. `found`: those before it."""
        __tracebackhide__ = True
        missing = wanted[len(found)]
        what += f": {missing} is missing"
        seen = {event.seq for event in found}
        if any(missing.accepts(event) for event in self._run.events if event.seq not in seen):
            broken = Broken(
                Link.DIFFERENT, f"{missing.type} was stored, but earlier in the sequence"
            )
            what += f" after {wanted[len(found) - 1].type}" if found else ""
            yield from self._session.fail(f"{what}.", broken=broken)
        yield from self._session.fail(f"{what}.", wanted=missing, find_link=True)

    def expect_exactly(self, items: Iterable[Item], within: float | None) -> Steps[list[Event]]:
        """These events and no others, judged now and again at the end of the test."""
        __tracebackhide__ = True
        wanted = _wanted(items)
        note = {"exactly": [each.as_dict() for each in wanted]}
        work = self._expect_exactly(wanted, within)
        return (yield from self._session.noted("expect_exactly", note, work))

    def _expect_exactly(self, wanted: list[Wanted], within: float | None) -> Steps[list[Event]]:
        __tracebackhide__ = True
        seconds = self._session.within if within is None else within
        events = yield from self._until(lambda events: len(events) >= len(wanted), seconds)
        yield from self._judge_exactly(wanted, f" within {seconds:g} s")
        for event in events:
            self._session.forget_none(event)
        where = f" ({caller()})"
        self._session.judge_at_end("exactly", lambda: self._judge_exactly(wanted, where))
        return list(events)

    def _judge_exactly(self, wanted: list[Wanted], more: str) -> Steps[None]:
        __tracebackhide__ = True
        events = self._run.events
        found = _in_order(wanted, events)
        what = f"Expected exactly {_names(wanted)}{more}"
        if len(found) < len(wanted):
            yield from self._fail_missing(what, wanted, found)
        if len(events) > len(wanted):
            kept = {event.seq for event in found}
            extra = [event for event in events if event.seq not in kept]
            of_type = [event for event in events if event.type == extra[0].type]
            broken = yield from self._why_so_often(Wanted(extra[0].type), of_type)
            what += f": stored {len(events)}, {extra[0]} is one too many."
            yield from self._session.fail(what, broken=broken)

    def expect_rejected(
        self,
        reason: str | None,
        pointer: str | None,
        type_: str | None,
        within: float | None,
    ) -> Steps[dict[str, Any]]:
        """The first rejected event with that reason, pointer and type; each may be left open."""
        __tracebackhide__ = True
        given = {"reason": reason, "pointer": pointer, "type": type_}
        wanted = {name: value for name, value in given.items() if value is not None}

        def accepts(row: Mapping[str, Any]) -> bool:
            return not differences(wanted, row)

        self._session.expected_rejections.append(accepts)
        work = self._expect_rejected(wanted, type_, within)
        return (yield from self._session.noted("expect_rejected", wanted, work))

    def _expect_rejected(
        self, wanted: dict[str, Any], type_: str | None, within: float | None
    ) -> Steps[dict[str, Any]]:
        __tracebackhide__ = True
        seconds = self._session.within if within is None else within
        deadline = time.monotonic() + seconds
        while True:
            rows = yield from self._run.rejected()
            for row in rows:
                if not differences(wanted, row):
                    return row
            if (left := deadline - time.monotonic()) <= 0:
                break
            yield from self._run.wait_for_rejected(len(rows) + 1, left)
        misses = [str(miss) for row in rows for miss in _row_misses(wanted, row)]
        what = f"Expected a rejected event with {wanted} within {seconds:g} s, found none."
        what += f" Nearest: {misses[0]}." if misses else ""
        broken = yield from self._why_not_rejected(type_)
        yield from self._session.fail(what, broken=broken)
        raise AssertionError("fail always raises")

    def _why_not_rejected(self, type_: str | None) -> Steps[Broken | None]:
        if type_ is None:
            return None
        evidence = yield from self._session.evidence()
        if any(event.type == type_ for event in evidence.events):
            return Broken(Link.DIFFERENT, f"{type_} was stored: nothing was wrong with it")
        return first_broken_link(Wanted(type_), evidence)

    def expect_refused(self, reason: str, within: float | None) -> Steps[dict[str, Any]]:
        """The first request that was refused for that reason."""
        __tracebackhide__ = True
        self._session.expected_refusals.add(reason)
        work = self._expect_refused(reason, within)
        return (yield from self._session.noted("expect_refused", {"reason": reason}, work))

    def _expect_refused(self, reason: str, within: float | None) -> Steps[dict[str, Any]]:
        __tracebackhide__ = True
        seconds = self._session.within if within is None else within
        deadline = time.monotonic() + seconds
        while True:
            requests = yield from self._run.journal()
            for request in requests:
                if request["reason"] == reason:
                    return request
            if (left := deadline - time.monotonic()) <= 0:
                break
            yield from self._run.wait_for_requests(len(requests) + 1, left)
        answers = (
            ", ".join(f"{each['status']} {each['reason']}" for each in requests) or "no request"
        )
        yield from self._session.fail(
            f"Expected a request refused with {reason} within {seconds:g} s; there was: {answers}."
        )
        raise AssertionError("fail always raises")

    def expect_console(self, text: str, within: float | None) -> Steps[str]:
        """The first message of the pages' consoles that contains the text."""
        __tracebackhide__ = True
        work = self._expect_console(text, within)
        return (yield from self._session.noted("expect_console", {"text": text}, work))

    def _expect_console(self, text: str, within: float | None) -> Steps[str]:
        __tracebackhide__ = True
        seconds = self._session.within if within is None else within
        deadline = time.monotonic() + seconds
        while True:
            said = (yield from self._session.seen()).console
            for message in said:
                if text in message:
                    return message
            if (left := deadline - time.monotonic()) <= 0:
                break
            # While the collector is asked, the browser goes on.
            yield from self._run.fetch()
            yield from self._run.wait(min(left, PAUSE))
        what = f"Expected {text!r} in the console within {seconds:g} s"
        yield from self._session.fail(f"{what}; it said: {' | '.join(said) or 'nothing'}.")
        raise AssertionError("fail always raises")


def _wanted(items: Iterable[Item]) -> list[Wanted]:
    return [Wanted(item) if isinstance(item, str) else Wanted(*item) for item in items]


def _names(wanted: list[Wanted]) -> str:
    if not wanted:
        return "no events"
    names = " → ".join(each.type for each in wanted[:LONGEST_NAME])
    rest = len(wanted) - LONGEST_NAME
    return f"{names} → … and {rest} more" if rest > 0 else names


def _times(times: int | None) -> str:
    return "" if times is None else f"{times} × "


def _in_order(wanted: list[Wanted], events: list[Event]) -> list[Event]:
    found: list[Event] = []
    for event in events:
        if len(found) < len(wanted) and wanted[len(found)].accepts(event):
            found.append(event)
    return found


def _row_misses(wanted: dict[str, Any], row: Mapping[str, Any]) -> list[Difference]:
    return differences(
        {name: ANY if value is None else value for name, value in wanted.items()}, row
    )
