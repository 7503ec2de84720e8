"""A source that everything is sent to by hand."""

import json
import os
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from collector.testing import TestRecord, Tracking, TrackingCollector, TrackingSource

Send = Callable[..., int]


def pytest_tracking_record(record: TestRecord) -> None:
    """Keeps what was said for the test that has started this run."""
    with Path(os.environ["RECORDS"]).open("a", encoding="utf-8") as file:
        file.write(f"{json.dumps(record.as_dict())}\n")


@pytest.fixture(scope="session")
def tracking_source(collector: TrackingCollector) -> TrackingSource:
    source = collector.add_source("By hand")
    collector.set_schema(source, "rating", {"properties": {"stars": {"maximum": 5}}})
    return source


@pytest.fixture
def send(tracking: Tracking, tracking_source: TrackingSource) -> Send:
    """Sends one event, in a session; returns the status of the answer."""

    def send(
        type_: str, properties: dict[str, Any] | None = None, session: str = "", **event: Any
    ) -> int:
        body = {
            "source": {"id": event.pop("source", tracking_source.id)},
            "session": {"id": session or str(uuid.uuid4())},
            "events": [{"type": type_, "properties": properties or {}, **event}],
        }
        request = urllib.request.Request(
            f"{tracking_source.collector}/track",
            json.dumps(body).encode(),
            {"Content-Type": "application/json", **tracking.headers},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code

    return send
