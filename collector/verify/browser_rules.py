"""From the facts of a visit to a finding: the first rule that matches is the first broken link."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from ..errors import REASONS
from . import codes_browser as codes
from .blocker import listed_word
from .browser_facts import Facts, policy_evidence, script_request, send_address
from .findings import Code, Evidence, Finding
from .visits import Request, Visit

Rule = tuple[Callable[[Facts], bool], Code]

RULES: tuple[Rule, ...] = (
    (lambda facts: facts.opened == "no", codes.NOT_OPENED),
    (lambda facts: facts.refused, codes.REFUSES_TRACKING),
    (lambda facts: facts.script == "policy", codes.SCRIPT_POLICY),
    (lambda facts: facts.script == "failed", codes.SCRIPT_FAILED),
    (lambda facts: facts.script == "wrong", codes.SCRIPT_WRONG),
    (lambda facts: facts.script == "broken", codes.SNIPPET_BROKEN),
    (lambda facts: facts.script == "absent", codes.NO_TRACKER),
    (lambda facts: facts.others, codes.OTHER_SOURCE),
    (lambda facts: facts.held, codes.AWAITS_CONSENT),
    (lambda facts: facts.sent == "policy", codes.SEND_POLICY),
    (lambda facts: facts.sent == "refused", codes.REFUSED),
    (lambda facts: facts.sent == "strange", codes.NOT_THE_COLLECTOR),
    (lambda facts: facts.sent == "failed", codes.SEND_FAILED),
    (lambda facts: facts.sent == "rejected", codes.REJECTED),
    (lambda facts: facts.in_run, codes.NAMES_A_RUN),
    (lambda facts: not facts.tracked and not facts.has_triggers, codes.NOTHING_TRACKED),
    (lambda facts: facts.spa_missing, codes.NO_SPA_VIEW),
)
"""In the order of the chain, from the page to the collector."""


def first_broken(facts: Facts) -> Code | None:
    """The first link that is broken; None if all of them hold."""
    return next((code for matches, code in RULES if matches(facts)), None)


def finding_of(code: Code, visit: Visit, wanted: str | None) -> Finding:
    """A finding with what the visit shows of it."""
    values: dict[str, str] = {
        "url": visit.url,
        "answer": _answer(visit),
        "script": visit.tracker.script,
        "origin": _origin(visit.tracker.script or visit.tracker.api),
        "api": send_address(visit),
        "consent": visit.tracker.consent,
        "found": visit.tracker.source,
        "wanted": wanted or "",
        "run": visit.tracker.run,
        "manager": _manager(visit),
        **_values(code, visit),
    }
    return Finding(code, tuple(_evidence(code, visit)), values)


def blocker_finding(visit: Visit) -> Finding | None:
    """Whether a blocker's rules kept the tracker from working."""
    ours = (visit.tracker.script, visit.tracker.api, send_address(visit))
    for url in visit.blocked:
        if any(one and url.startswith(one) for one in ours):
            values = {"url": url, "word": listed_word(url) or ""}
            return Finding(codes.LISTED_NAMES, (), values)
    return None


def _values(code: Code, visit: Visit) -> dict[str, str]:
    request = _failing(visit) if code.code >= codes.SEND_POLICY.code else script_request(visit)
    values = {
        "directive": next((one.directive for one in visit.violations), "of the policy"),
        "failure": _failure(visit, request),
    }
    if code in (codes.SCRIPT_WRONG, codes.NOT_THE_COLLECTOR) and request:
        kind = request.content_type.partition(";")[0] or "nothing"
        values["answer"] = f"{request.status} {kind}"
    if request:
        reason = REASONS.get(request.reason)
        values["status"], values["reason"] = str(request.status), request.reason
        values["reason_cure"] = reason.cure if reason else "See the reference of reasons."
        values["detail"] = _detail(request)
    return values


def _answer(visit: Visit) -> str:
    return f"the status {visit.status}"


def _failing(visit: Visit) -> Request | None:
    """The request that shows what is wrong: the first that was not accepted."""
    for one in visit.tracked:
        if one.failure or one.status != 200 or not one.answer or one.answer.get("errors"):
            return one
    return None


def _failure(visit: Visit, request: Request | None) -> str:
    failure = request.failure if request else ""
    cors = next((text for text in visit.console if "CORS policy" in text), "")
    return failure or cors or "no answer"


def _detail(request: Request) -> str:
    errors: Any = (request.answer or {}).get("errors")
    first = errors[0] if isinstance(errors, list) and errors else {}
    if not isinstance(first, dict):
        return "no detail"
    index = first.get("index")
    name = ""
    if isinstance(index, int) and 0 <= index < len(request.types):
        name = request.types[index]
    return ": ".join(
        str(part) for part in (name, first.get("detail") or first.get("reason")) if part
    )


def _manager(visit: Visit) -> str:
    state = visit.consent
    if state.asking:
        return ", ".join(state.asking)
    if state.found:
        return f"{', '.join(state.found)}, which asks nothing"
    return "no consent manager that verify knows"


def _evidence(code: Code, visit: Visit) -> Iterator[Evidence]:
    if code is codes.SCRIPT_POLICY:
        yield from policy_evidence(
            visit, ("script-src", "script-src-elem", "default-src"), visit.tracker.script
        )
    if code is codes.SEND_POLICY:
        yield from policy_evidence(visit, ("connect-src", "default-src"), send_address(visit))
    if code in (codes.NO_TRACKER, codes.SNIPPET_BROKEN, codes.SCRIPT_WRONG):
        yield from (Evidence("script error", text) for text in visit.errors[:3])
    if code in (codes.SNIPPET_BROKEN, codes.SEND_FAILED, codes.SCRIPT_FAILED, codes.SCRIPT_POLICY):
        yield from (Evidence("console", text) for text in visit.console[:3])
    request = _failing(visit)
    if code in (codes.REFUSED, codes.NOT_THE_COLLECTOR, codes.REJECTED) and request:
        yield Evidence(
            f"answer {request.status} to {request.method} {request.url}", str(request.answer)
        )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else "'self'"
