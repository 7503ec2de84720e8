"""Each served page has one fault, and exactly that one is found. Pages that work have none."""

from collections.abc import Callable

import pytest

from collector.verify import CODES, Report, report_text

from .pages import COLLECTOR_FAULTS, FAULTS, WORKING, Served
from .pages_in_browser import FAULTS as IN_BROWSER

ALL = (*FAULTS, *COLLECTOR_FAULTS)
# The page's status, which the first stage tells; a link that nobody opens, and what others' events
# share a request with: see test_verify_command.py and test_traces.py.
WITHOUT_PAGE = {"V080", "V103", "V104"}


@pytest.mark.parametrize("page", ALL, ids=lambda page: f"{page.code}-{page.name}")
def test_exactly_the_fault_is_found(look_at: Callable[[Served], Report], page: Served) -> None:
    report = look_at(page)
    found = [(one.code, one.kind.stage) for one in report.findings]
    assert found == [(page.code, page.stage)], report_text(report)
    (finding,) = report.findings
    assert finding.evidence or finding.level == "hint"
    assert "{" not in finding.problem.replace("{{ collector }}", "")


@pytest.mark.parametrize("page", WORKING, ids=lambda page: page.name)
def test_nothing_is_found_on_a_page_that_works(
    look_at: Callable[[Served], Report], page: Served
) -> None:
    report = look_at(page)
    assert not report.findings, report_text(report)
    assert [one.state for one in report.stages] == ["done", "done"]
    assert report.exit_code == 0


def test_every_code_is_found_on_a_page() -> None:
    pages = {page.code for page in (*ALL, *IN_BROWSER)}
    missing = {*CODES} - pages - WITHOUT_PAGE
    assert missing == set(), "add a page that has this fault, and nothing else"


def test_every_page_has_a_name_of_its_own() -> None:
    names = [page.name for page in (*ALL, *WORKING)]
    assert len(names) == len(set(names))
