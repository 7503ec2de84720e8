"""The part of the pytest plugin that looks at all tests together: the report, and how much of a
tracking plan they have seen. With xdist it does so in the controlling process.

As the other part, it imports nothing beyond pytest unless one of its options is given.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .plan_coverage import Coverage
    from .record import TestRecord

# The name of the entry point has to be this module's: so it is loaded once, also beside `-p`.
NAME = "collector.testing.report_plugin"
MAX_UNSEEN = 20  # types and properties that the terminal lists


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options."""
    group = parser.getgroup("tracking", "ThamesThrive: tests of tracking")
    group.addoption(
        "--tracking-report",
        metavar="FILE",
        type=Path,
        help="Write what became of each test's events into this HTML file.",
    )
    group.addoption(
        "--tracking-plan",
        metavar="PLAN",
        type=Path,
        help="The tracking plan, a folder or a file, that coverage is measured by.",
    )
    group.addoption(
        "--tracking-min-coverage",
        metavar="PERCENT",
        type=float,
        help="Fail if the tests see less of the plan's types and properties.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Reads the plan, so that a mistake in it is known before the first test. Raises
    pytest.UsageError."""
    report, plan, minimum = (
        config.getoption(name)
        for name in ("tracking_report", "tracking_plan", "tracking_min_coverage")
    )
    if hasattr(config, "workerinput") or (report is None and plan is None and minimum is None):
        return
    _check(report, plan, minimum)
    schemas = None if plan is None else _read(plan)
    config.pluginmanager.register(Gathered(report, schemas, minimum), f"{NAME}.gathered")


def _check(report: Path | None, plan: Path | None, minimum: float | None) -> None:
    if minimum is not None and plan is None:
        raise pytest.UsageError("--tracking-min-coverage needs a plan: add --tracking-plan PLAN.")
    if minimum is not None and not 0 <= minimum <= 100:
        raise pytest.UsageError("--tracking-min-coverage is a percentage, 0 to 100.")
    if report is not None and not report.resolve().parent.is_dir():
        raise pytest.UsageError(f"--tracking-report: there is no folder {report.resolve().parent}.")


def _read(plan: Path) -> dict[str, str]:
    from ..errors import PlanError
    from ..plan import read_plan

    try:
        return read_plan(plan)
    except PlanError as error:
        raise pytest.UsageError(f"--tracking-plan: {error}") from error


class Gathered:
    """The records of all tests. `minimum`: percent."""

    def __init__(
        self, report: Path | None, plan: dict[str, str] | None, minimum: float | None
    ) -> None:
        self._report = report
        self._plan = plan
        self._minimum = minimum
        self._records: list[TestRecord] = []
        self._coverage: Coverage | None = None

    def pytest_tracking_record(self, record: "TestRecord") -> None:
        """Keeps a test's record."""
        self._records.append(record)

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Writes the report; ends with 1 where too little was seen, if nothing else was wrong."""
        from .plan_coverage import coverage_of

        self._coverage = coverage_of(self._records, self._plan)
        if self._report is not None:
            from .report_page import report_html

            self._report.write_text(report_html(self._records, self._plan), encoding="utf-8")
        if self._is_too_little() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def _is_too_little(self) -> bool:
        covered = self._coverage
        return covered is not None and self._minimum is not None and covered.percent < self._minimum

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Says what of the plan was seen, and where the report is."""
        covered = self._coverage
        if covered is None:
            return
        terminalreporter.section("tracking")
        if covered.has_plan:
            self._say_coverage(terminalreporter, covered)
        if self._report is not None:
            terminalreporter.line(f"Report: {self._report}")

    def _say_coverage(self, terminal: Any, covered: "Coverage") -> None:
        seen = len(covered.planned) - len(covered.unseen)
        terminal.line(
            f"{covered.shown_percent} of the tracking plan was seen:"
            f" {seen} of {len(covered.planned)} types and properties."
        )
        for row in covered.unseen[:MAX_UNSEEN]:
            terminal.line(f"  not seen: {row.type}{' ' if row.path else ''}{row.path}")
        if len(covered.unseen) > MAX_UNSEEN:
            terminal.line(f"  and {len(covered.unseen) - MAX_UNSEEN} more")
        if self._is_too_little():
            terminal.line(
                f"Error: that is less than --tracking-min-coverage {self._minimum:g}.", red=True
            )
