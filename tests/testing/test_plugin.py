"""The plugin in runs of pytest: what it says, how it is loaded, what it hands on."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ..browser.install import ENGINE
from ..support import ROOT, Collector
from .suites import run_suite

WRONG = Path(__file__).parent / "wrong_expectations"
HEAVY = {"playwright", "httpx", "sanic", "sqlite_utils", "jinja2", "asyncio", "sqlite3"}
FIRST = """
def test_one(tracking_source, tracking):
    import urllib.request
    address = f"{tracking_source.collector}/collect/hello/{tracking_source.id}"
    urllib.request.urlopen(urllib.request.Request(address, b"{}", tracking.headers)).close()
    tracking.expect("hello", times=1)
"""
UNUSED = """
import sys

def test_one():
    pass

def test_two():
    loaded = {name for name in sys.modules if name.startswith("collector.testing.")}
    assert {name.rpartition(".")[2] for name in loaded} <= {"plugin", "report_plugin"}
"""
ASYNC = """
import asyncio, urllib.request

def test_one(tracking_source, async_tracking):
    address = f"{tracking_source.collector}/collect/hello/{tracking_source.id}"

    async def main():
        async with async_tracking() as tracking:
            await tracking.expect_none("goodbye")
            request = urllib.request.Request(address, b"{}", tracking.headers)
            await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())
            event = await tracking.expect("hello", times=1)
            assert [event] == await tracking.events()
            await tracking.expect_sequence("hello")

    asyncio.run(main())

def test_two(tracking_source, async_tracking):
    address = f"{tracking_source.collector}/collect/hello/{tracking_source.id}"

    async def main():
        async with async_tracking() as tracking:
            await tracking.expect_none("hello")
            request = urllib.request.Request(address, b"{}", tracking.headers)
            await asyncio.to_thread(lambda: urllib.request.urlopen(request).close())

    asyncio.run(main())
"""
ASYNC_PAGE = """
import asyncio, os
from playwright.async_api import async_playwright

def test_one(tracking_source, async_tracking):
    html = tracking_source.snippet() + "<script>tracker.track('hello', {price: 13.45})</script>"

    async def main():
        async with async_playwright() as playwright:
            launch = getattr(playwright, os.environ["ENGINE"]).launch
            channel = "moz-firefox" if os.environ["ENGINE"] == "firefox" else None
            browser = await launch(
                executable_path=os.environ["EXECUTABLE"], channel=channel, chromium_sandbox=False
            )
            page = await browser.new_page()
            answer = {"body": html, "content_type": "text/html"}
            await page.route("**/shop", lambda route: route.fulfill(**answer))
            async with async_tracking(page) as tracking:
                await page.goto(f"{tracking_source.collector}/shop", wait_until="commit")
                await tracking.expect("hello", {"price": 13.45}, times=1)
            assert page.url == "about:blank"
            await browser.close()

    asyncio.run(main())
"""
CONFTEST = """
import pytest

@pytest.fixture(scope="session")
def tracking_source(collector):
    return collector.add_source("Hello", bridges=["webhook"])

def pytest_tracking_record(record):
    with open("{file}", "a") as file:
        file.write(record.node_id + " " + record.outcome + "\\n")
