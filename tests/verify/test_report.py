"""Codes and the report of a verification, without a page."""

import re
import string
from collections.abc import Iterable

import pytest

from cli.builder.command_reference import commands
from collector.verify import (
    CODES,
    Check,
    CouldNotLook,
    Evidence,
    Finding,
    report_text,
    run_stages,
)


class Stage:
    """A stage that finds what it is given."""

    def __init__(self, name: str, *found: Finding | CouldNotLook) -> None:
        self.name = name
        self.found = found

    def look(self, _: Check) -> Iterable[Finding]:
        for one in self.found:
            if isinstance(one, CouldNotLook):
                raise one
            yield one


def finding(code: str) -> Finding:
    texts = (CODES[code].problem, CODES[code].cure, CODES[code].paste)
    names = {name for text in texts for _, name, _, _ in string.Formatter().parse(text) if name}
    return Finding(
        CODES[code], (Evidence("line 3 of the page", "<script>"),), dict.fromkeys(names, "x")
    )


PROBLEM, HINT = finding("V012"), finding("V011")


@pytest.mark.parametrize(
    ("stages", "exit_code"),
    [
        ([Stage("static"), Stage("collector")], 0),
        ([Stage("static", HINT)], 0),
        ([Stage("static", PROBLEM)], 1),
        ([Stage("static", CouldNotLook("no"))], 2),
        ([Stage("static", PROBLEM, CouldNotLook("no"))], 1),
        ([Stage("static", CouldNotLook("no")), Stage("collector", PROBLEM)], 1),
    ],
)
def test_exit_codes_tell_findings_from_not_having_looked(
    stages: list[Stage], exit_code: int
) -> None:
    assert run_stages(Check("https://shop.example/"), stages).exit_code == exit_code


def test_problems_come_before_hints() -> None:
    report = run_stages(Check("https://shop.example/"), [Stage("a", HINT), Stage("b", PROBLEM)])
    assert [one.code for one in report.findings] == ["V012", "V011"]


def test_a_report_has_problem_evidence_cure_and_link() -> None:
    report = run_stages(Check("https://shop.example/"), [Stage("static", PROBLEM)])
    text = report_text(report, "https://docs.example/")
    for part in (
        "V012",
        "line 3 of the page: <script>",
        "Cure: ",
        "https://docs.example/reference/verify#v012",
    ):
        assert part in text
    assert report.as_dict()["findings"][0]["docs"] == "reference/verify#v012"


@pytest.mark.parametrize("code", CODES)
def test_every_code_can_be_said(code: str) -> None:
    found = finding(code)
    assert found.problem.endswith(".")
    assert found.kind.title
    assert found.kind.title[-1].isalnum()
    assert found.cure[0].isupper()
    assert "{" not in found.problem + found.cure
    assert found.code == code


def test_long_evidence_is_cut() -> None:
    assert len(Evidence("line 1", "x" * 10_000).as_dict()["text"]) < 400


@pytest.mark.parametrize(
    ("found", "line"),
    [
        ((), "✓ static: nothing wrong"),
        ((HINT,), "? static: 1 hint"),
        ((PROBLEM,), "✗ static: 1 problem"),
        ((PROBLEM, PROBLEM, HINT), "✗ static: 2 problems, 1 hint"),
    ],
)
def test_a_hint_alone_does_not_look_like_a_problem(found: tuple[Finding, ...], line: str) -> None:
    report = run_stages(Check("https://shop.example/"), [Stage("static", *found)])
    assert report_text(report).splitlines()[-1] == line


def test_every_command_to_paste_exists() -> None:
    known = {
        name: {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        for name, command, _ in commands()
    }
    lines = [
        line
        for code in CODES.values()
        for text in (code.cure, code.paste)
        for line in re.findall(r"thamesthrive [^`\n]*", text)
    ]
    for line in lines:
        name = max((one for one in known if f"{line} ".startswith(f"{one} ")), key=len)
        assert name != "thamesthrive", line
        assert {word for word in line.split() if word.startswith("--")} <= known[name], line
    assert len(lines) > 10
