"""Pages with one fault each, opened in a browser: exactly that fault is found, and nothing stays
stored."""

import contextlib
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from collector import store
from collector.alias import parse_aliases
from collector.verify import STAGES, Check, Report, Stage, report_text, run_stages
from collector.verify.browser_stage import BrowserStage, Look, StorageStage
from collector.verify.storage import Access

from ..browser.environment import DIST, Network, Reply, page_server, snippet
from ..support import Collector
from .pages import COLLECTOR_FAULTS
from .pages import FAULTS as NOT_RUN
from .pages import Served as NotRun
from .pages_in_browser import FAULTS, GOOD, Served

ALIAS = "/a/{app.js,hello}"
CONSENT = DIST / "verify" / "consent.js"


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector with names of its own, besides the default ones."""
    folder = tmp_path_factory.mktemp("verify")
    collector = Collector(folder, options=("--alias", ALIAS)).start()
    yield collector
    collector.end()


def stored_without_storing(body: dict[str, Any]) -> Reply:
    answer = {"events": [one["id"] for one in body["events"]]}
    return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()


def broken(_: dict[str, Any]) -> Reply:
    return 502, {"Content-Type": "text/html"}, b"<h1>Bad Gateway</h1>"


@contextlib.contextmanager
def served(page: Served, collector: Collector, source: str) -> Iterator[str]:
    """The page's address."""
    with contextlib.ExitStack() as stack:
        api = collector.url
        if page.api in ("liar", "broken"):
            network = stack.enter_context(Network(collector))
            network.weather = stored_without_storing if page.api == "liar" else broken
            api = network.url
        if page.api == "nowhere":
            api = "http://127.0.0.1:9"
        aliases = parse_aliases(ALIAS) if page.names == "own" else ()
        values = {
            "snippet": snippet(source, collector.url, aliases=aliases).replace(
                f'api: "{collector.url}"', f'api: "{api}"'
            ),
            "one_line": snippet(source, collector.url, one_line=True, aliases=aliases),
            "nonced": snippet(source, collector.url, nonce="n1", aliases=aliases),
            "script": f"{collector.url}/a/app.js",
            "loader": (DIST / "loader.min.js").read_text(encoding="utf-8"),
            "source": source,
            "api": collector.url,
        }
        html = f"<!doctype html><html><head><title>Shop</title>{page.head}</head><body>{page.body}"
        headers = dict(page.headers)
        for name, value in values.items():
            html = html.replace(f"{{{name}}}", value)
            headers = {key: text.replace(f"{{{name}}}", value) for key, text in headers.items()}
        yield stack.enter_context(page_server(html + "</body></html>", headers))


def verified(check: Check, access: Access, *, alone: bool = False) -> Report:
    """The report of all stages, or of those alone that open a browser. Made in a thread: this one may
    have the event loop of a driver."""
    look = Look(access)
    stages: list[Stage] = [] if alone else [make() for make in STAGES.values()]
    stages += [BrowserStage(look, CONSENT), StorageStage(look)]
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(run_stages, check, stages).result()


def report_of(page: Served, collector: Collector) -> Report:
    with collector.database() as database:
        source = store.add_source(database, page.name, **page.source).id
        if page.schema:
            store.set_schema(database, source, "purchase", page.schema)
    asked = collector.add_source() if page.asked else None
    with served(page, collector, source) as url:
        report = verified(Check(url, asked), Access(db=collector.db), alone=page.alone)
    assert collector.events(source) == []
    assert collector.rows("SELECT 1 FROM rejected WHERE source_id = ?", source) == []
    return report


@pytest.mark.parametrize("page", FAULTS, ids=lambda page: page.name)
def test_a_page_with_one_fault_is_told_that_fault(page: Served, named: Collector) -> None:
    report = report_of(page, named)
    assert [one.code for one in report.findings] == [page.code], report_text(report)


@pytest.mark.parametrize("page", GOOD, ids=lambda page: page.name)
def test_a_page_that_works_is_told_nothing(page: Served, named: Collector) -> None:
    report = report_of(page, named)
    assert report.findings == (), report_text(report)
    assert report.exit_code == 0


# One of each kind: in the page's answer, its snippet, its policies, and in the collector.
KNOWN = ("V001", "V010", "V012", "V015", "V021", "V030", "V034", "V051", "V060", "V071")
KNOWN_PAGES = [
    next(page for page in (*NOT_RUN, *COLLECTOR_FAULTS) if page.code == code) for code in KNOWN
]


@pytest.mark.parametrize("page", KNOWN_PAGES, ids=lambda page: f"{page.code}-{page.name}")
def test_the_browser_does_not_tell_again_what_is_known(
    page: NotRun, serve: Callable[[NotRun], Check], behind: Collector
) -> None:
    report = verified(serve(page), Access(db=behind.db))
    assert [one.code for one in report.problems] == [page.code], report_text(report)
    assert report.exit_code == 1