"""


def suite(folder: Path, test: str, conftest: str = "") -> Path:
    """Writes a suite of one file; returns its folder."""
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (folder / "test_it.py").write_text(test)
    (folder / "conftest.py").write_text(conftest.replace("{file}", str(folder / "records")))
    return folder


def test_what_does_not_hold_says_so(tmp_path: Path) -> None:
    """Each test of the suite fails with the text of its docstring."""
    file = tmp_path / "records.jsonl"
    done = run_suite(WRONG, "-n", "2", "--tracking-timeout", "0.5", RECORDS=str(file))
    records = [json.loads(line) for line in file.read_text().splitlines()]
    said = {record["node_id"].rpartition("::")[2]: record["failure"] for record in records}
    tests = [
        node
        for node in ast.parse((WRONG / "test_wrong.py").read_text()).body
        if isinstance(node, ast.FunctionDef)
    ]
    assert {test.name for test in tests} == said.keys(), done.stdout
    wrong = [
        f"{test.name}: {ast.get_docstring(test)!r} is not in\n{said[test.name]}"
        for test in tests
        if (ast.get_docstring(test) or "nothing") not in said[test.name]
    ]
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["alone", "xdist"])
def test_each_record_is_handed_on_once(tmp_path: Path, workers: tuple[str, ...]) -> None:
    several = FIRST + FIRST.replace("one", "two") + FIRST.replace("times=1", "times=1, within=1")
    done = run_suite(
        suite(tmp_path, several.replace("test_one", "test_three", 1), CONFTEST),
        *("-p", "collector.testing.plugin", *workers),
    )
    assert done.returncode == 0, done.stdout
    assert sorted((tmp_path / "records").read_text().splitlines()) == [
        "test_it.py::test_one passed",
        "test_it.py::test_three passed",
        "test_it.py::test_two passed",
    ]


def test_with_await(tmp_path: Path) -> None:
    done = run_suite(suite(tmp_path, ASYNC, CONFTEST), "-p", "collector.testing.plugin")
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert "Expected no hello, stored 1 (test_it.py:23)." in done.stdout


def test_with_await_in_a_page(tmp_path: Path, executable: str) -> None:
    folder = suite(tmp_path, ASYNC_PAGE, CONFTEST)
    settings = {"ENGINE": ENGINE, "EXECUTABLE": executable}
    done = run_suite(folder, "-p", "collector.testing.plugin", **settings)
    assert done.returncode == 0, done.stdout


def test_a_collector_that_runs_already(tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--qa",)).start()
    source = collector.add_source(bridges=["webhook"])
    used = ("-p", "collector.testing.plugin", "--tracking-source", source, "--tracking-collector")
    done = run_suite(suite(tmp_path, FIRST), *used, collector.url)
    assert done.returncode == 0, done.stdout
    rows = collector.rows("SELECT type, run FROM events WHERE source_id = ?", source)
    assert [(row["type"], row["run"][:4]) for row in rows] == [("hello", "one-")]


def test_a_collector_without_runs_is_named(tmp_path: Path) -> None:
    collector = Collector(tmp_path).start()
    used = ("-p", "collector.testing.plugin", "--tracking-collector", collector.url)
    done = run_suite(suite(tmp_path, FIRST), *used)
    assert done.returncode == 1
    assert f"The collector at {collector.url} has no /qa/runs for us" in done.stdout


def test_it_is_loaded_once_also_when_named_twice(tmp_path: Path) -> None:
    """By its entry point, as an installed package has it, and by `-p`."""
    installed = tmp_path / "installed" / "twice-1.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: twice\nVersion: 1\n")
    entry = "collector.testing.plugin = collector.testing.plugin\n"
    (installed / "entry_points.txt").write_text(f"[pytest11]\n{entry}")
    folder = suite(tmp_path, FIRST, CONFTEST)
    path = os.pathsep.join([str(installed.parent), str(ROOT), *sys.path[1:]])
    for options in ((), ("-p", "collector.testing.plugin")):
        done = run_suite(folder, *options, PYTHONPATH=path)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_suite_that_does_not_use_it_imports_nothing_of_it(tmp_path: Path) -> None:
    done = run_suite(suite(tmp_path, UNUSED), "-p", "collector.testing.plugin")
    assert done.returncode == 0, done.stdout


def test_to_load_it_costs_nothing() -> None:
    """It is in every run of pytest where the package is installed."""
    code = "import sys, pytest; before = set(sys.modules); import collector.testing.plugin; print(*set(sys.modules) - before)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded & HEAVY == set()
    assert len(done.stdout.split()) < 10
