import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from collector import store

from ..browser.environment import Site, snippet
from ..browser.install import launch_options
from ..support import ROOT, Collector

QA = ROOT / "js" / "qa"
PRICED = {"type": "object", "properties": {"price": {"exclusiveMinimum": 0}}}
SHOP = """
  const {tracker} = window;
  tracker.track("page-view", {});
  const order = {"product": "Sun glasses - Badoo", "price": 13.45, "items": [{"sku": "A1", "count": 1}],
    "customer": {"country": "GB", "returning": false}};
  document.querySelector("#buy").onclick = () => tracker.track("purchase-order", order);
  document.querySelector("#free").onclick = () => tracker.track("purchase-order", {"price": 0});
  document.querySelector("#later").onclick = () =>
    setTimeout(() => tracker.track("newsletter", {}), 300);
  document.querySelector("#leave").onclick = () =>
    tracker.track("left", {"to": "/empty.html"}, {"asBeacon": true});
"""
BUTTONS = """
  <button id="buy">Buy</button> <button id="free">Free</button> <button id="later">Later</button>
  <a id="leave" href="/empty.html">Leave</a>
"""
VIEW = 'window.tracker.track("page-view", {})'
EARLY = """
  (window.tracker ||= []).push(["early", {"n": 1}]);
  addEventListener("load", () => window.tracker.push(["late", {}]));
"""
# Tracks again right before the page is asked for the second time to send what it has.
AGAIN = """
  (window.tracker ||= []).push(["vote", {}]);
  addEventListener("load", () => {
    const {tracker} = window;
    const {flush} = tracker;
    let asked = 0;
    tracker.flush = () => {
      if (++asked == 2) tracker.track("vote", {});
      return flush();
    };
  });
"""
POLICY = '<meta http-equiv="Content-Security-Policy" content="{}">'


def node() -> str:
    """Node, which the Makefile installs beside Python where the machine has none."""
    found = shutil.which("node") or shutil.which("node", path=str(Path(sys.executable).parent))
    assert found, "Node is not installed"
    return found


@pytest.fixture(scope="session")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the built kit and Playwright Test are installed, as npm would do it."""
    folder = tmp_path_factory.mktemp("suite")
    installed = folder / "node_modules" / "@thamesthrive" / "qa"
    installed.mkdir(parents=True)
    shutil.copy(QA / "package.json", installed)
    command = [node(), str(QA / "build.mjs"), str(installed / "dist")]
    built = subprocess.run(command, capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    (folder / "node_modules" / "@playwright").symlink_to(
        (ROOT / "js" / "node_modules" / "@playwright").resolve()
    )
    for file in (QA / "tests").iterdir():
        shutil.copy(file, folder)
    return folder


@pytest.fixture(scope="session")
def qa_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector for tests of runs."""
    collector = Collector(tmp_path_factory.mktemp("runs"), options=("--qa",)).start()
    yield collector
    collector.end()


@dataclass
class Suite:
    """Playwright Test with the kit, and a shop to test."""

    folder: Path
    env: dict[str, str]

    def run(self) -> dict[str, dict[str, dict[str, Any]]]:
        """Runs all specs, and gives the result of each by its file and title."""
        cli = self.folder / "node_modules" / "@playwright" / "test" / "cli.js"
        done = subprocess.run(
            [node(), str(cli), "test", "--reporter=json"],
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=280,
            check=False,
        )
        assert done.stdout.startswith("{"), done.stdout + done.stderr
        report = json.loads(done.stdout)
        assert not report["errors"], report["errors"]
        return {
            suite["file"]: {spec["title"]: spec for spec in _specs(suite)}
            for suite in report["suites"]
        }


def _specs(suite: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from suite["specs"]
    for inner in suite.get("suites", ()):
        yield from _specs(inner)


@pytest.fixture(scope="session")
def suite(
    kit: Path, qa_collector: Collector, executable: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Suite]:
    source = qa_collector.add_source()
    with qa_collector.database() as database:
        store.set_schema(database, source, "purchase-order", json.dumps(PRICED))
    with Site(tmp_path_factory.mktemp("shop")) as site:
        _add_pages(site, source, qa_collector.url)
        yield Suite(
            kit,
            {
                "SITE": site.origin,
                "SOURCE": source,
                "NOBODY": _nobody(),
                "THAMESTHRIVE_COLLECTOR": qa_collector.url,
                "LAUNCH": json.dumps(_launch(executable)),
                "FORCE_COLOR": "0",
            },
        )


@pytest.fixture(scope="session")
def results(suite: Suite) -> dict[str, dict[str, dict[str, Any]]]:
    """The results of all specs, by file and title."""
    return suite.run()


def _nobody() -> str:
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as briefly:
        return f"http://127.0.0.1:{briefly.getsockname()[1]}"


def _launch(executable: str) -> dict[str, Any]:
    options = launch_options(executable)
    return {
        "executablePath": options["executable_path"],
        "args": options["args"],
        "ignoreDefaultArgs": options["ignore_default_args"],
    }


def _add_pages(site: Site, source: str, api: str) -> None:
    classic = snippet(source, api)
    one_line = snippet(source, api, one_line=True)
    site.add("shop.html", SHOP, head=classic, body=BUTTONS)
    site.add("again.html", AGAIN, head=one_line)
    site.add("early.html", EARLY, head=one_line)
    site.add("empty.html")
    no_requests = POLICY.format("connect-src 'none'")
    site.add("no-requests.html", VIEW, head=no_requests + classic)
    no_script = POLICY.format("script-src 'self' 'unsafe-inline'")
    site.add("no-script.html", VIEW, head=no_script + classic)
    pending = one_line.replace("<script", '<script data-settings-consent="pending"')
    early = "(window.tracker ||= []).push(['page-view', {}])"
    site.add("consent.html", early, head=pending)
    site.add("stranger.html", VIEW, head=snippet("ee2db027-46cf-4034-a759-79f1c930f80d", api))
    own = one_line.replace("<script", '<script data-qa-run="somebody-elses"')
    site.add("own-run.html", early, head=own)
