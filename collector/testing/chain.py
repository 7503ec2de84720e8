"""The way of an event from the page's script to its row, and the first link of it that is broken.

Each rule looks at the evidence and says either nothing, or what broke. They are asked in order: a
trace of the event further down proves that all links before it held.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from .evidence import BrowserRequest, BrowserSide, Call, Event, Evidence, Wanted, types_of
from .matching import Difference, differences, how_often, shown


class Link(StrEnum):
    """What broke, in the order of an event's way."""

    NO_PAGE = "nothing was opened or sent"
    NOT_LOADED = "tracker not loaded"
    NOT_CALLED = "not called"
    HELD = "held"
    BLOCKED = "blocked"
    ELSEWHERE = "sent elsewhere"
    WAITING = "not answered"
    REFUSED = "refused"
    REJECTED = "rejected"
    OTHER_NAME = "stored under another name"
    OTHER_RUN = "stored under another run"
    DIFFERENT = "stored, but different"
    TOO_MANY = "stored too often"


@dataclass(frozen=True)
class Broken:
    """The first broken link, what is known of it, and what to do."""

    link: Link
    why: str
    cure: str = ""


Rule = Callable[[Wanted, Evidence], Broken | None]


def first_broken_link(wanted: Wanted, evidence: Evidence) -> Broken:
    """Why an event that is wanted is not there."""
    return next(
        (broken for rule in RULES if (broken := rule(wanted, evidence))),
        Broken(Link.NOT_CALLED, f"nothing has tracked {wanted.type}"),
    )


def nearest(wanted: Wanted, events: Iterable[Event]) -> tuple[Event, list[Difference]] | None:
    """The event that comes closest to what is wanted: one of its type if there is any, otherwise one
    that has all the properties, or a similar name."""
    events = list(events)
    same = [event for event in events if event.type == wanted.type]
    if not same:
        similar = get_close_matches(wanted.type, {event.type for event in events}, 1, 0.75)
        same = [event for event in events if event.type in similar]
        # One value alone is the same by chance.
        if not same and len(wanted.properties or {}) > 1:
            same = [event for event in events if not wanted.misses(event)]
    if not same:
        return None
    event = min(same, key=lambda each: len(wanted.misses(each)))
    return event, wanted.misses(event)


def _too_few(wanted: Wanted, evidence: Evidence) -> Broken | None:
    stored = sum(wanted.accepts(event) for event in evidence.events)
    # Tracked again: why that is not there is for the other rules to say.
    if not stored or len(_calls(wanted, evidence)) > stored:
        return None
    why = f"{wanted.type} was stored {how_often(stored)}, and nothing has tracked it again"
    return Broken(Link.NOT_CALLED, why)


def _rejected(wanted: Wanted, evidence: Evidence) -> Broken | None:
    rows = [row for row in evidence.rejected if row.get("type") == wanted.type]
    if not rows:
        return None
    row = min(rows, key=lambda each: _distance(wanted, _properties_of(each)))
    stored = [event for event in evidence.events if event.type == wanted.type]
    closest = min((_distance(wanted, event.properties) for event in stored), default=None)
    if closest is not None and closest < _distance(wanted, _properties_of(row)):
        return None
    return Broken(Link.REJECTED, described_rejection(row), "Correct the event or its schema.")


def _different(wanted: Wanted, evidence: Evidence) -> Broken | None:
    stored = [event for event in evidence.events if event.type == wanted.type]
    tracked = sum(not _distance(wanted, call.properties) for call in _calls(wanted, evidence))
    if tracked > sum(not _distance(wanted, event.properties) for event in stored):
        return None  # it was tracked with the right values, and lost afterwards
    if any(wanted.misses(event) for event in stored):
        return Broken(
            Link.DIFFERENT,
            f"{wanted.type} was stored, with other values: see the nearest miss",
        )
    return None


def _distance(wanted: Wanted, properties: Any) -> int:
    """In how many places properties are not those that are wanted."""
    return len(differences(wanted.properties or {}, properties))


def _properties_of(row: Mapping[str, Any]) -> Any:
    """The properties of a rejected event, as far as its payload was kept."""
    payload = row.get("payload")
    return payload.get("properties") if isinstance(payload, Mapping) else None


def _calls(wanted: Wanted, evidence: Evidence) -> list[Call]:
    """The calls of `track` with this type that were seen in pages."""
    calls = evidence.browser.calls if evidence.browser else []
    return [call for call in calls if call.type == wanted.type]


