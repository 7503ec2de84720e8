"""/metrics: of all processes together, also of those that were killed."""

import contextlib
import os
import re
import signal
import uuid
from concurrent.futures import ThreadPoolExecutor

import httpx

from ..support import Collector, wait_for


def value(collector: Collector, name: str) -> float:
    found = re.search(
        rf"^{re.escape(name)} (\S+)$", httpx.get(f"{collector.url}/metrics").text, re.M
    )
    assert found, name
    return float(found[1])


def body(source: str) -> dict[str, object]:
    return {"source": {"id": source}, "events": [{"id": str(uuid.uuid4()), "type": "a"}]}


def test_counts_of_killed_processes_are_kept(collector_of_two: Collector) -> None:
    collector = collector_of_two
    source = collector.add_source()
    events = f'thamesthrive_events_total{{reason="stored",source="{source}"}}'
    requests = f'thamesthrive_requests_total{{reason="stored",source="{source}"}}'
    for round_ in range(1, 4):
        wait_for(lambda: collector.post(body(source)).status_code == 200, "an event to be stored")
        for _ in range(9):
            assert collector.post(body(source)).status_code == 200
        assert value(collector, events) == round_ * 10
        wait_for(lambda r=round_: value(collector, requests) == r * 10, "requests to be counted")  # type: ignore[misc]
        for victim in collector.children():
            os.kill(victim, signal.SIGKILL)
        wait_for(lambda: len(collector.children()) == 3, "the processes to be replaced")

        def answers() -> bool:
            with contextlib.suppress(httpx.TransportError):
                return httpx.get(f"{collector.url}/ready").status_code == 200
            return False

        wait_for(answers, "a worker to answer")
    assert value(collector, events) == 30
    assert value(collector, requests) == 30
    assert value(collector, "thamesthrive_commit_events_sum") == 30
    assert value(collector, 'thamesthrive_commit_events_bucket{le="+Inf"}') <= 30


def test_what_waits_is_that_of_live_processes(collector_of_two: Collector) -> None:
    collector = collector_of_two
    source = collector.add_source()
    waiting = "thamesthrive_waiting_requests"

    def send() -> int:
        with contextlib.suppress(httpx.TransportError):
            return collector.post(body(source)).status_code
        return 0

    (writer,) = collector.children("writer")
    with ThreadPoolExecutor(20) as pool:
        os.kill(writer, signal.SIGSTOP)
        try:
            sent = [pool.submit(send) for _ in range(20)]
            wait_for(lambda: value(collector, waiting) == 20, "all to wait")
            assert value(collector, "thamesthrive_oldest_waiting_seconds") > 0
            for victim in collector.children("worker"):
                os.kill(victim, signal.SIGKILL)
            wait_for(lambda: value_or_none(collector, waiting) == 0, "nothing to wait")
            assert {answer.result() for answer in sent} == {0}
        finally:
            os.kill(writer, signal.SIGCONT)


def value_or_none(collector: Collector, name: str) -> float | None:
    with contextlib.suppress(httpx.TransportError):
        return value(collector, name)
    return None
