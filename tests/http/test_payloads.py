"""Requests recorded from another tracker that speaks this protocol, and from our own: accepted,
with the stated results."""

import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from ..support import Collector

TESTS = Path(__file__).parent.parent
RECORDED = [
    *sorted((TESTS / "recordings" / "tracardi").glob("*.json")),
    *sorted((TESTS / "recordings" / "thamesthrive").glob("*.json")),
]


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_recorded_requests_are_accepted(shared_collector: Collector, path: Path) -> None:
    source = shared_collector.add_source()
    # A session of this run's own: two layouts of workers replay the same file.
    recording: dict[str, Any] = json.loads(path.read_text())
    expected: list[str] = []
    for request in recording["requests"]:
        expect = request["expect"]
        if "body" in request:
            request["body"]["source"]["id"] = source
        answer = httpx.request(
            request["method"],
            shared_collector.url + request["path"],
            headers=request["headers"],
            content=json.dumps(request["body"]) if "body" in request else None,
        )
        assert answer.status_code in (
            expect["status"] if isinstance(expect["status"], list) else [expect["status"]]
        )
        if "access-control-allow-origin" in expect:
            assert (
                answer.headers["access-control-allow-origin"]
                == expect["access-control-allow-origin"]
            )
        expected += expect.get("stored_types", [])
    rows = shared_collector.events(source)
    assert [row["type"] for row in rows] == expected != []
    assert len({row["profile_id"] for row in rows}) == 1
