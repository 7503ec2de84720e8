"""The rules on a collector, as tables: in each group, the first match wins."""

import base64
import hashlib
import json
import re
from urllib.parse import urlsplit

from .collector_facts import CollectorFacts, Probe, clock_skew
from .connection_rules import CONNECTION_RULES, named, seen
from .fetch import Response, header_lines
from .findings import Evidence
from .rules import Group, Match, Rule
from .served_tracker import is_tracker

MAX_SKEW = 60.0  # seconds
_PINNED = re.compile(r"\.[0-9a-f]{8,}\.(min\.)?js$")
_NOT_RUN = re.compile(r"(image|audio|video)/|text/csv$")
_JAVASCRIPT = re.compile(r"(text|application)/(x-)?(java|ecma|live|j)script")
_REASONS = {
    "Access denied. Invalid source.": "unknown_source",
    "Access denied. Source disabled.": "disabled_source",
    "Access denied. Source does not accept this bridge.": "bridge_not_allowed",
    "Access denied. Origin not allowed.": "origin_not_allowed",
}
"""Where a proxy has removed the header that says it."""


# The tracker's script.


def _bundle(facts: CollectorFacts) -> Response:
    response = facts.bundle.response
    if response is None:
        raise LookupError("the script was not answered")
    return response


def _is_foreign(facts: CollectorFacts) -> bool:
    """Whether the script is of another origin than the page."""
    script = urlsplit(facts.bundle.url)
    return f"{script.scheme}://{script.netloc}" != facts.origin


def _pin_is_gone(facts: CollectorFacts) -> Match | None:
    response = _bundle(facts)
    is_pinned = _PINNED.search(urlsplit(facts.bundle.url).path)
    return _status(facts) if response.status in (404, 410) and is_pinned else None


def _no_bundle(facts: CollectorFacts) -> Match | None:
    return _status(facts) if _bundle(facts).status >= 400 else None


def _status(facts: CollectorFacts) -> Match:
    status = str(_bundle(facts).status)
    return Match(seen(facts.bundle, f"status {status}"), {"status": status})


def _page_instead(facts: CollectorFacts) -> Match | None:
    response = _bundle(facts)
    if response.kind != "text/html" and not response.text.lstrip().startswith("<"):
        return None
    return Match(seen(facts.bundle, response.text.lstrip()[:80]))


def _wrong_type(facts: CollectorFacts) -> Match | None:
    response = _bundle(facts)
    has_nosniff = response.headers.get("x-content-type-options", "").lower() == "nosniff"
    is_refused = has_nosniff and not _JAVASCRIPT.match(response.kind)
    if not is_refused and not _NOT_RUN.match(response.kind):
        return None
    shown = response.headers.get("content-type", "(none)")
    return Match((Evidence("header Content-Type", shown),), {"kind": response.kind or "nothing"})


def _resource_policy(facts: CollectorFacts) -> Match | None:
    name = "Cross-Origin-Resource-Policy"
    policy = _bundle(facts).headers.get(name, "").lower()
    hosts = (urlsplit(facts.bundle.url).hostname or "", urlsplit(facts.origin).hostname or "")
    is_blocked = (policy == "same-origin" and _is_foreign(facts)) or (
        policy == "same-site" and not is_same_site(*hosts)
    )
    if not is_blocked or _has_cors(facts):
        return None
    return Match((Evidence(f"header {name}", policy),), {"policy": policy})


def is_same_site(one: str, other: str) -> bool:
    """Whether two hosts are of one site, as far as that can be told without the list of suffixes: one
    is below the other, or both are below a name of two parts."""
    first, second = one.split("."), other.split(".")
    return one == other or (min(len(first), len(second)) > 1 and first[-2:] == second[-2:])


def _has_cors(facts: CollectorFacts) -> bool:
    return facts.installation is not None and "crossorigin" in facts.installation.attributes