def described_rejection(row: Mapping[str, Any]) -> str:
    """A rejected event in a line: reason, pointer, rule."""
    found = row.get("rule") or {}
    rule = f" (schema {found['pointer']}: {found['part']})" if found.get("pointer") else ""
    pointer, detail = row.get("pointer") or "", row.get("detail") or ""
    at = f"{pointer}: " if pointer and not detail.startswith(pointer) else ""
    return f"{row.get('type') or 'an event'}: {row['reason']}, {at}{detail}{rule}"


REFUSALS = {
    "unknown_source": "Copy the source id from `thamesthrive source list`.",
    "disabled_source": "Enable it: `thamesthrive source set ID --enabled`.",
    "origin_not_allowed": "List the page's origin: `thamesthrive source set ID --origin ORIGIN`.",
    "bridge_not_allowed": "Allow it: `thamesthrive source set ID --bridge BRIDGE`.",
    "too_large": "Send less: the limits are in the reference of POST /track.",
    "rate_limited": "Raise the source's rate limit, or send less.",
    "overloaded": "The collector could not store it in time: see its log.",
}


def _refused(wanted: Wanted, evidence: Evidence) -> Broken | None:
    for request in evidence.refused:
        types = types_of(request)
        if wanted.type in types or not types:
            reason = str(request["reason"])
            why = f"{request['status']} {reason}, {request['method']} {request['route']}"
            if request.get("source_id"):
                why += f" for source {request['source_id']}"
            if request.get("origin"):
                why += f" from {request['origin']}"
            return Broken(Link.REFUSED, why, REFUSALS.get(reason, ""))
    return None


def _other_run(wanted: Wanted, evidence: Evidence) -> Broken | None:
    for run, event in evidence.others:
        if event.type == wanted.type:
            if run:
                cure = "Let the kit name the run: data-qa-run and qa.run come before it."
                return Broken(Link.OTHER_RUN, f"{event} belongs to run {run!r}", cure)
            cure = "Bind what sent it: tracking.attach(context), or tracking.headers on a server."
            return Broken(Link.OTHER_RUN, f"{event} belongs to no run", cure)
    return None


def _called(wanted: Wanted, evidence: Evidence) -> bool:
    return bool(_calls(wanted, evidence))


def _other_name(wanted: Wanted, evidence: Evidence) -> Broken | None:
    if _called(wanted, evidence):
        return None
    found = nearest(wanted, evidence.events)
    if not found:
        return None
    event, _ = found
    return Broken(
        Link.OTHER_NAME,
        f"{event} was stored. Did you mean {event.type!r}?",
        "Names are compared exactly: correct the page or the test.",
    )


def _held(wanted: Wanted, evidence: Evidence) -> Broken | None:
    browser = evidence.browser
    if browser is None:
        return None
    settings = browser.settings
    if browser.do_not_track and settings.get("respectDoNotTrack"):
        return Broken(
            Link.HELD,
            "the browser asks not to be tracked, and settings.respectDoNotTrack is on",
        )
    automatic = wanted.type == "page-view" and settings.get("pageViews") in ("load", "spa")
    for call in _calls(wanted, evidence):
        if call.outcome is not None:
            detail = call.outcome.get("detail")
            if call.outcome.get("reason") == "disabled_source" and detail in ("pending", "denied"):
                return Broken(Link.HELD, f"consent was {detail} when {wanted.type} was tracked")
    if not browser.loaded or not (automatic or _called(wanted, evidence)):
        return None
    state = settings.get("consent")
    if state not in ("pending", "denied") or "granted" in browser.decisions or _tried(browser):
        return None
    why = f"settings.consent is {shown(state)}, and "
    if browser.decisions:
        why += f"the page has called tracker.consent({shown(browser.decisions[-1])})"
    else:
        why += 'nothing has called tracker.consent("granted")'
    return Broken(Link.HELD, why, "Accept the banner in the test, or expect none.")


def _tried(browser: BrowserSide) -> bool:
    return any(request.kind == "track" for request in browser.requests)


def _blocked_script(browser: BrowserSide) -> Broken | None:
    """Why the bundle is not there, if the browser or its server has said so."""
    for violation in browser.violations:
        if violation.directive.startswith("script-src"):
            return Broken(
                Link.NOT_LOADED,
                f"the page's Content-Security-Policy blocked {violation.blocked}"
                f" ({violation.directive})",
                "Allow the collector in script-src, or give the tag the page's nonce.",
            )
    for request in browser.requests:
        if request.kind == "script" and (request.failure or (request.status or 0) >= 400):
            return Broken(Link.NOT_LOADED, f"{request.url}: {_fate(request)}", _cure_of(request))
    return None


