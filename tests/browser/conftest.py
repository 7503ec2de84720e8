"""The tests of healthy collectors are written as any user of the kit writes theirs: with pytest-playwright's
`page` and `context`, and with `tracking`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from collector import store
from collector.testing import Tracking, TrackingCollector, TrackingSource

from ..support import Collector
from .environment import Site


def for_tests(collector: Collector) -> TrackingCollector:
    """What the kit knows a collector by. It has to be one with `--qa`."""
    with collector.database() as database:
        _, token = store.create_token(database, "tests")
    return TrackingCollector(collector.url, token, collector.db)


@pytest.fixture(scope="session")
def page_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that stays up, for pages that do nothing to it."""
    collector = Collector(tmp_path_factory.mktemp("pages"), options=("--qa",)).start()
    yield collector
    collector.end()


@pytest.fixture(scope="session")
def tracking_collector(page_collector: Collector) -> TrackingCollector:
    return for_tests(page_collector)


@pytest.fixture
def head(tracking_source: TrackingSource) -> str:
    """The snippet of the source that all tests share: each knows its events by its run."""
    return tracking_source.snippet()


@pytest.fixture
def in_order(tracking: Tracking) -> None:
    """What is tracked first is stored first."""
    tracking.expect_delivery(in_order=True)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A web site of another origin than the collector."""
    with Site(tmp_path / "site") as site:
        yield site
