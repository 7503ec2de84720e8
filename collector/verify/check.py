"""What a verification is about, and how its stages run one after the other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from ..errors import CollectorError
from .findings import Finding, Report, StageResult
from .guard import Guard
from .installation import Installation
from .page import Page
from .visits import Visit


class CouldNotLook(CollectorError):
    """A stage could not see what it is about. Says why, and what to do."""

    exit_code = 2


@dataclass
class Check:
    """One verification. Stages read what those before them have learned, and add to it."""

    url: str
    source: str | None = None
    api: str | None = None
    guard: Guard = field(default_factory=Guard)
    page: Page | None = None
    is_misaddressed: bool = False
    installation: Installation | None = None
    facts: dict[str, str] = field(default_factory=dict)
    found: list[Finding] = field(default_factory=list)
    visits: list[Visit] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)


class Stage(Protocol):
    """A part of a verification."""

    name: str

    def look(self, check: Check, /) -> Iterable[Finding]:
        """Yields what is wrong, and adds to `check` what it has learned. Raises CouldNotLook, and
        Skipped if there is nothing to look at."""
        ...


class Skipped(Exception):
    """A stage has nothing to look at; says why."""


def run_stages(check: Check, stages: Sequence[Stage]) -> Report:
    """Runs stages in their order. One that cannot look does not end those after it."""
    results = [_run(check, one) for one in stages]
    return Report(check.url, tuple(_without(one, check.withdrawn) for one in results), check.facts)


def _without(result: StageResult, withdrawn: set[str]) -> StageResult:
    kept = tuple(one for one in result.findings if one.code not in withdrawn)
    return replace(result, findings=kept)


def _run(check: Check, stage: Stage) -> StageResult:
    found: list[Finding] = []
    try:
        for one in stage.look(check):
            found.append(one)
            check.found.append(one)
    except CouldNotLook as error:
        return StageResult(stage.name, "failed", str(error), tuple(found))
    except Skipped as reason:
        return StageResult(stage.name, "skipped", str(reason), tuple(found))
    return StageResult(stage.name, "done", "", tuple(found))