def _embedder_policy(facts: CollectorFacts) -> Match | None:
    page = facts.check.page
    name = "Cross-Origin-Embedder-Policy"
    policy = page.response.headers.get(name, "").lower() if page else ""
    has_policy = "cross-origin-resource-policy" in _bundle(facts).headers
    if policy != "require-corp" or has_policy or not _is_foreign(facts) or _has_cors(facts):
        return None
    return Match((Evidence(f"header {name}", policy),), {"policy": policy})


def _no_cors_for_script(facts: CollectorFacts) -> Match | None:
    if not _has_cors(facts) or not _is_foreign(facts):
        return None
    return _cors_fault(facts, facts.bundle)


def _other_build(facts: CollectorFacts) -> Match | None:
    given = facts.installation.attributes.get("integrity", "") if facts.installation else ""
    expected = [word for word in given.split() if word.startswith("sha")]
    body = _bundle(facts).body
    if not expected or any(_digest(word.partition("-")[0], body) == word for word in expected):
        return None
    actual = _digest("sha384", body)
    line = facts.installation.script.line if facts.installation else 0
    shown = facts.check.page.evidence(line) if facts.check.page else Evidence("integrity", given)
    return Match((shown,), {"actual": actual, "expected": " ".join(expected)})


def _digest(algorithm: str, body: bytes) -> str:
    if algorithm not in ("sha256", "sha384", "sha512"):
        return ""
    return f"{algorithm}-{base64.b64encode(hashlib.new(algorithm, body).digest()).decode()}"


def _not_the_tracker(facts: CollectorFacts) -> Match | None:
    response = _bundle(facts)
    if response.is_whole and is_tracker(response.text):
        return None
    values = {"size": str(len(response.body))}
    return Match(seen(facts.bundle, response.text[:80] or "(nothing)"), values)


def _older_version(facts: CollectorFacts) -> Match | None:
    from .. import __version__

    found = facts.health.json.get("version") if facts.health else None
    if not isinstance(found, str) or _numbers(found) >= _numbers(__version__):
        return None
    return Match(seen(facts.health or facts.bundle, found), {"version": found, "ours": __version__})


def _numbers(version: str) -> list[int]:
    return [int(part) for part in re.findall(r"\d+", version)][:3]


# Its requests.


def _post(facts: CollectorFacts) -> tuple[Probe, Response] | None:
    return (facts.post, facts.post.response) if facts.post and facts.post.response else None


def reason_of(probe: Probe) -> str:
    """The reason code of an answer; empty if it is not the collector's."""
    response = probe.response
    header = response.headers.get("x-collector-reason", "") if response else ""
    detail = probe.json.get("detail")
    return header or (_REASONS.get(detail, "") if isinstance(detail, str) else "")


def _cors_missing(facts: CollectorFacts) -> Match | None:
    found = _post(facts)
    is_ours = found and (reason_of(found[0]) or "task" in found[0].json)
    return (
        _cors_fault(facts, found[0])
        if found and is_ours and _is_foreign_api(found[0], facts)
        else None
    )


def _is_foreign_api(probe: Probe, facts: CollectorFacts) -> bool:
    parts = urlsplit(probe.url)
    return f"{parts.scheme}://{parts.netloc}" != facts.origin


def _cors_fault(facts: CollectorFacts, probe: Probe) -> Match | None:
    name = "Access-Control-Allow-Origin"
    values = header_lines(probe.response.headers, name) if probe.response else []
    if values in ([facts.origin], ["*"]):
        return None
    shown = ", ".join(values)
    said = f"{name}: {shown}" if values else f"no {name}"
    if len(values) > 1:
        said = f"{name} twice ({shown})"
    where = Evidence(f"header {name} of {probe.url}", shown or "(none)")
    return Match((where,), {"header": said, **named(probe)})


def _refused_for(code: str, reason: str) -> Rule[CollectorFacts]:
    def find(facts: CollectorFacts) -> Match | None:
        found = _post(facts)
        return _answered(*found) if found and reason_of(found[0]) == reason else None

    return Rule(code, find)


def _answered(probe: Probe, response: Response) -> Match:
    text = f"{response.status} {response.text[:120]}"
    values = named(probe, status=str(response.status), reason=reason_of(probe) or "no reason")
    return Match(seen(probe, text), values)