def _fate(request: BrowserRequest) -> str:
    if "BLOCKED_BY_ORB" in request.failure:
        return "answered with something that is no script"
    return f"answered {request.status}" if request.status else request.failure or "no answer"


def _cure_of(request: BrowserRequest) -> str:
    if any(word in request.failure for word in ("BLOCKED_BY_CLIENT", "NS_ERROR_ABORT")):
        return "A content blocker did that: see `alias` for names of your own."
    return "Compare the address with what `thamesthrive snippet ID` prints."


def _not_loaded(wanted: Wanted, evidence: Evidence) -> Broken | None:
    browser = evidence.browser
    if browser is None or browser.loaded or evidence.requests:
        return None
    if not browser.pages:
        return Broken(Link.NO_PAGE, "no page was opened in the browser that the test is bound to")
    if broken := _blocked_script(browser):
        return broken
    if not any(request.kind == "script" for request in browser.requests):
        pages = ", ".join(dict.fromkeys(browser.pages))
        return Broken(
            Link.NOT_LOADED,
            f"no bundle was asked for on {pages}",
            "Is the snippet in the page? `thamesthrive snippet ID` prints it.",
        )
    return Broken(
        Link.NOT_LOADED,
        "window.tracker collects calls, but the bundle has not started",
        "See the errors below.",
    )


def _blocked(wanted: Wanted, evidence: Evidence) -> Broken | None:
    browser = evidence.browser
    if browser is None or evidence.carriers(wanted.type):
        return None
    for violation in browser.violations:
        if violation.directive.startswith("connect-src"):
            return Broken(
                Link.BLOCKED,
                f"the page's Content-Security-Policy blocked {violation.blocked}"
                f" ({violation.directive})",
                "Allow the collector in connect-src.",
            )
    for request in browser.requests:
        if request.kind != "track" or not _was_sent(wanted, evidence):
            continue
        if not request.url.startswith(evidence.collector):
            cure = "Compare url.api with what `thamesthrive snippet ID` prints."
            return Broken(Link.ELSEWHERE, f"{request.url}: {_fate(request)}", cure)
        if request.failure:
            return Broken(Link.BLOCKED, f"{request.url}: {request.failure}", _cure_of(request))
    return None


def _was_sent(wanted: Wanted, evidence: Evidence) -> bool:
    """Whether the event may have been in a request whose events are unknown."""
    browser = evidence.browser
    automatic = browser is not None and browser.settings.get("pageViews") in ("load", "spa")
    return _called(wanted, evidence) or (automatic and wanted.type == "page-view")


def _turned_down(wanted: Wanted, evidence: Evidence) -> Broken | None:
    """What the tracker itself has said."""
    for call in _calls(wanted, evidence):
        if call.outcome and call.outcome.get("stored") is False:
            reason, detail = call.outcome.get("reason"), call.outcome.get("detail") or ""
            return Broken(Link.REFUSED, f"track answered {reason} {detail}".strip())
    return None


def _waiting(wanted: Wanted, evidence: Evidence) -> Broken | None:
    if not _called(wanted, evidence):
        return None
    return Broken(Link.WAITING, f"{wanted.type} was tracked, and nothing has come of it in time")


def _nothing_sent(wanted: Wanted, evidence: Evidence) -> Broken | None:
    if evidence.browser is None and not evidence.requests and not evidence.events:
        return Broken(
            Link.NO_PAGE,
            "no request of this run has reached the collector",
            "Send the header of `tracking.headers` with each request.",
        )
    return None


def _not_called(wanted: Wanted, evidence: Evidence) -> Broken | None:
    browser = evidence.browser
    if browser is None:
        return Broken(Link.NOT_CALLED, f"no request carried {wanted.type}")
    calls = ", ".join(dict.fromkeys(call.type for call in browser.calls)) or "nothing"
    why = f"the tracker runs, and was given {calls}, but never {wanted.type}"
    if browser.uncaught:
        why += f"; a script failed: {browser.uncaught[-1]}"
    return Broken(Link.NOT_CALLED, why)


RULES: tuple[Rule, ...] = (
    _too_few,
    _rejected,
    _different,
    _refused,
    _other_run,
    _nothing_sent,
    _other_name,
    _held,
    _not_loaded,
    _blocked,
    _turned_down,
    _waiting,
    _not_called,
)


def as_data(broken: Broken) -> dict[str, Any]:
    """The link as JSON-ready data: its name, why, and the cure."""
    return {"link": broken.link.name.lower(), "why": broken.why, "cure": broken.cure}
