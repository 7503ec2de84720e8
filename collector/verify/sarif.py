"""A report as SARIF 2.1.0, which code hosts and editors show."""

import re
from typing import Any
from urllib.parse import quote

from .codes import CODES
from .findings import Code, Evidence, Finding, Report, StageResult

_SCHEMA = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
_LINE = re.compile(r"line (\d{1,7})\b")
_LEVELS = {"problem": "error", "hint": "note"}
_URI = ":/?#[]@!$&'()*+,;=%"  # what may stand in one as it is


def sarif_of(report: Report, version: str, docs: str = "") -> dict[str, Any]:
    """The log of one verification. `version`: this program's; `docs`: the documentation's address,
    with a slash at its end, empty if it has none."""
    codes = [*CODES.values()]
    driver = {
        "name": "thamesthrive verify",
        "version": version,
        "rules": [_rule(code, docs) for code in codes],
    }
    numbers = {code.code: number for number, code in enumerate(codes)}
    return {
        "$schema": _SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": driver},
                "columnKind": "unicodeCodePoints",
                "invocations": [_invocation(report)],
                "results": [_result(one, numbers[one.code], report.url) for one in report.findings],
            }
        ],
    }


def _rule(code: Code, docs: str) -> dict[str, Any]:
    rule: dict[str, Any] = {
        "id": code.code,
        "shortDescription": {"text": f"{code.title}."},
        "defaultConfiguration": {"level": _LEVELS[code.level]},
        "properties": {"stage": code.stage},
    }
    return {**rule, "helpUri": f"{docs}{code.anchor}"} if docs else rule


def _invocation(report: Report) -> dict[str, Any]:
    failed = [stage for stage in report.stages if stage.state == "failed"]
    return {
        "executionSuccessful": not failed,
        "exitCode": report.exit_code,
        "toolExecutionNotifications": [_notification(stage) for stage in failed],
    }


def _notification(stage: StageResult) -> dict[str, Any]:
    return {"level": "error", "message": {"text": f"{stage.name}: {stage.detail}"}}


def _result(finding: Finding, number: int, url: str) -> dict[str, Any]:
    parts = [finding.problem, f"Cure: {finding.cure}", finding.paste]
    return {
        "ruleId": finding.code,
        "ruleIndex": number,
        "level": _LEVELS[finding.level],
        "message": {"text": "\n".join(part for part in parts if part)},
        "locations": [_location(one, url) for one in finding.evidence[:1] or [Evidence("", "")]],
        "relatedLocations": [_location(one, url) for one in finding.evidence[1:]],
        "partialFingerprints": {"page/v1": f"{finding.code} {url}"},
    }


def _location(evidence: Evidence, url: str) -> dict[str, Any]:
    """The page, and the line of it if the evidence has one."""
    physical: dict[str, Any] = {"artifactLocation": {"uri": quote(url, safe=_URI)}}
    if found := _LINE.search(evidence.where):
        region: dict[str, Any] = {"startLine": max(1, int(found[1]))}
        if evidence.text:
            region["snippet"] = {"text": evidence.shown}
        physical["region"] = region
    location: dict[str, Any] = {"physicalLocation": physical}
    if evidence.where:
        location["message"] = {"text": f"{evidence.where}: {evidence.shown}"}
    return location
