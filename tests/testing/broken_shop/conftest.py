"""A shop of its own for each mutation, with a source of its own."""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext

from collector.testing import TestRecord, TrackingCollector, TrackingSource
from tests.shop.conftest import (
    ORDER_SCHEMA,
    RATING_SCHEMA,
    browser_type_launch_args,  # noqa: F401
)
from tests.shop.server import PAGES, Shop, serve

from .mutations import Mutation


def pytest_tracking_record(record: TestRecord) -> None:
    """Keeps what was said of each mutation for the test that has started this run."""
    with Path(os.environ["RECORDS"]).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(record.as_dict())}\n")


@pytest.fixture
def tracking_source(collector: TrackingCollector, mutation: Mutation) -> TrackingSource:
    source = collector.add_source("Sunny Side", bridges=["rest", "webhook"])
    collector.set_schema(source, "purchase-order", ORDER_SCHEMA)
    collector.set_schema(source, "rating", RATING_SCHEMA)
    mutation.prepare(collector, source)
    return source


@pytest.fixture
def shop(tracking_source: TrackingSource, mutation: Mutation, tmp_path: Path) -> Iterator[Shop]:
    pages = tmp_path / "pages"
    shutil.copytree(PAGES, pages)
    for name, (old, new) in mutation.changes.items():
        text = (pages / name).read_text(encoding="utf-8")
        assert old in text, f"{mutation.name}: {name} has no {old!r}"
        (pages / name).write_text(text.replace(old, new), encoding="utf-8")
    values = {
        "snippet": tracking_source.snippet(),
        "collector": tracking_source.collector,
        "source": tracking_source.id,
    }
    made = Shop({**values, **mutation.values}, pages, mutation.headers)
    if mutation.loses_run:
        refund = made.refund
        made.refund = lambda order, run: refund(order, None)  # type: ignore[method-assign]
    with serve(made) as running:
        yield running


@pytest.fixture(scope="session")
def base_url() -> None:
    """Each test has a shop of its own: see `context`."""


@pytest.fixture
def context(
    new_context: Callable[..., BrowserContext], shop: Shop, mutation: Mutation
) -> BrowserContext:
    made = new_context(base_url=shop.url)
    if mutation.blocked:
        made.route(mutation.blocked, lambda route: route.abort("blockedbyclient"))
    if mutation.script:
        made.add_init_script(mutation.script)
    return made


@pytest.fixture
def arguments(request: pytest.FixtureRequest, tracking: Any) -> dict[str, Any]:
    """All that the shop's tests ask for."""
    return {"tracking": tracking, "shop": request.getfixturevalue("shop")}
