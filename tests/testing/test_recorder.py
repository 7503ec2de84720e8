"""What a person does in a browser becomes a test that passes."""

import ast
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import Page, Playwright

from ..browser.install import ENGINE
from ..support import COMMAND, ROOT, Collector, run, wait_for, web_server
from .suites import run_suite

pytestmark = pytest.mark.skipif(ENGINE != "chromium", reason="the recorder drives Chromium")
INI = "[pytest]\naddopts = -p collector.testing.plugin\n"
CONFTEST = """
import os, shutil
from pathlib import Path
import pytest


@pytest.fixture(scope="session")
def browser_type_launch_args(browser_type_launch_args, browser_type):
    if Path(browser_type.executable_path).is_file():
        return browser_type_launch_args
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    return {**browser_type_launch_args, "executable_path": chromium, "args": sandbox}
"""
SHOP = """<!doctype html><title>Shop</title>
SNIPPET
<h1>Shop</h1>
<div class="tiles"><button>Look</button><button>Add to cart</button></div>
<label for="voucher">Voucher</label><input id="voucher">
<label><input type="checkbox" name="gift"> A gift</label>
<select name="size"><option>S<option value="m">M</select>
<form action="thanks.html"><label>Password <input type="password" name="secret"></label>
<input name="email" type="email"><button data-testid="order">Order</button></form>
<script>
  const track = (...call) => (window.tracker ||= []).push(call);
  const on = (selector, type, listener) => document.querySelector(selector).addEventListener(type, listener);
  track("page-view", {path: "/"});
  on(".tiles button:nth-of-type(2)", "click", () =>
    track("add-to-cart", {sku: "badoo", price: 13.45, cart: crypto.randomUUID()}));
  on("#voucher", "change", ({target}) => track("voucher", {code: target.value}));
  on("[name=gift]", "change", ({target}) => track("gift", {on: target.checked}));
  on("[name=size]", "change", ({target}) => track("size", {size: target.value}));
  on("form", "submit", () => track("order", {email: "ann" + "@example.com", at: Date.now()}));
</script>
"""
THANKS = """<!doctype html><title>Thanks</title>
SNIPPET
<p>Thanks</p><a href="index.html">Back to the shop</a>
<script>(window.tracker ||= []).push(["page-view", {path: "/thanks"}]);</script>
"""


@pytest.fixture
def testing_collector(tmp_path: Path) -> Iterator[Collector]:
    collector = Collector(tmp_path, options=("--qa",)).start()
    yield collector
    collector.end()


@pytest.fixture
def shop(tmp_path: Path, testing_collector: Collector) -> Iterator[str]:
    """The address of a small shop that sends to the collector."""
    pages = tmp_path / "pages"
    pages.mkdir()
    source = testing_collector.add_source()
    bundle = f"{testing_collector.url}/tracker/tracker.min.js"
    snippet = f'<script async src="{bundle}" data-source="{source}"></script>'
    for name, text in (("index.html", SHOP), ("thanks.html", THANKS)):
        (pages / name).write_text(text.replace("SNIPPET", snippet))
    with web_server(pages) as origin:
        yield origin


@contextmanager
def recording(
    url: str, into: Path, collector: Collector, playwright: Playwright
) -> Iterator[tuple[Page, "subprocess.Popen[str]"]]:
    """The recorder, and the page in its browser."""
    command = [*COMMAND, "qa", "record", url, "--headless", "--into", into, "--api", collector.url]
    with subprocess.Popen(
        [str(part) for part in command],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path[1:]])},
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr
        line = process.stderr.readline()
        address = re.search(r"http://127\.0\.0\.1:\d+", line)
        assert address, line + process.stderr.read()
        browser = playwright.chromium.connect_over_cdp(address[0])
        yield browser.contexts[0].pages[0], process
        assert process.wait(60) == 0, process.stderr.read()


def shopping(page: Page, collector: Collector) -> None:
    """What a visitor does, at a visitor's pace: each time until it is stored."""

    def stored(count: int) -> None:
        sql = "SELECT * FROM events"
        wait_for(lambda: len(collector.rows(sql)) >= count, f"{count} events")

    stored(1)
    page.get_by_role("button", name="Look").click()  # of which no event comes
    page.get_by_role("button", name="Add to cart").click()
    stored(2)
    page.locator("#voucher").press_sequentially("SPRING")
    page.get_by_role("button", name="Add to cart").click()
    stored(4)
    page.get_by_text("A gift").click()
    page.locator("select").press("ArrowDown")
    stored(6)
    page.get_by_label("Password").fill("hunter2")
    page.locator("[name=email]").fill("ann@example.com")
    page.locator("[name=email]").press("Enter")
    stored(8)
    page.get_by_role("link").click()
    stored(9)
    page.reload()
    stored(10)


