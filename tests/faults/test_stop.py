"""SIGTERM: whatever its clients do, a collector ends by itself. What has arrived is
answered, and what was acknowledged is stored."""

import contextlib
import json
import os
import sqlite3
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from collector import store
from collector.supervisor import STOP_TIMEOUT

from ..http.test_strict_http import Wire, event, get, post
from ..support import Collector, wait_for

pytestmark = pytest.mark.faults

SENDERS = 8
ROUNDS = 5 if os.environ.get("FAULTS") == "long" else 1


class Held:
    """Clients that would keep a connection open, for as long as they are let."""

    def __init__(self, collector: Collector, clients: contextlib.ExitStack) -> None:
        self.collector = collector
        self.clients = clients
        self.source = collector.add_source()
        with collector.database() as database:
            _, self.token = store.create_token(database, "test")
        self.over = threading.Event()
        self.pool = clients.enter_context(ThreadPoolExecutor(4))
        clients.callback(self.over.set)

    def wire(self) -> Wire:
        return self.clients.enter_context(Wire(self.collector))

    def idle(self) -> None:
        """Connections that have had their answer."""
        for _ in range(50):
            wire = self.wire()
            wire.send(post(event(self.source)))
            assert wire.answer().status == 200

    def silent(self) -> None:
        """Connections that have sent nothing yet."""
        for _ in range(50):
            self.wire()

    def half(self) -> None:
        """Requests of which the rest never comes."""
        request = post(event(self.source))
        for cut in (1, 30, len(request) - 1):
            for target in ("/track", "/track?cold", "/api/sources"):
                self.wire().send(post(event(self.source), target=target)[:cut])

    def dripping(self) -> None:
        """A sender of a byte at a time."""
        wire, request = self.wire(), post(event(self.source, more={"x": "x" * 2000}))
        wire.send(request[:40])

        def drip() -> None:
            for at in range(40, len(request)):
                if self.over.wait(0.05):
                    return
                wire.send(request[at : at + 1])

        self.pool.submit(drip)

    def deaf(self) -> None:
        """A client that asks and asks, and reads no answer."""
        wire = self.wire()
        wire.socket.settimeout(0.5)
        request = get("/docs/openapi.json")
        with contextlib.suppress(TimeoutError):
            while True:
                wire.socket.send(request * 1000)

    def locked_out(self) -> None:
        """A management call and an event that wait for another program's lock."""
        other = sqlite3.connect(self.collector.db, isolation_level=None, check_same_thread=False)
        self.clients.callback(other.close)
        other.execute("BEGIN IMMEDIATE")
        authorization = f"Authorization: Bearer {self.token}"
        self.wire().send(post(b'{"name": "New"}', authorization, target="/api/sources"))
        self.wire().send(post(event(self.source)))
        wait_for(lambda: waits(self.collector), "the event to wait for the lock")

    def reading(self) -> None:
        """Management calls that read all the time."""

        def read() -> None:
            headers = {"Authorization": f"Bearer {self.token}"}
            with contextlib.suppress(httpx.TransportError), httpx.Client(headers=headers) as client:
                while not self.over.is_set():
                    client.get(f"{self.collector.url}/api/events", params={"limit": 1000})

        for _ in range(2):
            self.pool.submit(read)


def waits(collector: Collector) -> bool:
    with Wire(collector) as wire:
        wire.send(get("/ready"))
        return bool(wire.answer().json()["waiting"]["requests"])


KINDS: dict[str, Callable[[Held], None]] = {
    "idle": Held.idle,
    "silent": Held.silent,
    "half": Held.half,
    "dripping": Held.dripping,
    "deaf": Held.deaf,
    "locked_out": Held.locked_out,
    "reading": Held.reading,
}


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_nobody_keeps_a_collector_from_ending(collector_of_two: Collector, kind: str) -> None:
    with contextlib.ExitStack() as clients:
        KINDS[kind](Held(collector_of_two, clients))
        assert collector_of_two.stop() == 0
    said = "\n".join(collector_of_two.log)
    assert "Traceback" not in said
    # Whom it cannot get rid of by itself, the supervisor kills in the end. A writer that waits for
    # a lock has nothing to finish.
    assert f"did not finish in {STOP_TIMEOUT} s" not in said


