"""A suite of a user's, run with a report, a plan and a demand for coverage."""

import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from .suites import run_suite

INI = """
[pytest]
addopts = -p collector.testing.plugin -p collector.testing.report_plugin
filterwarnings = error
"""
SUITE = """
import json
import urllib.request
import pytest


def send(tracking, collector, *events):
    body = {"source": {"id": tracking.source}, "session": {"id": tracking.run}, "events": events}
    request = urllib.request.Request(
        f"{collector.url}/track", json.dumps(body).encode(), tracking.headers
    )
    urllib.request.urlopen(request).close()


@pytest.mark.parametrize("number", range(3))
def test_looking(tracking, collector, number):
    send(tracking, collector, {"type": "page-view", "properties": {"path": "/"}})
    tracking.expect("page-view", times=1)


def test_buying(tracking, collector):
    with tracking.step("pay"):
        evil = "<script>document.title='pwned'</script>"
        send(tracking, collector, {"type": "order", "properties": {"price": PRICE, "note": evil}})
    tracking.expect("order", {"price": 13.45}, within=0.2)


def test_without_the_kit():
    assert True
"""
PLAN = {
    "page-view": {"properties": {"path": {"type": "string"}}},
    "order": {"properties": {"price": {"type": "number"}, "currency": {}}},
}  # 5 types and properties, of which all but the currency are seen


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    folder = tmp_path / "suite"
    folder.mkdir()
    (folder / "pytest.ini").write_text(INI)
    write(folder, price="13.45")
    (tmp_path / "plan.json").write_text(json.dumps(PLAN))
    return folder


def write(folder: Path, *, price: str) -> None:
    (folder / "test_shop.py").write_text(SUITE.replace("PRICE", price))


@pytest.mark.parametrize("workers", ["0", "2"])
def test_a_suite_that_sees_enough_passes_and_is_reported(suite: Path, workers: str) -> None:
    report, junit = suite.parent / "report.html", suite.parent / "junit.xml"
    done = run_suite(
        suite, "-n", workers, "--tracking-report", str(report), "--junitxml", str(junit),
        "--tracking-plan", str(suite.parent / "plan.json"), "--tracking-min-coverage", "80",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "80 % of the tracking plan was seen: 4 of 5 types and properties." in done.stdout
    assert "not seen: order /currency" in done.stdout
    html = report.read_text(encoding="utf-8")
    assert html.count('<section class="one"') == 4
    assert "test_shop.py::test_looking[2]" in html
    assert "<script" not in html
    assert "&lt;script&gt;document.title" in html
    cases = {case.get("name"): case for case in ET.parse(junit).iter("testcase")}
    properties = {
        one.get("name"): one.get("value") for one in cases["test_buying"].iter("property")
    }
    assert re.fullmatch(r"buying-[0-9a-f]{12}", properties.pop("tracking_run") or "")
    assert properties == {"tracking_events": "1", "tracking_rejected": "0"}
    assert [*cases["test_without_the_kit"].iter("property")] == []


def test_a_suite_that_sees_too_little_fails_although_its_tests_pass(suite: Path) -> None:
    plan = ["--tracking-plan", str(suite.parent / "plan.json")]
    done = run_suite(suite, *plan, "--tracking-min-coverage", "81")
    assert "5 passed" in done.stdout
    assert "Error: that is less than --tracking-min-coverage 81." in done.stdout
    assert done.returncode == 1
    assert run_suite(suite, *plan).returncode == 0


def test_the_report_of_a_failed_test_has_its_message_and_rows(suite: Path) -> None:
    write(suite, price="14.45")
    report = suite.parent / "report.html"
    done = run_suite(suite, "--tracking-report", str(report))
    assert done.returncode == 1
    html = report.read_text(encoding="utf-8")
    assert "<h1>1 test failed</h1>" in html
    assert "First broken link: <strong>stored, but different</strong>" in html
    assert "properties.price: expected 13.45, stored 14.45" in html
    assert html.index('id="test-1"') < html.index("test_buying", html.index('id="test-1"'))
    assert '<th scope="row">pay</th>' in html


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tracking-min-coverage", "50"], "--tracking-min-coverage needs a plan"),
        (["--tracking-plan", "absent.json"], "--tracking-plan: absent.json cannot be read"),
        (["--tracking-report", "/absent/report.html"], "there is no folder /absent"),
        (["--tracking-plan", "x", "--tracking-min-coverage", "101"], "a percentage, 0 to 100"),
    ],
)
def test_what_cannot_be_is_said_before_the_first_test(
    suite: Path, options: list[str], message: str
) -> None:
    done = run_suite(suite, *options)
    assert done.returncode == 4
    assert message in done.stderr
    assert "Traceback" not in done.stderr
