"""What a waiting request is counted as is at least what it takes, whatever its shape."""

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from collector.errors import InvalidEnvelope
from collector.event import parse
from collector.event.types import Payload
from collector.ipc import Frames, SenderInfo, WriteRequest
from collector.worker.pipeline import REQUEST_BYTES, Incoming, memory_of, parsed

SOURCE = "ee2db027-46cf-4034-a759-79f1c930f80d"
WIDE = "😀" + "x" * 1000  # four bytes a character in Python, one in the body


def body(*events: Any, **more: Any) -> bytes:
    whole = {"source": {"id": SOURCE}, **more, **({"events": events} if events else {})}
    return json.dumps(whole, separators=(",", ":"), ensure_ascii=False).encode()


def keys(value: str, number: int = 30_000) -> dict[str, str]:
    return {f"{n:x}": value for n in range(number)}


ALL_PARTS = {"properties": {"a": 1}, "context": {"b": 1}, "options": {"c": 1}, "tags": ["d"]}
BODIES = {
    "nothing but the source": body(),
    "three events": body(*[{"type": "page-view", "properties": {"a": "x" * 200}}] * 3),
    "tiny events": body(*[{"type": "a"}] * 500),
    "events with all parts": body(*[{"type": "a", **ALL_PARTS, "x": 1}] * 500),
    "wide events": body(*[{"type": "ä", "properties": {"t": WIDE}, "x": "😀"}] * 500),
    "one wide event": body({"type": "a", "properties": {"t": WIDE * 300}}),
    "events that are none": body(*[[]] * 500),
    "wrong events": body(*[{"type": ""}] * 500),
    "wide wrong events": body(*[{"type": "", "t": WIDE}] * 500),
    "times that are none": body(*[{"type": "a", "time": {"create": "x"}}] * 500),
    "nested lists": body({"type": "a", "properties": {"a": [[]] * 100_000}}),
    "many keys": body({"type": "a", "properties": keys("")}),
    "unknown keys": body(**keys("")),
    "wide unknown keys": body(**keys("😀", 20_000)),
    "a campaign in a wide context": body({"type": "a"}, context={"utm": {"a": WIDE * 300}}),
    "ids that are asked about": body(known=[f"{n:03x}" for n in range(1000)]),
}


def read(incoming: Incoming) -> Payload:
    return parse.parse(incoming.body, incoming.request_id, incoming.received)


def waiting(sent: bytes) -> list[Any]:
    """All that is held of a request, and first what it is counted as."""
    incoming = Incoming("rest", None, "127.0.0.1", "", len(sent), body=sent)
    payload = parsed(incoming, read)
    assert not isinstance(payload, InvalidEnvelope)
    request = WriteRequest(
        SOURCE, incoming.request_id, incoming.received.text, SenderInfo(), payload
    )
    return [memory_of(incoming, payload, len(sent)), incoming, request, Frames.pack([request])]


@contextmanager
def taken(work: Callable[[], object]) -> Iterator[Callable[[], int]]:
    """Gives a function that says how many bytes were taken since, and are held. `work` is done once
    before, for what is made once."""
    tracemalloc.start()
    try:
        work()
        gc.collect()
        before = tracemalloc.get_traced_memory()[0]

        def held() -> int:
            gc.collect()
            return tracemalloc.get_traced_memory()[0] - before

        yield held
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", BODIES)
def test_a_request_takes_no_more_than_it_is_counted_as(name: str) -> None:
    sent = BODIES[name]

    def measured() -> tuple[int, int]:
        with taken(lambda: waiting(sent)) as size:
            counted, *held = waiting(sent)
            found = size()
        assert held
        return found, counted

    # The least of three: threads that read what other collectors say take memory, too.
    found, counted = min(measured() for _ in range(3))
    assert found <= counted
    # Nor is it counted as much more: else little could wait.
    assert counted <= 5 * found + 2 * REQUEST_BYTES


def test_what_waits_to_be_kept_as_wrong_holds_nothing_of_the_parser() -> None:
    sent = body(session=1, **keys(""))
    incoming = Incoming("rest", None, "127.0.0.1", "", len(sent), body=sent)
    with taken(lambda: parsed(incoming, read)) as size:
        wrong = parsed(incoming, read)
        assert size() < 100_000
    assert isinstance(wrong, InvalidEnvelope)
