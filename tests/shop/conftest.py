"""The shop under test, and the browser to test it with."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserType

from collector.testing import TrackingCollector, TrackingSource

from .server import Shop, serve

ORDER_SCHEMA = {
    "type": "object",
    "required": ["order", "price", "currency", "items"],
    "properties": {
        "order": {"type": "string", "pattern": "^A-"},
        "price": {"type": "number", "minimum": 0},
        "currency": {"enum": ["EUR"]},
    },
}
RATING_SCHEMA = {"properties": {"stars": {"type": "integer", "minimum": 1, "maximum": 5}}}


@pytest.fixture(scope="session")
def tracking_source(collector: TrackingCollector) -> TrackingSource:
    source = collector.add_source("Sunny Side", bridges=["rest", "webhook"])
    collector.set_schema(source, "purchase-order", ORDER_SCHEMA)
    collector.set_schema(source, "rating", RATING_SCHEMA)
    return source


@pytest.fixture(scope="session")
def shop(tracking_source: TrackingSource) -> Iterator[Shop]:
    values = {
        "snippet": tracking_source.snippet(),
        "collector": tracking_source.collector,
        "source": tracking_source.id,
    }
    with serve(Shop(values)) as running:
        yield running


@pytest.fixture(scope="session")
def base_url(shop: Shop) -> str:
    return shop.url


@pytest.fixture(scope="session")
def browser_type_launch_args(
    browser_type_launch_args: dict[str, Any], browser_type: BrowserType
) -> dict[str, Any]:
    """Playwright's own browser where it is installed, the system's otherwise."""
    if Path(browser_type.executable_path).is_file():
        return browser_type_launch_args
    if browser_type.name == "firefox":
        system = {"channel": "moz-firefox", "executable_path": shutil.which("firefox-esr")}
        return {**browser_type_launch_args, **system}
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    names = ("chromium-headless-shell", "chromium", "google-chrome")
    chromium = next((found for name in names if (found := shutil.which(name))), None)
    return {**browser_type_launch_args, "executable_path": chromium, "args": sandbox}