def _unable(facts: CollectorFacts) -> Match | None:
    found = _post(facts)
    return _answered(*found) if found and found[1].status >= 500 else None


def _not_passed_on(facts: CollectorFacts) -> Match | None:
    found = _post(facts)
    if found is None or (found[1].status == 200 and "task" in found[0].json):
        return None
    return _answered(*found)


def _preflight(facts: CollectorFacts) -> Match | None:
    probe = facts.preflight
    response = probe.response if probe else None
    if probe is None or response is None:
        return None
    if response.status < 300 and not _cors_fault(facts, probe):
        return None
    values = named(probe, status=str(response.status))
    return Match(seen(probe, f"status {response.status}"), values)


def _wrong_clock(facts: CollectorFacts) -> Match | None:
    skew = clock_skew(facts.post) if facts.post else None
    if facts.post is None or skew is None or abs(skew) <= MAX_SKEW:
        return None
    direction = "ahead of" if skew > 0 else "behind"
    shown = json.dumps(facts.post.json.get("task"))
    return Match(
        seen(facts.post, f"task: {shown}"),
        {"seconds": f"{abs(skew):.0f}", "direction": direction},
    )


# Proxies before it.


def _proxies(facts: CollectorFacts) -> tuple[Probe, int, int] | None:
    """How many are expected, and how many were passed, if the collector says it."""
    said = facts.health.json.get("proxies") if facts.health else None
    if facts.health is None or not isinstance(said, dict):
        return None
    expected, passed = said.get("expected"), said.get("seen")
    if not isinstance(expected, int) or not isinstance(passed, int):
        return None
    return facts.health, expected, passed


def _drops_query(facts: CollectorFacts) -> Match | None:
    health = facts.health
    if health is None or health.json.get("status") != "ok" or "proxies" in health.json:
        return None
    return Match(seen(health, json.dumps(dict(health.json))))


def _not_counted(facts: CollectorFacts) -> Match | None:
    found = _proxies(facts)
    return _counted(*found) if found and found[2] > found[1] else None


def _not_forwarded(facts: CollectorFacts) -> Match | None:
    found = _proxies(facts)
    return _counted(*found) if found and found[2] < found[1] else None


def _counted(probe: Probe, expected: int, passed: int) -> Match:
    values = {"seen": _so_many(passed), "wanted": _so_many(expected), "count": str(passed)}
    return Match(seen(probe, f"proxies: expected {expected}, seen {passed}"), values)


def _so_many(count: int) -> str:
    return f"{count or 'no'} prox{'y' if count == 1 else 'ies'}"


COLLECTOR_GROUPS: tuple[Group[CollectorFacts], ...] = (
    Group("the connection", CONNECTION_RULES, ends=True),
    Group(
        "the tracker's script",
        (
            Rule("V058", _pin_is_gone),
            Rule("V057", _no_bundle),
            Rule("V059", _page_instead),
            Rule("V060", _wrong_type),
            Rule("V061", _resource_policy),
            Rule("V062", _embedder_policy),
            Rule("V066", _no_cors_for_script),
            Rule("V063", _other_build),
            Rule("V064", _not_the_tracker),
            Rule("V065", _older_version),
        ),
        ends=True,
    ),
    Group(
        "its requests",
        (
            Rule("V066", _cors_missing),
            _refused_for("V070", "unknown_source"),
            _refused_for("V071", "disabled_source"),
            _refused_for("V072", "bridge_not_allowed"),
            _refused_for("V073", "origin_not_allowed"),
            _refused_for("V074", "rate_limited"),
            Rule("V075", _unable),
            Rule("V067", _not_passed_on),
        ),
        ends=True,
    ),
    Group(
        "proxies",
        (Rule("V077", _drops_query), Rule("V078", _not_counted), Rule("V079", _not_forwarded)),
    ),
    Group("preflights", (Rule("V068", _preflight),)),
    Group("the clock", (Rule("V076", _wrong_clock),)),
)
