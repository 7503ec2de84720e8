"""The rules on a page, as tables: in each group, the first match wins."""

import re
from collections import Counter

from .findings import Evidence
from .page import Place, decode
from .platform import UNKNOWN, tag_manager_of
from .policy_rules import POLICY_RULES
from .rules import Group, Match, Rule
from .snippet_rules import SNIPPET_RULES, held_by_optimiser, other_type, waits_for_consent
from .static import PageFacts, has_nonce

EXAMPLE_API = "https://events.example.com"
_LOADER_BYTES = re.compile(rb"\[ThamesThrive\] options\.tracker needs|/tracker\.min\.js")


def values_of(facts: PageFacts) -> dict[str, str]:
    """What the texts of all codes may name."""
    check, main = facts.check, facts.main
    platform = facts.platform or UNKNOWN
    return {
        "url": facts.last.url,
        "source": check.source or (main and main.source) or "ID",
        "api": (check.api or (main and main.api) or EXAMPLE_API).rstrip("/"),
        "platform": platform.cache,
        "place": platform.place,
    }


def _endless(facts: PageFacts) -> Match | None:
    if not facts.is_endless:
        return None
    hops = tuple(_hop(one.url, one.status, one.headers.get("location", "")) for one in facts.chain)
    values = {
        "url": facts.check.url,
        "count": str(len(facts.chain) - 1),
        "target": facts.last.headers.get("location", ""),
    }
    return Match(hops[-3:], values)


def _hop(url: str, status: int, target: str) -> Evidence:
    return Evidence(url, f"{status} Location: {target}")


def _error(facts: PageFacts) -> Match | None:
    last = facts.last
    if last.status < 400:
        return None
    return Match((Evidence(last.url, f"status {last.status}"),), {"status": str(last.status)})


def _no_html(facts: PageFacts) -> Match | None:
    if facts.page:
        return None
    shown = facts.last.headers.get("content-type", "(none)")
    return Match((Evidence("header Content-Type", shown),), {"kind": facts.last.kind or "nothing"})


def _drops_query(facts: PageFacts) -> Match | None:
    fresh = facts.fresh
    if fresh is None or len(fresh.chain) < 2 or has_nonce(fresh.url):
        return None
    lost = next(one for one in fresh.chain if not has_nonce(one.headers.get("location", "")))
    shown = _hop(lost.url, lost.status, lost.headers.get("location", ""))
    return Match((shown,), {"url": facts.check.url})


def _stale(facts: PageFacts) -> Match | None:
    fresh = [one for one in facts.found_fresh if one.runs_as_script]
    if facts.running or not fresh or not facts.fresh:
        return None
    return Match((*_cache_headers(facts), facts.fresh.evidence(fresh[0].script.line)))


def _disappears(facts: PageFacts) -> Match | None:
    if not facts.running or facts.fresh is None or facts.found_fresh:
        return None
    line = facts.served.evidence(facts.running[0].script.line)
    return Match((*_cache_headers(facts), line))


def _cache_headers(facts: PageFacts) -> tuple[Evidence, ...]:
    headers = facts.last.headers
    names = ("Age", "X-Cache", "CF-Cache-Status", "X-Varnish", "Cache-Control")
    return tuple(Evidence(f"header {name}", headers[name]) for name in names if name in headers)[:2]


def _unreadable(facts: PageFacts) -> Match | None:
    page = facts.served
    if facts.found or not _LOADER_BYTES.search(page.response.body.replace(b"\0", b"")):
        return None
    if _LOADER_BYTES.search(decode(page.response.body, page.charset).encode()):
        return None
    shown = page.response.headers.get("content-type", "")
    return Match((Evidence("header Content-Type", shown),), {"charset": page.charset})


def _hidden_in(place: Place) -> Rule[PageFacts]:
    code = {"comment": "V012", "template": "V013", "noscript": "V014"}[place]

    def find(facts: PageFacts) -> Match | None:
        hidden = facts.main if facts.main and facts.main.script.place == place else None
        return Match((facts.served.evidence(hidden.script.line),)) if hidden else None

    return Rule(code, find)


def _by_tag_manager(facts: PageFacts) -> Match | None:
    manager = tag_manager_of(facts.served)
    if facts.found or manager is None:
        return None
    return Match((), {"manager": manager})


def _missing(facts: PageFacts) -> Match | None:
    if facts.found:
        return None
    text = facts.served.text
    head = text.lower().find("</head")
    line = text.count("\n", 0, max(head, 0)) + 1
    return Match((facts.served.evidence(line),))


def _twice(facts: PageFacts) -> Match | None:
    counts = Counter(one.source for one in facts.running if one.source)
    source, count = next(((id_, n) for id_, n in counts.items() if n > 1), ("", 0))
    if not count:
        return None
    lines = [one.script.line for one in facts.running if one.source == source]
    evidence = tuple(facts.served.evidence(line) for line in lines)
    return Match(evidence, {"source": source, "count": str(count)})


PAGE_GROUPS: tuple[Group[PageFacts], ...] = (
    Group(
        "the answer",
        (Rule("V003", _endless), Rule("V001", _error), Rule("V002", _no_html)),
        ends=True,
    ),
    Group("the query", (Rule("V005", _drops_query),)),
    Group(
        "whether there is a snippet",
        (
            Rule("V004", _stale),
            Rule("V006", _unreadable),
            _hidden_in("comment"),
            _hidden_in("template"),
            _hidden_in("noscript"),
            Rule("V011", _by_tag_manager),
            Rule("V010", _missing),
        ),
        ends=True,
    ),
    Group("whether it stays", (Rule("V007", _disappears),)),
    Group(
        "whether it runs",
        (
            Rule("V015", held_by_optimiser),
            Rule("V016", waits_for_consent),
            Rule("V017", other_type),
        ),
    ),
    Group("how often it is there", (Rule("V021", _twice),)),
    Group("what it says", SNIPPET_RULES),
    Group("whether policies allow it", POLICY_RULES),
)
