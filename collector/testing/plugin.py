"""The pytest plugin: options, fixtures, and what happens at the end of a test.

It is loaded into every run of pytest where the package is installed, so it imports nothing beyond
pytest until a test asks for one of its fixtures.
"""

import os
import re
import time
import uuid
from collections.abc import Callable, Generator, Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .record import TestRecord
    from .server import TrackingCollector, TrackingSource
    from .session import Session
    from .tracking import AsyncTracking, Tracking
    from .watcher import Watcher

TOKEN = "THAMESTHRIVE_TOKEN"  # noqa: S105 - the variable's name
# The name of the entry point has to be this module's: so it is loaded once, also beside `-p`.
NAME = "collector.testing.plugin"
SESSION: "pytest.StashKey[tuple[Session, Any]]" = pytest.StashKey()
OUTCOME: "pytest.StashKey[str]" = pytest.StashKey()


class Hooks:
    """What other plugins and `conftest.py` can implement."""

    @pytest.hookspec
    def pytest_tracking_record(self, record: "TestRecord") -> None:
        """Called for each test that used the kit, after it has ended: in the controlling process with
        xdist, in the only one without."""


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """Adds the kit's own hooks."""
    pluginmanager.add_hookspecs(Hooks)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the kit's options."""
    group = parser.getgroup("tracking", "ThamesThrive: tests of tracking")
    group.addoption(
        "--tracking-collector",
        metavar="URL",
        help=f"Use the collector at this address, started with --qa, in place of one of the run's own. {TOKEN} has its token.",
    )
    group.addoption(
        "--tracking-source",
        metavar="ID",
        help="Use this source in place of one that is made for the run.",
    )
    group.addoption(
        "--tracking-timeout",
        metavar="SECONDS",
        type=float,
        default=5.0,
        help="How long expectations wait for what has yet to come. 5 by default.",
    )
    group.addoption(
        "--tracking-update", action="store_true", help="Write snapshots instead of comparing them."
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers what passes records on."""
    config.pluginmanager.register(_Records(config), f"{NAME}.records")


@pytest.fixture(scope="session")
def tracking_collector(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> "Iterator[TrackingCollector]":
    """The collector that `tracking` asks: `--tracking-collector`, or one that is started."""
    from .server import TrackingCollector, started

    url = request.config.getoption("--tracking-collector")
    if not url:
        with started(tmp_path_factory.mktemp("tracking")) as own:
            yield own
        return
    given = TrackingCollector(url, os.environ.get(TOKEN))
    if not given.offers_runs():
        raise pytest.UsageError(
            f"The collector at {url} has no /qa/runs for us: start it with `thamesthrive serve --qa`,"
            f" and set {TOKEN} if it is on another machine."
        )
    yield given


@pytest.fixture(scope="session")
def collector(tracking_collector: "TrackingCollector") -> "TrackingCollector":
    """A collector for tests: one that is started for the session, or `--tracking-collector`."""
    return tracking_collector


@pytest.fixture(scope="session")
def tracking_source(
    request: pytest.FixtureRequest, tracking_collector: "TrackingCollector"
) -> "TrackingSource":
    """The source that the site under test sends to: one of the session's own, or
    `--tracking-source`."""
    from .server import TrackingSource

    given = request.config.getoption("--tracking-source")
    if given:
        return TrackingSource(given, tracking_collector.url)
    return tracking_collector.add_source("Tests")


@pytest.fixture
def tracking(
    request: pytest.FixtureRequest,
    tracking_collector: "TrackingCollector",
    tracking_source: "TrackingSource",
) -> "Iterator[Tracking]":
    """The events of this test, and what is expected of them. Bound to the fixtures `page` or `context`
    if the test has one."""
    from .drive import Driver
    from .tracking import Tracking

    bound = _browser_fixtures(request)
    session, watcher, record = _session(request, tracking_collector, tracking_source)
    driver = Driver(tracking_collector.client, watcher, record, _api(request) if bound else None)
    folder = request.path.parent / "snapshots"
    update = request.config.option.tracking_update
    made = Tracking(session, driver, folder, update=update)
    # Set up before `tracking`, and so torn down after it. To bind a context takes longer once it has a page.
    for name in bound:
        made.attach(request.getfixturevalue(name))
    request.node.stash[SESSION] = session, driver
    yield made
    driver.run(session.collect())
    driver.close()


@pytest.fixture
def async_tracking(
    request: pytest.FixtureRequest,
    tracking_collector: "TrackingCollector",
    tracking_source: "TrackingSource",
) -> "Callable[..., AsyncTracking]":
    """The same for tests with `await`: `async with async_tracking(page) as tracking:`. Without a page,
    it is for server-side senders."""
    from .drive import AsyncDriver
    from .tracking import AsyncTracking

    session, watcher, record = _session(request, tracking_collector, tracking_source)
    driver: AsyncDriver = AsyncDriver(tracking_collector.client, watcher, record)
    folder = request.path.parent / "snapshots"
    update = request.config.option.tracking_update
    request.node.stash[SESSION] = session, None

    def bind(*pages_or_contexts: Any) -> AsyncTracking:
        return AsyncTracking(session, driver, folder, pages_or_contexts, update=update)

    return bind


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Judges at the end of a test, as a part of it: so that it fails, and not its teardown."""
    result = yield
    session, driver = pyfuncitem.stash.get(SESSION, (None, None))
    if session and driver:
        from .failure import ExpectationFailed

        try:
            driver.run(session.finish())
        except ExpectationFailed as failed:
            # No line of the test is to blame, so none is shown.
            raise pytest.fail.Exception(str(failed), pytrace=False) from None
    return result


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Passes on what was recorded, with the report of the teardown."""
    report = yield
    session, _ = item.stash.get(SESSION, (None, None))
    if session is None:
        return report
    record = session.record
    if report.outcome != "passed" or not record.outcome:
        record.outcome = report.outcome
    if report.failed and not record.failure:
        record.failure = report.longreprtext
    if report.when == "teardown":
        record.ended_at = time.time()
        report.user_properties += [
            ("tracking_run", record.run),
            ("tracking_events", len(record.events)),
            ("tracking_rejected", len(record.rejected)),
        ]
        report.tracking_record = record.as_dict()  # type: ignore[attr-defined]
    return report


class _Records:
    """Calls the hook with each test's record, in the process that hears of all tests."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data = getattr(report, "tracking_record", None)
        if data is not None and not hasattr(self._config, "workerinput"):
            from .record import TestRecord

            self._config.hook.pytest_tracking_record(record=TestRecord.from_dict(data))


def _browser_fixtures(request: pytest.FixtureRequest) -> list[str]:
    """The names of those that the test has."""
    return [name for name in ("context", "page") if name in request.fixturenames]


def _api(request: pytest.FixtureRequest) -> Callable[[], Any] | None:
    """What makes an APIRequestContext of Playwright, which keeps its browsers going while it waits."""
    if "playwright" not in request.fixturenames:
        return None
    make: Callable[[], Any] = request.getfixturevalue("playwright").request.new_context
    return make


def _session(
    request: pytest.FixtureRequest, collector: "TrackingCollector", source: "TrackingSource"
) -> "tuple[Session, Watcher, TestRecord]":
    from .record import TestRecord
    from .run import Run
    from .session import Session
    from .watcher import Watcher

    run = run_id(request.node.name)
    record = TestRecord(request.node.nodeid, run, source.id, collector.url, started_at=time.time())
    watcher = Watcher(run, collector.url)
    within = request.config.option.tracking_timeout
    again = collector.show_command(run)
    session = Session(
        Run(run, source.id, collector.url), watcher, record, within=within, again=again
    )
    return session, watcher, record


def run_id(test: str) -> str:
    """A new run id for each call, which contains the test's name."""
    name = re.sub(r"[^A-Za-z0-9]+", "-", test.removeprefix("test_")).strip("-")[:40]
    return f"{name or 'test'}-{uuid.uuid4().hex[:12]}"
