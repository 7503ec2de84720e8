"""What a verification finds: codes, findings with their evidence, and the report of all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Level = Literal["problem", "hint"]
"""A problem keeps events from being stored, now or soon; a hint says where to look further."""

State = Literal["done", "skipped", "failed"]
"""`failed`: the stage could not look."""

MAX_EVIDENCE = 300  # characters of a line or a header
FINE, FINDINGS, NOT_LOOKED = 0, 1, 2


@dataclass(frozen=True)
class Code:
    """One thing that can be wrong. The texts have `{names}`, which a finding's values replace.

    `shows`: what its evidence is; `cure`: what to do; `paste`: what to paste for it, empty if there is nothing; `level`: see Level.
    """

    code: str
    stage: str
    title: str
    problem: str
    cure: str
    shows: str = ""
    paste: str = ""
    level: Level = "problem"

    @property
    def anchor(self) -> str:
        """The place in the reference that explains this code."""
        return f"reference/verify#{self.code.lower()}"


@dataclass(frozen=True)
class Evidence:
    """Where something was seen, as in `line 12 of https://…` or `header Content-Security-Policy`, and
    what stands there."""

    where: str
    text: str

    def as_dict(self) -> dict[str, str]:
        """The evidence as JSON-ready data."""
        return {"where": self.where, "text": self.shown}

    @property
    def shown(self) -> str:
        """The text on one line, shortened."""
        text = " ".join(self.text.split())
        return text if len(text) <= MAX_EVIDENCE else f"{text[:MAX_EVIDENCE]}…"


@dataclass(frozen=True)
class Finding:
    """A code that was met. `values`: what replaces the names in its texts."""

    kind: Code
    evidence: tuple[Evidence, ...] = ()
    values: Mapping[str, str] = field(default_factory=dict)

    @property
    def code(self) -> str:
        """The stable code, as in V012."""
        return self.kind.code

    @property
    def level(self) -> Level:
        """Whether it is a problem, or a hint."""
        return self.kind.level

    @property
    def problem(self) -> str:
        """What is wrong."""
        return self.kind.problem.format_map(self.values)

    @property
    def cure(self) -> str:
        """What to do."""
        return self.kind.cure.format_map(self.values)

    @property
    def paste(self) -> str:
        """What to paste for it; empty if there is nothing to."""
        return self.kind.paste.format_map(self.values)

    def as_dict(self) -> dict[str, Any]:
        """The finding as JSON-ready data."""
        return {
            "code": self.code,
            "level": self.level,
            "stage": self.kind.stage,
            "title": self.kind.title,
            "problem": self.problem,
            "evidence": [one.as_dict() for one in self.evidence],
            "cure": self.cure,
            "paste": self.paste,
            "docs": self.kind.anchor,
        }


@dataclass(frozen=True)
class StageResult:
    """What became of a stage. `detail`: why it was skipped, or could not look."""

    name: str
    state: State
    detail: str = ""
    findings: tuple[Finding, ...] = ()

    def as_dict(self) -> dict[str, str]:
        """The stage as JSON-ready data; its findings are the report's."""
        return {"name": self.name, "state": self.state, "detail": self.detail}


@dataclass(frozen=True)
class Report:
    """The result of a verification. `facts`: what was learned of the page, as in its platform."""

    url: str
    stages: tuple[StageResult, ...]
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """Problems first, then hints, each in the order of the stages."""
        found = [one for stage in self.stages for one in stage.findings]
        return tuple(sorted(found, key=lambda one: one.level == "hint"))

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that are no hints."""
        return tuple(one for one in self.findings if one.level == "problem")

    @property
    def exit_code(self) -> int:
        """Of the command: 0 no problem, 1 problems, 2 a stage could not look, and found none."""
        if self.problems:
            return FINDINGS
        return NOT_LOOKED if any(one.state == "failed" for one in self.stages) else FINE

    def as_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data."""
        return {
            "url": self.url,
            "exit_code": self.exit_code,
            "facts": dict(self.facts),
            "stages": [one.as_dict() for one in self.stages],
            "findings": [one.as_dict() for one in self.findings],
        }
