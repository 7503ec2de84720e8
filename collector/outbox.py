"""A worker's side of the way to the writer process: jobs go out, results come back as futures."""

import asyncio
import logging
import time
from pathlib import Path
from typing import cast

from .errors import Internal, Overloaded, RateLimited, Refused, UnknownSource
from .jobs import Frames, Job, Result
from .payload import Payload
from .store import Source

log = logging.getLogger("collector.outbox")

MAX_WAIT = (
    10.0  # seconds without a result: the writer is in trouble, and senders are told to come again
)
RECONNECT = 0.05  # seconds between attempts; the writer's socket outlives the writer
_REFUSALS: dict[str, type[Refused]] = {
    kind.reason: kind for kind in (Overloaded, UnknownSource, Internal)
}


class Outbox(asyncio.Protocol):
    """Used from one event loop. What is submitted during one turn of the loop travels as one
    frame."""

    def __init__(self, address: Path, *, max_bytes: int) -> None:
        """`address`: the writer's socket. `max_bytes`: of requests without an answer, before
        senders are told to come again."""
        self._address = address
        self._max_bytes = max_bytes
        self._bytes = 0
        self._number = 0
        self._waiting: dict[int, tuple[asyncio.Future[Result], int, float]] = {}
        self._outgoing: list[Job] = []
        self._transport: asyncio.WriteTransport | None = None
        self._closing = False
        self._failing = False
        self._committed: float | None = None  # monotonic seconds

    async def open(self) -> None:
        """Connects, for as long as it takes: the writer may just be starting."""
        self._loop = asyncio.get_running_loop()
        while not self._transport:
            try:
                await self._loop.create_unix_connection(lambda: self, str(self._address))
            except OSError:
                await asyncio.sleep(RECONNECT)

    async def close(self) -> None:
        """Waits for the results of all that was submitted, then disconnects."""
        self._closing = True
        await asyncio.gather(
            *(done for done, _, _ in self._waiting.values()), return_exceptions=True
        )
        if self._transport:
            self._transport.close()

    def give_up(self) -> None:
        """Tells the senders of requests that wait for too long to come again. They may be stored
        yet, then a repeat is answered as a duplicate; their bytes count until the writer has
        answered."""
        late = time.monotonic() - MAX_WAIT
        for done, _, submitted in self._waiting.values():
            if submitted > late:
                return  # they stand in the order of their coming
            if not done.done():
                done.set_exception(Overloaded())

    @property
    def waiting(self) -> tuple[int, int, float]:
        """Requests that wait for the disk, their bytes, and for how many seconds the first of them
        has waited."""
        first = next(iter(self._waiting.values()), None)
        return len(self._waiting), self._bytes, time.monotonic() - first[2] if first else 0.0

    @property
    def last_commit_age(self) -> float | None:
        """Seconds since this worker last heard that something is on disk; None if it has not
        yet."""
        return None if self._committed is None else round(time.monotonic() - self._committed, 3)

    @property
    def trouble(self) -> str | None:
        """Why requests are not stored at present; None if they are."""
        if self._closing:
            return "stopping"
        if not self._transport:
            return "no writer"
        if self.waiting[2] > MAX_WAIT:
            return "the writer does not answer"
        return "the last request could not be stored" if self._failing else None

    def submit(
        self,
        payload: Payload,
        source: Source,
        request_id: str,
        received_at: str,
        size: int,
        *,
        origin: str | None = None,
        ip: str | None = None,
        bot: bool = False,
    ) -> asyncio.Future[Result]:
        """Sends a request to be stored; the future ends when its rows are on disk, or with the
        Refused that says why not.

        `size`: bytes of the request, which count until it ends. Raises Overloaded if too much waits
        already, or if there is nobody to write.
        """
        if not self._transport or self._closing or self._bytes + size > self._max_bytes:
            raise Overloaded
        self._bytes += size
        self._number += 1
        done: asyncio.Future[Result] = self._loop.create_future()
        self._waiting[self._number] = done, size, time.monotonic()
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(
            Job(
                self._number,
                source.id,
                source.static_profiles,
                source.rate_limit,
                request_id,
                received_at,
                origin,
                ip,
                bot,
                payload,
            )
        )
        return done

    def _send(self) -> None:
        jobs, self._outgoing = self._outgoing, []
        if self._transport:
            self._transport.write(Frames.pack(jobs))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._frames = Frames(Result)

    def data_received(self, data: bytes) -> None:
        for result in self._frames.feed(data):
            self._end(result.number, result)

    def connection_lost(self, exc: Exception | None) -> None:
        """The writer has gone. Nobody knows what it still stored, so nothing is acknowledged, and
        senders come again."""
        self._transport = None
        self._outgoing = []
        lost = list(self._waiting)
        for number in lost:
            self._end(number, Result(number, refused=Overloaded.reason))
        if not self._closing:
            log.warning("the writer has gone, %d requests were told to come again", len(lost))
            self._reconnecting = self._loop.create_task(self.open())

    def _end(self, number: int, result: Result) -> None:
        done, size, _ = self._waiting.pop(number)
        self._bytes -= size
        self._failing = result.refused == Overloaded.reason
        if done.done():  # the sender has gone
            return
        if not result.refused:
            self._committed = time.monotonic()
            done.set_result(result)
        elif result.refused == RateLimited.reason:
            done.set_exception(RateLimited(result.retry_after))
        else:
            done.set_exception(_REFUSALS[result.refused]())