def test_what_has_half_arrived_is_refused_in_the_end(collector: Collector) -> None:
    source = collector.add_source()
    request = post(event(source), "Origin: https://shop.example.com")
    with Wire(collector) as wire, ThreadPoolExecutor(1) as pool:
        wire.send(request[:-1])
        stopped = pool.submit(collector.stop)
        answer = wire.answer()
        assert answer.status == 503
        assert answer.headers["X-Collector-Reason"] == "overloaded"
        assert answer.headers["Connection"] == "close"
        assert answer.headers["Access-Control-Allow-Origin"] == "https://shop.example.com"
        assert int(answer.headers["Retry-After"]) > 0
        assert stopped.result() == 0
    assert collector.events(source) == []


def test_what_cannot_be_stored_in_time_is_refused_and_may_come_again(collector: Collector) -> None:
    source = collector.add_source()
    body = event(source)
    with contextlib.ExitStack() as clients:
        held = Held(collector, clients)
        held.locked_out()
        wire = held.wire()
        wire.send(post(body))
        stopped = held.pool.submit(collector.stop)
        answer = wire.answer()
        assert (answer.status, answer.headers["X-Collector-Reason"]) == (503, "overloaded")
        assert stopped.result() == 0
    collector.start()
    assert collector.post(body).json()["events"] == [json.loads(body)["events"][0]["id"]]
    assert len(collector.events(source)) == 1


class Load:
    """Senders on kept connections. Each notes what was acknowledged, and how much was refused."""

    def __init__(self, collector: Collector, source: str) -> None:
        self.url = f"{collector.url}/track"
        self.source = source
        self.acknowledged: set[str] = set()
        self.refused = 0

    def send(self) -> None:
        with httpx.Client(timeout=20) as client:
            while True:
                name = str(uuid.uuid4())
                events = [{"id": f"{name}-{n}", "type": "a"} for n in range(3)]
                body = {"source": {"id": self.source}, "session": {"id": name}, "events": events}
                try:
                    answer = client.post(self.url, json=body)
                except httpx.ConnectError:
                    return  # it listens no more
                except httpx.TransportError:
                    continue  # it was not answered
                if answer.status_code == 200:
                    self.acknowledged.update(answer.json()["events"])
                else:
                    self.refused += 1


@contextlib.contextmanager
def load_on(collector: Collector) -> Iterator[Load]:
    load = Load(collector, collector.add_source())
    with ThreadPoolExecutor(SENDERS) as pool:
        senders = [pool.submit(load.send) for _ in range(SENDERS)]
        wait_for(lambda: len(load.acknowledged) > 500, "the load to run")
        yield load
        for sender in senders:
            sender.result()


@pytest.mark.faults
def test_sigterm_under_load_refuses_nobody(tmp_path: Path) -> None:
    """With the second in which answers say that the connection ends: `--drain-seconds` as it is by
    default."""
    collector = Collector(tmp_path, workers=2, options=("--drain-seconds", "1")).start()
    for _ in range(ROUNDS):
        with load_on(collector) as load:
            assert collector.stop() == 0
        assert f"did not finish in {STOP_TIMEOUT} s" not in "\n".join(collector.log)
        stored = [row["id"] for row in collector.events(load.source)]
        assert set(stored) >= load.acknowledged
        assert len(stored) == len(set(stored))
        assert load.refused == 0
        # Some may have been cut off: a connection that the kernel has made, and no worker has taken
        # yet, is reset when the last worker stops listening. Its sender tries again.
        collector.start()
