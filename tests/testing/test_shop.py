"""The suite of an example shop, written as a user would."""

import re

import pytest

from ..support import ROOT
from .suites import run_suite

SHOP = ROOT / "tests" / "shop"
PATIENCE = re.compile(r"\bsleep\b|wait_for_timeout|Event\(\)\.wait")


@pytest.mark.timeout(900)
def test_it_passes_in_parallel() -> None:
    done = run_suite(SHOP, "-n", "2")
    assert done.returncode == 0, done.stdout
    passed = re.search(r"(\d+) passed", done.stdout)
    assert passed
    assert int(passed[1]) >= 40


def test_it_never_sleeps() -> None:
    """The kit waits for what is stored, so nothing else has to."""
    files = [*SHOP.rglob("*.py"), *(ROOT / "collector" / "testing").rglob("*.py")]
    assert len(files) > 20
    assert [file.name for file in files if PATIENCE.search(file.read_text())] == []
