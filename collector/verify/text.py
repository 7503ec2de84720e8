"""A report as people read it in a terminal."""

import textwrap
from collections.abc import Iterator

from .findings import Finding, Report, StageResult

_WIDTH = 100
_MARKS: dict[str, str] = {"problem": "✗", "hint": "?"}
_STATES = {"done": "✓", "skipped": "-", "failed": "!"}


def report_text(report: Report, docs: str = "") -> str:
    """All findings with their evidence and cure, then a line for each stage. `docs`: the address of
    the documentation, for links; empty for names within it."""
    blocks = ["\n".join(_finding(one, docs)) for one in report.findings]
    return "\n\n".join([*blocks, "\n".join(_stage(one) for one in report.stages)])


def _finding(finding: Finding, docs: str) -> Iterator[str]:
    yield f"{_MARKS[finding.level]} {finding.code}  {finding.kind.title}"
    yield from _wrapped(finding.problem)
    for one in finding.evidence:
        yield f"    {one.where}: {one.shown}"
    yield from _wrapped(f"Cure: {finding.cure}")
    yield from (f"      {line}" for line in finding.paste.splitlines())
    yield f"  See {docs}{finding.kind.anchor}"


def _wrapped(text: str) -> Iterator[str]:
    indent = "  "
    yield from textwrap.wrap(
        text, _WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False
    )


def _stage(stage: StageResult) -> str:
    if stage.state != "done":
        return f"{_STATES[stage.state]} {stage.name}: {stage.detail}"
    levels = [one.level for one in stage.findings]
    counts = [_counted(levels.count(level), level) for level in _MARKS if level in levels]
    mark = next((_MARKS[level] for level in _MARKS if level in levels), _STATES["done"])
    return f"{mark} {stage.name}: {', '.join(counts) or 'nothing wrong'}"


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}{'s' if count > 1 else ''}"
