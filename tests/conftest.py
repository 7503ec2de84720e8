import importlib
import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Playwright, sync_playwright

from .browser.install import ENGINE, find_chromium, find_firefox, find_shell, find_webkit, launch
from .support import Collector
from .warm import IMPORTED

# Suites of their own, as users have them: tests/testing runs them.
collect_ignore = ["shop", "testing/broken_shop", "testing/wrong_expectations"]

if TYPE_CHECKING:
    from selenium.webdriver.webkitgtk.webdriver import WebDriver


@pytest.fixture(scope="session")
def shared_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector for tests that only post to sources of their own. It has two workers, so that
    nothing may rely on the memory of one; `collector` has one."""
    collector = Collector(tmp_path_factory.mktemp("shared"), workers=2).start()
    yield collector
    collector.end()


# Measuring what the collectors of a test run takes a third of its time. These folders go through all of
# their code; those of the others need many seconds for what these do in a few.
MEASURED = ("cli", "http", "unit")
# Forks have these imported before they are measured.
for _name in IMPORTED:
    importlib.import_module(_name)
_MEASURING = "COVERAGE_PROCESS_CONFIG"
_config = os.environ.get(_MEASURING)


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Has the processes that a test starts measured, or not."""
    if _config is not None:
        if item.path.relative_to(Path(__file__).parent).parts[0] in MEASURED:
            os.environ[_MEASURING] = _config
        else:
            os.environ.pop(_MEASURING, None)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    call: pytest.CallInfo[None],
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failed test shows what its collectors said, and where their processes were."""
    report = yield
    if report.when == "call" and report.failed:
        report.sections += [
            (f"collector {collector.url}", collector.explain()) for collector in Collector.running
        ]
    return report


@pytest.fixture(autouse=True)
def no_collector_stays_behind() -> Iterator[None]:
    """Ends those that a test has started itself, however the test ended."""
    before = set(Collector.running)
    yield
    for left in Collector.running - before:
        left.end()


@pytest.fixture
def collector(tmp_path: Path) -> Iterator[Collector]:
    """A collector of the test's own, with one worker."""
    collector = Collector(tmp_path).start()
    yield collector
    collector.end()


@pytest.fixture(scope="session")
def executable() -> str:
    """Of the browser that this run is for."""
    found = find_firefox() if ENGINE == "firefox" else find_shell() or find_chromium()
    assert found, f"no {ENGINE}: python -m tests.browser.install {ENGINE}"
    return found


@pytest.fixture(scope="session")
def full_executable(executable: str) -> str:
    """Of the browser as people have it: the headless shell has no back/forward cache."""
    return executable if ENGINE == "firefox" else find_chromium() or executable


@pytest.fixture(scope="session")
def playwright(full_executable: str) -> Iterator[Playwright]:
    """The driver of browsers. A thread can have one, and `executable` needs it for a moment."""
    assert full_executable
    with sync_playwright() as driver:
        yield driver


@pytest.fixture(scope="session")
def browser(playwright: Playwright, executable: str) -> Iterator[Browser]:
    engine = launch(playwright, executable)
    yield engine
    engine.close()


@pytest.fixture(scope="session")
def full_browser(playwright: Playwright, full_executable: str) -> Iterator[Browser]:
    """What a module's own `browser` is, where tests need the back/forward cache, or are about what the
    whole product stands for."""
    engine = launch(playwright, full_executable)
    yield engine
    engine.close()


@pytest.fixture
def collector_of_two(tmp_path: Path) -> Iterator[Collector]:
    """A collector of the test's own, with two workers."""
    collector = Collector(tmp_path, workers=2).start()
    yield collector
    collector.end()


@pytest.fixture(scope="session")
def screen() -> Iterator[str]:
    """A display that nobody sees."""
    reader, writer = os.pipe()
    command = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "1280x800x24"]
    with subprocess.Popen(command, pass_fds=[writer], stderr=subprocess.DEVNULL) as process:
        os.close(writer)
        with os.fdopen(reader) as lines:
            yield f":{lines.readline().strip()}"
        process.terminate()


@pytest.fixture
def webkit(screen: str) -> "Iterator[WebDriver]":
    """A browser without a past."""
    from selenium import webdriver
    from selenium.webdriver.webkitgtk.options import Options
    from selenium.webdriver.webkitgtk.service import Service

    driver, browser = find_webkit()
    assert driver, "no WebKitGTK: python -m tests.browser.install webkit"
    assert browser
    options = Options()
    options.binary_location = str(browser)
    options.add_argument("--automation")
    # No sound, no accessibility bus, no graphics card.
    env = {
        **os.environ,
        "DISPLAY": screen,
        "GDK_BACKEND": "x11",
        "NO_AT_BRIDGE": "1",
        "WEBKIT_DISABLE_DMABUF_RENDERER": "1",
    }
    opened = webdriver.WebKitGTK(options=options, service=Service(driver, env=env))
    opened.set_script_timeout(20)
    yield opened
    opened.quit()
