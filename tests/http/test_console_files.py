"""Files of the console: they are sent as they are read, however large they are."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from collector import store

from ..support import Collector

TEXT = "x" * 200_000
EVENTS = 150
MB = 1024 * 1024


@pytest.fixture
def admin(collector: Collector) -> Iterator[httpx.Client]:
    with collector.database() as database:
        _, secret = store.create_token(database, "admin", role="admin")
    with httpx.Client(base_url=f"{collector.url}/console", timeout=60) as client:
        assert client.post("/login", data={"token": secret}).status_code == 303
        yield client


def memory(collector: Collector) -> int:
    """The most that the console has ever had, in bytes."""
    (process,) = collector.children("collector.child\0console")
    status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) * 1024


def store_story(collector: Collector, events: int, text: str) -> str:
    """A visitor with many large events. Returns the profile's id."""
    source, profile = collector.add_source(), ""
    for number in range(events):
        event = {"type": "read", "properties": {"number": number, "text": text}}
        body = {"source": {"id": source}, "session": {"id": "long"}, "events": [event]}
        answer = collector.post(body)
        assert answer.status_code == 200, answer.text
        profile = str(answer.json()["profile"]["id"])
    return profile


def test_a_large_export_takes_no_memory_and_is_whole(
    collector: Collector, admin: httpx.Client
) -> None:
    profile = store_story(collector, EVENTS, TEXT)
    assert admin.get("/profiles", params={"profile": profile}).status_code == 200
    before = memory(collector)
    size, numbers, tables = 0, [], []
    with admin.stream("GET", "/profiles/export", params={"profile": profile}) as answer:
        assert answer.status_code == 200
        assert "attachment" in answer.headers["content-disposition"]
        for line in answer.iter_lines():
            row = json.loads(line)
            size += len(line)
            tables.append(row["table"])
            if row["table"] == "events":
                numbers.append(row["properties"]["number"])
    assert size > EVENTS * len(TEXT)
    assert numbers == [*range(EVENTS)]
    assert tables == ["profiles", "sessions", *["events"] * EVENTS]
    assert memory(collector) - before < 12 * MB


def test_who_stops_reading_a_file_keeps_nothing(collector: Collector, admin: httpx.Client) -> None:
    profile = store_story(collector, 40, TEXT)
    for _ in range(12):
        with admin.stream("GET", "/profiles/export", params={"profile": profile}) as answer:
            assert answer.status_code == 200
            next(answer.iter_bytes())
    whole = admin.get("/profiles/export", params={"profile": profile})
    assert len(whole.text.splitlines()) == 42


def test_a_small_file_and_one_of_nobody(collector: Collector, admin: httpx.Client) -> None:
    profile = store_story(collector, 2, "short")
    whole = admin.get("/profiles/export", params={"profile": profile})
    assert len(whole.text.splitlines()) == 4
    assert admin.head("/profiles/export", params={"profile": profile}).status_code == 200
    assert admin.get("/profiles/export", params={"profile": "nobody"}).status_code == 404
