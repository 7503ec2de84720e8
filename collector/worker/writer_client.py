"""A worker's connection to the writer process: requests go out, results come back as futures."""

import asyncio
import logging
import socket
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

from msgspec import Struct

from ..errors import Overloaded, refusal
from ..ipc import BULK_AT_ONCE, Frames, WriteRequest, WriteResult

log = logging.getLogger("collector.writer_client")

# Seconds without a result after which the writer is in trouble and senders are to try again.
MAX_WAIT = 10.0
# Bytes of memory of the requests in a frame: the writer holds one of each worker at a time.
MAX_FRAME = 4 * 1024 * 1024
RECONNECT = 0.05  # seconds between attempts


# A request with more work waits here while as much as BULK_AT_ONCE of such work is with the writer.
SMALL = 32
REJECTED_WORK = 4  # of a rejected event: it has more indexes, and drives another one out


class _Pending(Struct, frozen=True):
    """A request whose result is awaited."""

    result: asyncio.Future[WriteResult]
    held: int  # bytes of memory
    submitted: float  # monotonic seconds
    work: int  # of a large request


class WriterClient(asyncio.Protocol):
    """Used from one event loop. What is submitted in one turn of the loop travels as one frame, or as
    a few if it is much."""

    def __init__(self, writer: socket.socket, *, max_bytes: int) -> None:
        """`writer`: where it takes its connections from. `max_bytes`: of requests without a result, above which
        more are refused."""
        writer.setblocking(False)
        self._writer = writer
        self._max_bytes = max_bytes
        self._bytes = 0
        self._number = 0
        self._pending: dict[int, _Pending] = {}
        self._outgoing: list[WriteRequest] = []
        self._outgoing_held = 0  # bytes of memory
        self._bulk: deque[WriteRequest] = deque()  # what waits for its turn
        self._bulk_work = 0  # of what is with the writer
        self._transport: asyncio.WriteTransport | None = None
        self._closing = False
        self._failing = False
        self._committed: float | None = None  # monotonic seconds

    async def open(self) -> None:
        """Connects, for as long as it takes: the writer may just be starting."""
        self._loop = asyncio.get_running_loop()
        while not self._transport:
            try:
                await self._loop.create_unix_connection(lambda: self, sock=self._pass_connection())
            except OSError:  # too many wait already, or there are no more descriptors
                await asyncio.sleep(RECONNECT)

    def _pass_connection(self) -> socket.socket:
        """Our end of a connection whose other end was given to the writer. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._writer, [b"\0"], [theirs.fileno()])
            except OSError:
                ours.close()
                raise
        return ours

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it is used from, once it is open."""
        return self._loop

    async def close(self) -> None:
        """Waits for the results of all that was submitted, then disconnects."""
        self._closing = True
        results = [pending.result for pending in self._pending.values()]
        await asyncio.gather(*results, return_exceptions=True)
        if self._transport:
            self._transport.close()

    def refuse_overdue(self) -> None:
        """Refuses requests that have waited too long.

        They may be stored yet; then a repeat is answered as a duplicate. Their bytes count until
        the writer has answered.
        """
        overdue = time.monotonic() - MAX_WAIT
        for pending in self._pending.values():
            if pending.submitted > overdue:
                return  # they are in the order of their submission
            if not pending.result.done():
                pending.result.set_exception(Overloaded())

    def refuse_all(self) -> None:
        """Refuses all that waits: this worker ends. As with overdue ones, they may be stored yet."""
        for pending in self._pending.values():
            if not pending.result.done():
                pending.result.set_exception(Overloaded())

    @property
    def waiting(self) -> tuple[int, int, float]:
        """Requests that wait for the disk, their bytes, and the seconds the first has waited."""
        first = next(iter(self._pending.values()), None)
        oldest = time.monotonic() - first.submitted if first else 0.0
        return len(self._pending), self._bytes, oldest

    @property
    def last_commit_age(self) -> float | None:
        """Seconds since this worker's last stored request; None if there was none yet."""
        return None if self._committed is None else round(time.monotonic() - self._committed, 3)

    @property
    def problem(self) -> str | None:
        """Why requests are not stored at present; None if they are."""
        if self._closing:
            return "stopping"
        if not self._transport:
            return "no writer"
        if self.waiting[2] > MAX_WAIT:
            return "the writer does not answer"
        return "the last request could not be stored" if self._failing else None

    def submit(self, request: WriteRequest, size: int, held: int) -> asyncio.Future[WriteResult]:
        """Sends a request to be stored.

        The future ends when its rows are on disk, or with the Refused that says why not. `size`:
        bytes that are written, about; `held`: bytes of memory until then. Raises Overloaded if too
        much waits already, or if there is no writer. What waits alone may be of any size.
        """
        if not self._transport or self._closing:
            raise Overloaded
        if self._bytes and self._bytes + held > self._max_bytes:
            raise Overloaded
        self._bytes += held
        self._number += 1
        request.number, request.size = self._number, size
        result: asyncio.Future[WriteResult] = self._loop.create_future()
        work = _work_of(request)
        request.work = work = work if work > SMALL else 0
        self._pending[self._number] = _Pending(result, held, time.monotonic(), work)
        if work:
            self._bulk.append(request)
            self._take_bulk()
        else:
            self._add(request)
        return result

    def _take_bulk(self) -> None:
        """Lets large requests go on, as many as may be with the writer, in their order."""
        while self._bulk:
            work = self._bulk[0].work
            if self._bulk_work and self._bulk_work + work > BULK_AT_ONCE:
                return
            self._bulk_work += work
            self._add(self._bulk.popleft())

    def _add(self, request: WriteRequest) -> None:
        if not self._outgoing:
            self._loop.call_soon(self._send)
        self._outgoing.append(request)
        self._outgoing_held += self._pending[request.number].held
        if self._outgoing_held > MAX_FRAME:
            self._send()

    def _send(self) -> None:
        requests, self._outgoing = self._outgoing, []
        self._outgoing_held = 0
        if requests and self._transport:
            self._transport.write(Frames.pack(requests))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.WriteTransport", transport)
        self._frames = Frames(WriteResult)

    def data_received(self, data: bytes) -> None:
        for result in self._frames.feed(data):
            self._settle(result)

    def connection_lost(self, exc: Exception | None) -> None:
        """Refuses all that waits. What the writer has stored of it is unknown, so nothing is
        acknowledged, and senders try again."""
        self._transport = None
        self._outgoing = []
        self._outgoing_held = 0
        self._bulk.clear()
        lost = list(self._pending)
        for number in lost:
            self._settle(WriteResult(number, refused=Overloaded.code))
        self._bulk_work = 0
        if not self._closing:
            log.warning("the writer has ended, %d requests were refused for now", len(lost))
            self._reconnecting = self._loop.create_task(self.open())

    def _settle(self, result: WriteResult) -> None:
        pending = self._pending.pop(result.number)
        self._bytes -= pending.held
        if pending.work:
            self._bulk_work -= pending.work
            self._take_bulk()
        self._failing = result.refused == Overloaded.code
        if pending.result.done():  # the sender has disconnected
            return
        if result.refused:
            pending.result.set_exception(
                refusal(result.refused, result.retry_after, result.refused_detail)
            )
        else:
            self._committed = time.monotonic()
            pending.result.set_result(result)


def _work_of(request: WriteRequest) -> int:
    payload = request.payload
    rejected = REJECTED_WORK * len(payload.rejected)
    return len(payload.events) + rejected + len(payload.known) + request.size // 512


def write_from_thread(
    loop: asyncio.AbstractEventLoop, writer: WriterClient
) -> Callable[[Sequence[WriteRequest]], Sequence[WriteResult]]:
    """A call that has the writer store requests, for a thread beside the event loop."""

    async def submit(requests: Sequence[WriteRequest]) -> list[WriteResult]:
        return await asyncio.gather(*(writer.submit(request, 0, 0) for request in requests))

    return lambda requests: asyncio.run_coroutine_threadsafe(submit(requests), loop).result()
