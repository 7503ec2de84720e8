"""What a visit shows, link by link of the chain from the page to the collector."""

from dataclasses import dataclass
from typing import Literal

from .findings import Evidence
from .visits import PROBE, Request, Visit

Opened = Literal["no", "yes"]
Script = Literal["absent", "broken", "policy", "failed", "wrong", "started"]
Sent = Literal["nothing", "policy", "failed", "refused", "strange", "rejected", "accepted"]

_SCRIPT_DIRECTIVES = ("script-src", "script-src-elem", "default-src", "require-trusted-types-for")
_BROKEN = ("[ThamesThrive] options.tracker needs", "[ThamesThrive] no source id")


@dataclass(frozen=True)
class Facts:
    """One visit, judged. `script`: how far the tracker itself has come; `sent`: the worst that became of
    its requests; `tracked`: the page called it; `held`: it waits for consent; `refused`: the browser
    asks not to be tracked; `others`: the source is not the one that was asked about; `in_run`: the
    page names a run."""

    opened: Opened
    script: Script
    sent: Sent
    tracked: bool
    held: bool
    refused: bool
    others: bool
    in_run: bool
    spa_missing: bool
    has_triggers: bool


def facts_of(visit: Visit, wanted: str | None, *, has_snippet: bool) -> Facts:
    """The facts of a visit. `wanted`: the source that was asked about; `has_snippet`: the HTML has
    one."""
    state = visit.tracker
    tracked = [one for one in visit.tracked if set(one.types) - {PROBE}]
    sent = _sent(visit)
    return Facts(
        opened="no" if (visit.status or 0) >= 400 else "yes",
        script=_script(visit, has_snippet=has_snippet),
        sent=sent,
        tracked=bool(tracked or state.queued or state.waiting),
        held=state.ready and state.consent != "granted" and sent == "nothing",
        refused=state.refused,
        others=bool(wanted and state.source and state.source.lower() != wanted.lower()),
        in_run=bool(state.run),
        spa_missing=visit.spa is False,
        has_triggers=state.has_triggers,
    )


def script_request(visit: Visit) -> Request | None:
    """The request for the tracker's script, the last one of several."""
    script = visit.tracker.script
    found = [one for one in visit.requests if one.kind == "script" and script and one.url == script]
    return found[-1] if found else None


def _script(visit: Visit, *, has_snippet: bool) -> Script:
    if visit.tracker.ready:
        return "started"
    request = script_request(visit)
    if policy_evidence(visit, _SCRIPT_DIRECTIVES, visit.tracker.script):
        return "policy"
    if request is None or (request.status is None and not request.failure):
        is_broken = any(text.startswith(_BROKEN) for text in visit.console)
        return "broken" if is_broken or (has_snippet and visit.errors) else "absent"
    if request.failure and (request.status or 200) < 400:
        return "policy" if "csp" in request.failure.lower() else "failed"
    return "wrong"


def policy_evidence(
    visit: Visit, directives: tuple[str, ...], address: str
) -> tuple[Evidence, ...]:
    """What the policy has kept from happening, as far as it can be the tracker's: its address, or
    what is inline."""
    found = [
        one
        for one in visit.violations
        if one.directive in directives
        and (one.blocked in ("inline", "trusted-types-policy") or _is_below(address, one.blocked))
    ]
    return tuple(
        Evidence(f"{one.directive}, line {one.line}" if one.line else one.directive, one.policy)
        for one in found[:1]
    )


def _is_below(address: str, blocked: str) -> bool:
    """Whether a blocked address is this one, of which browsers may show the origin only, or below it,
    as the one that events go to is below that of the collector."""
    return bool(address and blocked) and (
        address.startswith(blocked) or blocked.startswith(address)
    )


def _sent(visit: Visit) -> Sent:
    requests = visit.tracked
    if policy_evidence(visit, ("connect-src", "default-src"), send_address(visit)):
        return "policy"
    if not requests:
        return "failed" if visit.tracker.waiting and visit.tracker.ready else "nothing"
    verdicts = [_verdict(one) for one in requests]
    for verdict in ("policy", "refused", "strange", "failed", "rejected"):
        if verdict in verdicts:
            return verdict
    return "accepted"


def _verdict(request: Request) -> Sent:
    if request.failure:
        return "policy" if "csp" in request.failure.lower() else "failed"
    if request.status is None:
        return "failed"
    if request.status != 200:
        return "refused" if request.reason else "strange"
    answer = request.answer or {}
    if not isinstance(answer.get("events"), list):
        return "strange"
    return "rejected" if answer.get("errors") else "accepted"


def send_address(visit: Visit) -> str:
    """Where the tracker sends to, or would."""
    return next((one.url for one in visit.tracked), visit.tracker.api)
