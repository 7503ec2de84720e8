from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from ..support import Collector
from .visitor import Site, Visitor


@pytest.fixture(scope="session")
def page_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that stays up, for pages that do nothing to it."""
    collector = Collector(tmp_path_factory.mktemp("pages"), workers=2).start()
    yield collector
    collector.end()


@pytest.fixture
def visitor(browser: Browser) -> Iterator[Visitor]:
    """A visitor with a browser profile of its own."""
    visitor = Visitor(browser)
    yield visitor
    visitor.leave()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A web site of another origin than the collector."""
    with Site(tmp_path / "site") as site:
        yield site
