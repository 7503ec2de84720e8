"""What a visit shows, and the one finding that follows: the first broken link."""

from dataclasses import replace
from itertools import combinations
from typing import Any

import msgspec
import pytest

from collector.verify.browser_facts import Facts, facts_of
from collector.verify.browser_rules import RULES, finding_of, first_broken
from collector.verify.codes_browser import BROWSER_CODES, CONSENT_IGNORED, LISTED_NAMES
from collector.verify.visits import Request, TrackerState, Violation, Visit

WORKS = Facts(
    opened="yes",
    script="started",
    sent="accepted",
    tracked=True,
    held=False,
    refused=False,
    others=False,
    in_run=False,
    spa_missing=False,
    has_triggers=False,
)
# In the order of the chain. Links that cannot be broken at once are one field.
CHAIN: list[tuple[str, dict[str, Any]]] = [
    ("V080", {"opened": "no"}),
    ("V086", {"refused": True}),
    ("V082", {"script": "policy"}),
    ("V083", {"script": "failed"}),
    ("V084", {"script": "wrong"}),
    ("V085", {"script": "broken"}),
    ("V081", {"script": "absent"}),
    ("V097", {"others": True}),
    ("V087", {"held": True}),
    ("V090", {"sent": "policy"}),
    ("V092", {"sent": "refused"}),
    ("V094", {"sent": "strange"}),
    ("V091", {"sent": "failed"}),
    ("V093", {"sent": "rejected"}),
    ("V098", {"in_run": True}),
    ("V089", {"tracked": False}),
    ("V095", {"spa_missing": True}),
]


def code_of(**broken: Any) -> str:
    found = first_broken(replace(WORKS, **broken))
    return found.code if found else ""


@pytest.mark.parametrize(("code", "broken"), CHAIN, ids=str)
def test_each_broken_link_has_its_code(code: str, broken: dict[str, Any]) -> None:
    assert code_of(**broken) == code


def test_of_two_broken_links_the_first_is_told() -> None:
    pairs = [
        (first, second)
        for first, second in combinations(CHAIN, 2)
        if first[1].keys().isdisjoint(second[1])
    ]
    assert len(pairs) > 100
    assert [
        (first, second) for first, second in pairs if code_of(**first[1], **second[1]) != first[0]
    ] == []


def test_a_page_on_which_all_links_hold_is_told_nothing() -> None:
    assert code_of() == ""
    assert code_of(tracked=False, has_triggers=True) == ""


def test_every_code_of_the_browser_is_given_by_a_rule() -> None:
    given = {code for _, code in RULES} | {CONSENT_IGNORED, LISTED_NAMES}
    assert given == set(BROWSER_CODES)


API = "https://c.example/track"


def seen(**changes: Any) -> Visit:
    """A visit to a page that works, but for `changes`."""
    state = TrackerState(
        has_config=True, source="s", api="https://c.example", script="https://c.example/t.js",
        ready=True, queued=1,
    )  # fmt: skip
    request = Request(
        "POST", API, "fetch", ("page-view",), source="s", status=200, reason="stored",
        answer={"events": ["1"], "errors": []},
    )  # fmt: skip
    script = Request("GET", "https://c.example/t.js", "script", status=200)
    visit = Visit("plain", "verify-1", "https://shop.example/", 200, tracker=state)
    visit.requests = [script, request]
    for name, value in changes.items():
        setattr(visit, name, value)
    return visit


def track(**changes: Any) -> Request:
    request = seen().requests[1]
    for name, value in changes.items():
        setattr(request, name, value)
    return request


def replace_state(**changes: Any) -> TrackerState:
    return msgspec.structs.replace(seen().tracker, **changes)


NOT_READY = TrackerState(has_config=True, source="s", script="https://c.example/t.js")


@pytest.mark.parametrize(
    ("visit", "code"),
    [
        (seen(), ""),
        (seen(status=404), "V080"),
        (seen(tracker=NOT_READY, requests=[]), "V081"),
        (
            seen(tracker=NOT_READY, violations=[Violation("script-src-elem", "https://c.example")]),
            "V082",
        ),
        (seen(tracker=NOT_READY, violations=[Violation("script-src", "https://ads.example")]), "V084"),
        (
            seen(
                tracker=NOT_READY,
                requests=[Request("GET", NOT_READY.script, "script", failure="net::ERR_FAILED")],
            ),
            "V083",
        ),
        (
            seen(
                tracker=NOT_READY,
                requests=[Request("GET", NOT_READY.script, "script", status=404)],
            ),
            "V084",
        ),
        (
            seen(
                tracker=TrackerState(),
                requests=[],
                console=["[ThamesThrive] options.tracker needs url.script, source.id: see docs"],
            ),
            "V085",
        ),
        (seen(requests=[track(status=403, reason="origin_not_allowed", answer=None)]), "V092"),
        (seen(requests=[track(status=502, reason="", answer=None)]), "V094"),
        (seen(requests=[track(answer=None)]), "V094"),
        (seen(requests=[track(status=None, failure="net::ERR_FAILED")]), "V091"),
        (seen(requests=[track(failure="csp")]), "V090"),
        (seen(requests=[track(answer={"events": [], "errors": [{"reason": "invalid"}]})]), "V093"),
        # Chromium does not always tell of the request then; names of one's own are below the address.
        (
            seen(
                requests=[],
                tracker=replace_state(waiting=1),
                violations=[Violation("connect-src", "https://c.example/a/hello")],
            ),
            "V090",
        ),
        # Tracked, and not even tried to be sent.
        (seen(requests=[], tracker=replace_state(waiting=1)), "V091"),
        # One bad answer is not made good by another one.
        (seen(requests=[track(), track(status=401, reason="unknown_source")]), "V092"),
    ],
)  # fmt: skip
def test_a_visit_is_judged_by_what_it_shows(visit: Visit, code: str) -> None:
    found = first_broken(facts_of(visit, "s", has_snippet=False))
    assert (found.code if found else "") == code


@pytest.mark.parametrize("code", BROWSER_CODES, ids=lambda code: code.code)
def test_every_finding_can_be_written_whatever_the_page_was(code: Any) -> None:
    hostile = seen(
        tracker=TrackerState(
            script="javascript:{x}", source="{run}", run="{0}", consent="\x1b[31m"
        ),
        requests=[track(answer={"errors": [{"index": -7, "detail": "{url.__class__}"}]})],
    )
    finding = finding_of(code, hostile, None)
    if code is not LISTED_NAMES:  # made by its own function
        assert finding.problem
        assert finding.cure
