"""kill -9 under load, restart, count: every acknowledged event is stored, none twice, and nobody
repaired anything."""

import asyncio
import contextlib
import json
import os
import random
import signal
import uuid
from pathlib import Path

import httpx
import pytest

from collector import store

from ..support import Collector, run_async, wait_for

LONG = os.environ.get("FAULTS") == "long"
ROUNDS = 25 if LONG else 6  # for each layout and each kind of kill that follows
SENDERS = 12


class Load:
    """Senders that post batches as fast as they are answered, like trackers that retry nothing, and
    note what was promised."""

    def __init__(self, collector: Collector, source: str) -> None:
        self.collector = collector
        self.source = source
        self.acknowledged: set[str] = set()
        self.sent = 0

    async def run(self, stop: asyncio.Event) -> None:
        async with httpx.AsyncClient(timeout=5) as client:
            await asyncio.gather(
                *(self._send(client, stop, f"{self.source}-{number}") for number in range(SENDERS))
            )

    async def _send(self, client: httpx.AsyncClient, stop: asyncio.Event, session: str) -> None:
        while not stop.is_set():
            events = [
                {"id": str(uuid.uuid4()), "type": "load", "properties": {"n": n}} for n in range(3)
            ]
            body = {"source": {"id": self.source}, "session": {"id": session}, "events": events}
            self.sent += 3
            with contextlib.suppress(httpx.TransportError):
                answer = await client.post(f"{self.collector.url}/track", content=json.dumps(body))
                if answer.status_code == 200:
                    self.acknowledged.update(answer.json()["events"])
                    continue
            await asyncio.sleep(0.01)


def kill_under_load(collector: Collector, load: Load, victims: str) -> None:
    """Lets the load run until enough was acknowledged, kills in the middle of it, and waits for the
    senders to notice."""

    async def scenario() -> None:
        stop = asyncio.Event()
        running = asyncio.create_task(load.run(stop))
        goal = len(load.acknowledged) + random.randint(30, 300)
        while len(load.acknowledged) < goal:
            await asyncio.sleep(0.001)
        if victims == "everything":
            collector.kill()
        else:
            os.kill(collector.children(victims)[0], signal.SIGKILL)
            again = len(load.acknowledged) + 60
            async with asyncio.timeout(30):  # the rest goes on, or comes back, by itself
                while len(load.acknowledged) < again:
                    await asyncio.sleep(0.01)
        stop.set()
        await running

    run_async(scenario())


def check(collector: Collector, load: Load) -> None:
    stored = [row["id"] for row in collector.events(load.source)]
    assert load.acknowledged <= set(stored), (
        f"{len(load.acknowledged - set(stored))} acknowledged events are lost"
    )
    assert len(stored) == len(set(stored))
    assert len(stored) <= load.sent
    assert collector.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    assert collector.rows("PRAGMA foreign_key_check") == []
    with contextlib.closing(store.connect_readonly(collector.db)) as connection:
        assert store.check_database(connection) == []  # the rollups, too


@pytest.mark.faults
@pytest.mark.parametrize("workers", [1, 2])
def test_kill_9_of_everything(tmp_path: Path, workers: int) -> None:
    collector = Collector(tmp_path, workers=workers)
    load = Load(collector, collector.add_source())
    for _ in range(ROUNDS):
        collector.start()
        kill_under_load(collector, load, "everything")
        check(collector, load)
    collector.start()
    assert (
        collector.post({"source": {"id": load.source}, "events": [{"type": "after"}]}).status_code
        == 200
    )
    assert len(load.acknowledged) >= ROUNDS * 30
    assert collector.stop() == 0


@pytest.mark.faults
@pytest.mark.parametrize("victims", ["writer", "worker"])
def test_kill_9_of_one_process_while_the_others_go_on(tmp_path: Path, victims: str) -> None:
    collector = Collector(tmp_path, workers=2).start()
    load = Load(collector, collector.add_source())
    for _ in range(ROUNDS if LONG else 5):
        kill_under_load(collector, load, victims)
        wait_for(lambda: len(collector.children()) == 3, "the killed process to be replaced")
    check(collector, load)
    assert collector.stop() == 0


@pytest.mark.faults
def test_a_batch_sent_again_after_a_crash_makes_no_second_row(collector: Collector) -> None:
    """What a browser does when the connection breaks: the same bytes again, whether or not they
    were stored."""
    source = collector.add_source()
    events = [{"id": str(uuid.uuid4()), "type": "a"} for _ in range(50)]
    body = {"source": {"id": source}, "session": {"id": source}, "events": events}
    for _ in range(5):
        with contextlib.suppress(httpx.TransportError):
            collector.post(body)
        collector.kill()
        collector.start()
    assert collector.post(body).json()["duplicate"] is True
    assert [row["id"] for row in collector.events(source)] == [event["id"] for event in events]
