from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from ..support import Collector
from .looker import Looker


@pytest.fixture(scope="session")
def console_collector(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Collector]:
    """A collector that stays up, for tests with sources of their own."""
    collector = Collector(tmp_path_factory.mktemp("console"), workers=2).start()
    yield collector
    collector.end()


@pytest.fixture
def looker(browser: Browser, console_collector: Collector) -> Iterator[Looker]:
    """Somebody who is logged in and may change everything."""
    with Looker(browser, console_collector) as found:
        yield found
