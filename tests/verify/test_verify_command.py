"""`thamesthrive verify` with a browser: what people see, in every way that it can end."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page

from collector import store

from ..browser.environment import Site, snippet
from ..support import COMMAND, ROOT, Collector, run, wait_for

ALIAS = "/a/{app.js,hello}"
SENDS = 'window.tracker.track("page-view", {});'
IN_BROWSER = ("--stage", "browser", "--stage", "storage")


@pytest.fixture(scope="module")
def collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    collector = Collector(tmp_path_factory.mktemp("verify"), options=("--alias", ALIAS)).start()
    yield collector
    collector.end()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with Site(tmp_path / "site") as site:
        yield site


def page_of(site: Site, collector: Collector, source: str, script: str = SENDS) -> str:
    return site.add("p.html", script, head=snippet(source, collector.url))


def test_a_page_that_works_passes_all_stages_and_leaves_nothing(
    site: Site, collector: Collector
) -> None:
    source = collector.add_source()
    before = collector.counts()
    url = page_of(site, collector, source)
    done = run("verify", url, "--source", source, "--db", str(collector.db))
    assert done.returncode == 0, done.stdout + done.stderr
    for stage in ("static", "collector", "storage"):
        assert f"✓ {stage}: nothing wrong" in done.stdout
    assert "V096" in done.stdout  # its names are the default ones
    assert done.stderr.endswith("No problems found.\n")
    assert collector.counts() == before


def test_where_storage_cannot_be_seen_that_is_no_success(site: Site, collector: Collector) -> None:
    source = collector.add_source()
    url = page_of(site, collector, source)
    done = run("verify", url, "--db", str(site.folder / "none.db"), *IN_BROWSER, "--json")
    assert done.returncode == 2
    stages = {one["name"]: one for one in json.loads(done.stdout)["stages"]}
    assert (stages["browser"]["state"], stages["storage"]["state"]) == ("done", "failed")
    assert "--db" in stages["storage"]["detail"]
    # It says what stays, so that somebody can find it.
    run_id = collector.events(source)[0]["context"].partition("__tt_run=")[2].partition(".")[0]
    assert run_id in stages["storage"]["detail"]


def test_without_playwright_the_other_stages_still_tell(
    site: Site, collector: Collector, tmp_path: Path
) -> None:
    (tmp_path / "playwright.py").write_text("raise ImportError('not here')")
    env = {**os.environ, "PYTHONPATH": f"{tmp_path}:{ROOT}"}
    for head, code, said in (
        (snippet(collector.add_source(), collector.url), 2, "pip install 'thamesthrive[verify]'"),
        ("<!-- data-source -->", 1, "V010"),
    ):
        url = site.add("p.html", head=head)
        command = [sys.executable, "-m", "cli.main", "verify", url, "--db", str(collector.db)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stderr
        assert said in done.stdout + done.stderr
        assert "! browser: Playwright is not installed" in done.stdout


def test_a_token_looks_at_a_collector_elsewhere_and_removes(
    site: Site, collector: Collector, tmp_path: Path
) -> None:
    source = collector.add_source()
    with collector.database() as database:
        _, secret = store.create_token(database, "verify")
    file = tmp_path / "token"
    file.write_text(f"{secret}\n")
    db = ("--db", str(tmp_path / "none.db"))
    url = page_of(site, collector, source)
    words = ("--api", collector.url, "--token-file", str(file), *db, *IN_BROWSER)
    done = run("verify", url, *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert collector.events(source) == []
    # A token goes to no address that a page names.
    done = run("verify", url, "--token-file", str(file), *db)
    assert (done.returncode, "--token-file needs --api" in done.stderr) == (2, True)


def test_a_collector_with_qa_is_asked_by_the_run(site: Site, tmp_path: Path) -> None:
    collector = Collector(tmp_path, options=("--qa",)).start()
    source = collector.add_source()
    url = page_of(site, collector, source)
    done = run("verify", url, "--db", str(tmp_path / "none.db"), *IN_BROWSER)
    assert done.returncode == 0, done.stdout + done.stderr
    assert collector.events(source) == []


class Manual:
    """`verify --manual`, while it waits."""

    def __init__(self, url: str, collector: Collector, source: str, *words: str) -> None:
        options = ("--manual", "--db", str(collector.db), "--source", source)
        self.process = subprocess.Popen(
            [*COMMAND, "verify", url, *options, *words],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout
        self.link = self.process.stdout.readline().strip()
        assert self.link, self.process.communicate(timeout=20)

    def end(self) -> tuple[int, str]:
        """Exit code, and all it has said since the link."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out + err


def test_a_link_that_is_opened_ends_the_waiting_and_leaves_nothing(
    page: Page, site: Site, collector: Collector
) -> None:
    source = collector.add_source()
    url = page_of(site, collector, source)
    # Somebody with a past, which stays.
    page.goto(url)
    collector.wait_for_events(source, 1)
    manual = Manual(url, collector, source)
    assert manual.link.startswith(f"{url}?__tt_run=verify-")
    page.goto(manual.link)
    code, said = manual.end()
    assert code == 0, said
    assert "page-view" in said
    (left,) = collector.events(source)
    assert "__tt_run" not in left["context"]


def test_a_link_that_nobody_opens_is_told_with_what_the_collector_has_seen(
    site: Site, collector: Collector
) -> None:
    source = collector.add_source()
    with collector.database() as database:
        store.update_source(database, source, {"enabled": False})
    code, said = Manual(page_of(site, collector, source), collector, source, "--timeout", "1").end()
    assert code == 1
    assert "V103" in said
    assert "disabled" in said


def test_an_interrupt_ends_the_waiting(site: Site, collector: Collector) -> None:
    source = collector.add_source()
    manual = Manual(page_of(site, collector, source), collector, source)
    manual.process.send_signal(signal.SIGINT)
    code, said = manual.end()
    assert code == 130, said


def test_an_interrupt_ends_the_browser_and_leaves_nothing(site: Site, collector: Collector) -> None:
    source = collector.add_source()
    url = page_of(site, collector, source, "tracker.track('a').then(() => { for (;;); });")
    process = subprocess.Popen(
        [*COMMAND, "verify", url, "--source", source, "--db", str(collector.db), *IN_BROWSER],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    wait_for(lambda: collector.events(source), "the page to be opened")
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert collector.events(source) == []
