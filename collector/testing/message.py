"""What a failed expectation says: one text, from what was expected to where to look."""

from collections import Counter
from collections.abc import Iterable

from .chain import Broken, Link, described_rejection, nearest
from .evidence import BrowserRequest, BrowserSide, Evidence, Wanted, types_of

MAX_LINES = 20


def failure_text(
    what: str,
    evidence: Evidence,
    broken: Broken | None = None,
    wanted: Wanted | None = None,
    again: str = "",
) -> str:
    """The message of a failed expectation. `what`: what was expected and what came instead. `wanted`:
    the event that the nearest miss is looked for with. `again`: how to see the run once more."""
    blocks = [
        [what, ""],
        _link(broken),
        _nearest(wanted, evidence, broken),
        _stored(evidence),
        _section("Rejected", map(described_rejection, evidence.rejected)),
        _section("Refused", map(_refusal, evidence.refused)),
        _browser(evidence.browser),
        [f"See it again: {again}"] if again else [],
    ]
    return "\n".join(line for block in blocks for line in block)


def _link(broken: Broken | None) -> list[str]:
    if broken is None:
        return []
    lines = [f"First broken link: {broken.link}", f"  {broken.why}"]
    return [*lines, f"  {broken.cure}"] if broken.cure else lines


def _nearest(wanted: Wanted | None, evidence: Evidence, broken: Broken | None) -> list[str]:
    found = nearest(wanted, evidence.events) if wanted else None
    if not found or not wanted:
        return []
    event, misses = found
    if event.type != wanted.type and not (broken and broken.link == Link.OTHER_NAME):
        return []
    lines = [str(miss) for miss in misses]
    if event.type != wanted.type:
        lines.insert(0, f'type: expected "{wanted.type}", stored "{event.type}"')
    return _section(f"Nearest miss: {event}", lines, counted=False) if lines else []


def _stored(evidence: Evidence) -> list[str]:
    if not evidence.events:
        return ["Stored (0): nothing"]
    return _section("Stored", map(str, evidence.events))


def _section(title: str, lines: Iterable[str], *, counted: bool = True) -> list[str]:
    listed = list(lines)
    if not listed:
        return []
    head = f"{title} ({len(listed)}):" if counted else title
    rest = len(listed) - MAX_LINES
    more = [f"  … and {rest} more"] if rest > 0 else []
    return [head, *(f"  {line}" for line in listed[:MAX_LINES]), *more]


def _refusal(request: dict[str, object]) -> str:
    types = ", ".join(types_of(request)) or "events that were not read"
    return f"{request['status']} {request['reason']}: {types}"


def _browser(browser: BrowserSide | None) -> list[str]:
    if browser is None:
        return []
    sent = [request for request in browser.requests if request.kind == "track"]
    answered = Counter(str(request.status) for request in sent if request.status)
    lines = [
        f"opened: {_listed(browser.pages) or 'nothing'}",
        f"tracker: {_state(browser)}",
        f"tracked: {_counted(call.type for call in browser.calls) or 'nothing that was seen'}",
        f"sent: {_counted_answers(answered)}",
    ]
    failed = [request for request in browser.requests if request.failure]
    blocked = [_failed(request) for request in failed]
    blocked += [f"{each.blocked} ({each.directive})" for each in browser.violations]
    if blocked:
        lines.append(f"blocked: {_listed(blocked)}")
    lines += [f"console: {error}" for error in dict.fromkeys(browser.errors)]
    lines += [f"uncaught: {error}" for error in dict.fromkeys(browser.uncaught)]
    return _section("Browser:", lines, counted=False)


def _state(browser: BrowserSide) -> str:
    if browser.loaded:
        return "started"
    return "never started" if browser.stubs else "not on the page"


def _counted_answers(answered: Counter[str]) -> str:
    parts = [f"{count} × {status}" for status, count in sorted(answered.items())]
    # Browsers say nothing of requests that are made while a page is left.
    return ", ".join(parts) or "nothing that the browser has reported"


def _failed(request: BrowserRequest) -> str:
    return f"{request.url} ({request.failure})"


def _listed(values: Iterable[str]) -> str:
    return ", ".join(dict.fromkeys(values))


def _counted(values: Iterable[str]) -> str:
    counts = Counter(values)
    return ", ".join(
        value if count == 1 else f"{count} × {value}" for value, count in counts.items()
    )