def test_a_recorded_test_does_and_expects_the_same_and_passes(
    tmp_path: Path, shop: str, testing_collector: Collector, playwright: Playwright
) -> None:
    suite = tmp_path / "suite"
    suite.mkdir()
    (suite / "pytest.ini").write_text(INI)
    (suite / "conftest.py").write_text(CONFTEST)
    file = suite / "test_shop.py"
    with recording(f"{shop}/index.html", file, testing_collector, playwright) as (page, _):
        shopping(page, testing_collector)
        page.close()
    code = file.read_text(encoding="utf-8")
    assert "hunter2" not in code
    assert ast.unparse(ast.parse(code)).count("tracking.expect(") >= 9, code
    options = re.search(r"Run it: pytest (.*)", code)
    assert options, code
    done = run_suite(suite, *options[1].split(), PASSWORD="hunter2")
    assert done.returncode == 0, f"{code}\n{done.stdout}"


def test_the_written_test_reads_as_a_person_would_write_it(
    tmp_path: Path, shop: str, testing_collector: Collector, playwright: Playwright
) -> None:
    file = tmp_path / "test_shop.py"
    with recording(f"{shop}/index.html", file, testing_collector, playwright) as (page, process):
        shopping(page, testing_collector)
        process.send_signal(signal.SIGINT)  # as Ctrl-C
    lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines() if line]
    start = next(n for n, line in enumerate(lines) if line.startswith("def "))
    assert lines[start:] == [
        "def test_index_html(page: Page, tracking: Tracking) -> None:",
        f'page.goto("{shop}/index.html")',
        'tracking.expect("page-view", {"path": "/"}, times=1)',
        'page.get_by_role("button", name="Look", exact=True).click()',
        'page.get_by_role("button", name="Add to cart", exact=True).click()',
        'tracking.expect("add-to-cart", {"sku": "badoo", "price": 13.45, "cart": ANY}, times=1)',
        'page.locator("#voucher").fill("SPRING")',
        'page.locator("#voucher").blur()',
        'tracking.expect("voucher", {"code": "SPRING"}, times=1)',
        'page.get_by_role("button", name="Add to cart", exact=True).click()',
        'tracking.expect("add-to-cart", {"sku": "badoo", "price": 13.45, "cart": ANY}, times=2)',
        'page.locator("input[name=gift]").check()',
        'tracking.expect("gift", {"on": True}, times=1)',
        'page.locator("select[name=size]").select_option(["m"])',
        'tracking.expect("size", {"size": "m"}, times=1)',
        "# A password is not recorded: set it in the environment.",
        'page.locator("input[name=secret]").fill(os.environ["PASSWORD"])',
        'page.locator("input[name=email]").fill("ann@example.com")',
        'page.locator("input[name=email]").press("Enter")',
        'tracking.expect("order", {"email": "ann@example.com", "at": ANY}, times=1)',
        'tracking.expect("page-view", {"path": "/thanks"}, times=1)',
        'page.get_by_role("link", name="Back to the shop", exact=True).click()',
        'tracking.expect("page-view", {"path": "/"}, times=2)',
        "page.reload()",
        'tracking.expect("page-view", {"path": "/"}, times=3)',
    ]


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    (tmp_path / "test_shop.py").write_text("mine")
    done = run("qa", "record", "http://127.0.0.1:1/", "--into", tmp_path / "test_shop.py")
    assert done.returncode == 2
    assert "exists. Remove it, or name another file with --into." in done.stderr
    assert (tmp_path / "test_shop.py").read_text() == "mine"


def test_a_collector_that_cannot_tell_runs_apart_is_named(
    tmp_path: Path, collector: Collector
) -> None:
    options = ["--into", str(tmp_path / "test_a.py"), "--headless"]
    done = run("qa", "record", "http://127.0.0.1:1/", "--api", collector.url, *options)
    assert done.returncode == 1
    assert "has no /qa/runs for us: start it with `thamesthrive serve --qa`" in done.stderr
    collector.stop()
    done = run("qa", "record", "http://127.0.0.1:1/", "--api", collector.url, *options)
    assert "does not answer" in done.stderr
    assert done.returncode == 1


def test_a_page_that_does_not_open_is_named(tmp_path: Path, testing_collector: Collector) -> None:
    options = ["--into", str(tmp_path / "test_a.py"), "--headless", "--api", testing_collector.url]
    done = run("qa", "record", "http://127.0.0.1:1/", *options)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "net::ERR_" in done.stderr
    assert not (tmp_path / "test_a.py").exists()
