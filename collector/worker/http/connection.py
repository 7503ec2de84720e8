"""A connection: reads requests strictly, serves `POST /track`, and has Sanic serve the rest.

Requests are cut out of what arrives here, so nothing that has two readings reaches Sanic, a request
has a deadline from its first byte, and one is served after the other. `POST /track` needs none of
what Sanic does for a request, which is two thirds of the time it takes.
"""

import asyncio
from functools import partial
from time import monotonic
from typing import Any

from sanic import Sanic
from sanic.exceptions import BadRequest
from sanic.http import Stage
from sanic.server.protocols.http_protocol import HttpProtocol

from ... import metrics
from ...errors import MalformedRequest, Overloaded, TooLarge
from ...event.limits import MAX_WIRE
from ..answer import Answer, refused
from ..pipeline import NO_SOURCE, Pipeline, failed
from .chunked import ChunkedBody, take_body
from .connections import FREE, Connections
from .console_door import ConsoleDoor
from .cors import cors_for, is_ingestion
from .head import HEAD_END, MAX_HEAD, Head, check_beginning, parse_head
from .responses import refusal_bytes, response_bytes

MAX_WAITING = 64 * 1024  # bytes behind the request that is served; reading pauses there
SANIC_FACTOR = 3  # copies of a request while Sanic serves it
LINGER = 2.0  # seconds to read a refusal in, for a sender that is still sending
LAST_LINGER = 0.1  # the same when the collector ends
NEW = 0.25  # seconds in which a new connection's first request is expected when the collector ends
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(HttpProtocol):
    """One connection of a worker. Made by Sanic for each that it accepts."""

    __slots__ = (
        "_answering",
        "_buffer",
        "_chunked",
        "_connections",
        "_deadline",
        "_door",
        "_has_sent",
        "_head",
        "_held",
        "_idle_check",
        "_is_discarding",
        "_is_paused",
        "_is_serving",
        "_is_unused",
        "_lingering",
        "_peer",
        "_pipeline",
        "_served_size",
    )

    transport: asyncio.Transport

    def __init__(self, *, app: Sanic[Any, Any], **options: Any) -> None:
        super().__init__(app=app, **options)
        self._pipeline: Pipeline = app.ctx.pipeline
        self._connections: Connections = app.ctx.connections
        self._door: ConsoleDoor = app.ctx.console_door
        self._buffer = bytearray()  # what has arrived, but for what is served
        self._head: Head | None = None  # of the request that is arriving
        self._chunked: ChunkedBody | None = None  # its body
        self._deadline: asyncio.TimerHandle | None = None
        self._idle_check: asyncio.TimerHandle | None = None
        self._has_sent = False  # a whole request, at any time
        self._held = 0  # bytes that are counted
        self._served_size = 0  # bytes of the request that is served, if they are counted
        self._is_serving = False
        self._is_unused = True  # nothing has arrived
        self._is_paused = False
        self._is_discarding = False  # no further request is read
        self._lingering: asyncio.TimerHandle | None = None
        self._answering: asyncio.Task[Answer] | None = None

    # What the event loop calls

    def connection_made(self, transport: Any) -> None:
        # Not HttpProtocol's, which would start Sanic's task: most connections need none.
        super(HttpProtocol, self).connection_made(transport)  # type: ignore[no-untyped-call]
        self.recv_buffer = bytearray()
        self._peer = str(self.conn_info.client_ip) if self.conn_info else ""
        transport.set_write_buffer_limits(low=0, high=FREE)
        self._time = monotonic()
        self._check_idle()
        self._connections.add(self, self._peer)

    def data_received(self, data: bytes) -> None:
        self._time = monotonic()
        self._is_unused = False
        if self._is_discarding:
            return
        self._buffer += data
        if not self._is_serving and self._can_write.is_set():
            self._read()
            return
        if len(self._buffer) > MAX_WAITING and not self._is_paused:
            self._is_paused = True
            self.transport.pause_reading()
        self._hold()

    def pause_writing(self) -> None:
        super().pause_writing()  # type: ignore[no-untyped-call]
        self._hold()

    def resume_writing(self) -> None:
        super().resume_writing()  # type: ignore[no-untyped-call]
        self._hold()
        if not self._is_serving and self.transport and not self.transport.is_closing():
            self._take_next()

    def connection_lost(self, exc: Exception | None) -> None:
        for timer in (self._deadline, self._idle_check, self._lingering):
            if timer:
                timer.cancel()
        self._connections.remove(self, self._peer)
        self._held = 0
        # What is being stored is stored all the same.
        super().connection_lost(exc)  # type: ignore[no-untyped-call]

    # Reading

    def _read(self) -> None:
        """Takes the next request out of the buffer, and serves it if all of it is there."""
        try:
            head = self._head or self._take_head()
            if head and self._door.is_asked_for(head.target):
                self._hand_over(head)
                return
            body = take_body(head, self._chunked, self._buffer) if head else None
        except MalformedRequest as error:
            self._refuse(400, f"{error}.")
            return
        except TooLarge as error:
            self._refuse_too_large(error)
            return
        if head is None or body is None:
            if not self._is_discarding:
                if self._deadline is None:
                    time_out = partial(self._refuse, 408, "Request Timeout.")
                    self._deadline = self.loop.call_later(self.request_timeout, time_out)
                self._hold()
            return
        self._cancel_deadline()
        self._head = self._chunked = None
        self._is_serving = self._has_sent = True
        is_track = head.target in self.app.ctx.track_targets and head.method == b"POST"
        size = len(head.raw) + len(body)
        if self._held or size > FREE:
            self._served_size = size if is_track else SANIC_FACTOR * size
            self._hold()
            if self._connections.is_full:
                self._is_serving = False
                self._refuse_overloaded(head)
                return
        if is_track:
            self._answer(head, body)
        else:
            self._pass_on(head, body)

    def _take_head(self) -> Head | None:
        """The head of the next request, None if it is incomplete or refused.

        Raises MalformedRequest, TooLarge.
        """
        buffer = self._buffer
        end = buffer.find(HEAD_END, 0, MAX_HEAD)
        if end < 0:
            check_beginning(buffer[:MAX_HEAD])
            if len(buffer) >= MAX_HEAD:
                raise TooLarge(f"More than {MAX_HEAD // 1024} KB of headers.")
            return None
        end += len(HEAD_END)
        head = self._head = parse_head(bytes(buffer[:end]))
        del buffer[:end]
        if head.chunked:
            self._chunked = ChunkedBody()
        if (expected := head.headers.get("expect")) is not None and head.version:
            if expected.lower() != "100-continue":
                self._refuse(417, "The only expectation is 100-continue.")
                return None
            if not buffer and head.length <= MAX_WIRE:
                self.transport.write(CONTINUE)
        return head

    def _cancel_deadline(self) -> None:
        if self._deadline:
            self._deadline.cancel()
            self._deadline = None

    # Serving

    def _hand_over(self, head: Head) -> None:
        """Gives the connection to the console, from this request on."""
        self._cancel_deadline()
        arrived = head.raw + bytes(self._buffer)
        self._buffer.clear()
        self._is_serving = self._is_discarding = True
        self._door.pass_on(self.transport, arrived, partial(self._refuse_overloaded, head))

    def _answer(self, head: Head, body: bytes) -> None:
        """Has the events of a request stored, and answers it then."""
        work = self._pipeline.track(head.headers, body, self._peer)
        self._answering = task = self.loop.create_task(work)
        # Not the head itself, which may be large.
        origin = head.headers.get("origin")
        task.add_done_callback(partial(self._finish_answer, origin, head.keep_alive))

    def _finish_answer(self, origin: str | None, keep: bool, task: asyncio.Task[Answer]) -> None:
        self._answering = None
        if task.cancelled() or not self.transport or self.transport.is_closing():
            return
        error = task.exception()
        answer = failed(error) if error else task.result()
        keep_alive = keep and not self._is_draining
        self.transport.write(response_bytes(origin, answer, keep_alive=keep_alive))
        self._time = monotonic()
        if keep_alive:
            self._go_on()
        else:
            self.close()

    def _pass_on(self, head: Head, body: bytes) -> None:
        """Has Sanic serve a request. It sees one at a time, with its length and all of it there."""
        has_body = head.length or head.chunked or "expect" in head.headers
        self._give_sanic(head.with_length(len(body)) + body if has_body else head.raw)

    def _give_sanic(self, request: bytes) -> None:
        self.recv_buffer += request
        if self._task is None:
            self._task = self.loop.create_task(self.connection_task())  # type: ignore[no-untyped-call]
        else:
            self._data_received.set()

    async def receive_more(self) -> None:
        """Called by Sanic when it has answered a request and waits for the next."""
        if self.http and self.http.stage is not Stage.IDLE:
            raise BadRequest  # it takes the request for a longer one than we do
        self._data_received.clear()
        if self._is_serving:
            self._go_on()
        await self._data_received.wait()

    def _go_on(self) -> None:
        """Turns to the next request."""
        self._is_serving = False
        self._served_size = 0
        if self._held:
            self._hold()
        if self._is_draining:
            self.close()
        else:
            self._take_next()

    def _take_next(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self.transport.resume_reading()
        if self._buffer and self._can_write.is_set():
            self._read()

    # Ending

    @property
    def is_served(self) -> bool:
        """Whether ending this connection would lose an answer that is read."""
        return self._is_serving and self._can_write.is_set()

    @property
    def owes(self) -> bool:
        """Whether the sender has to send more of a request, or to read an answer."""
        return not self._has_sent or self._deadline is not None or not self._can_write.is_set()

    def drop(self) -> None:
        """Ends the connection at once, whatever is on its way."""
        self._is_discarding = True
        self._buffer.clear()
        self._connections.remove(self, self._peer)
        self._held = 0
        self._cancel_deadline()
        self.transport.abort()

    def shed(self) -> bool:
        """Gives up what the connection holds, unless its request is being served."""
        if self.is_served and len(self._buffer) <= FREE:
            return False
        if self._is_serving or not self._can_write.is_set():
            self.drop()
        else:
            self._refuse_overloaded(self._head)
        return True

    def _hold(self) -> None:
        """Has counted what the connection holds, if it is more than a little."""
        size = len(self._buffer) + self._served_size
        size += len(self._chunked.body) if self._chunked else 0
        size += len(self._head.raw) if self._head else 0
        if not self._can_write.is_set() and self.transport:
            size += self.transport.get_write_buffer_size()
        size = size if size > FREE else 0
        if size != self._held:
            self._held = size
            self._connections.hold(self, size)

    @property
    def _is_draining(self) -> bool:
        return bool(self.signal.stopped or self.app.ctx.draining)

    def _refuse(self, status: int, detail: str) -> None:
        """Refuses the request that is arriving, and reads no other: where the next one would begin
        is unknown."""
        cors = {}
        if self._head and is_ingestion(self._head.target.decode(), self.app):
            cors = cors_for(self._head.headers.get("origin"))
        self._end_with(refusal_bytes(status, detail, cors))

    def _refuse_overloaded(self, head: Head | None) -> None:
        error = Overloaded()
        metrics.count_request(NO_SOURCE, error.code)
        if head and not is_ingestion(head.target.decode(), self.app):
            self._end_with(refusal_bytes(error.status, error.detail, {}))
            return
        origin = head.headers.get("origin") if head else None
        self._end_with(response_bytes(origin, refused(error), keep_alive=False))

    def _refuse_too_large(self, error: TooLarge) -> None:
        if self._head is None:
            metrics.count_request(NO_SOURCE, error.code)
            self._end_with(response_bytes(None, refused(error), keep_alive=False))
            return
        # Sanic refuses it by its length, without the body, in the words of the route.
        self._cancel_deadline()
        self._is_serving = self._is_discarding = True
        self._buffer.clear()
        self._give_sanic(self._head.with_length(max(self._head.length, MAX_WIRE + 1)))

    def _end_with(self, response: bytes) -> None:
        if not self.transport.is_closing():  # its end may not have been heard of yet
            self.transport.write(response)
        self._is_discarding = True
        self._head = self._chunked = None
        self._served_size = 0
        self._buffer.clear()
        self._hold()
        self.close()

    def _check_idle(self) -> None:
        """Closes the connection when nothing has come for long, and looks again if something has."""
        left = self.keep_alive_timeout - (monotonic() - self._time)
        if left <= 0 and not self._is_serving:
            self.close()
        else:
            self._idle_check = self.loop.call_later(max(left, 1.0), self._check_idle)

    def close_if_idle(self) -> bool:
        """Closes the connection unless a request is arriving or served; called at the end.

        One that was just made may have its first request on the way.
        """
        left = self.app.ctx.stopping.seconds_left
        if not (self._is_serving or self._head or self._buffer):
            left = min(left, self._time + NEW - monotonic()) if self._is_unused else 0
            if left <= 0:
                self.close()
                return True
        self.loop.call_later(left, self._give_up)
        return False

    def _give_up(self) -> None:
        """Refuses a request that has not arrived as a whole when the collector ends."""
        if self._is_serving or not self.transport or self.transport.is_closing():
            return  # it is answered, or has been
        left = self.app.ctx.stopping.seconds_left
        if not self._head and not self._buffer:
            self.close()
        elif left > 0:  # it was new, and has a request now
            self.loop.call_later(left, self._give_up)
        else:
            self._refuse_overloaded(self._head)

    def close(self, timeout: float | None = None) -> None:
        """Closes the connection, but gives a sender whose request was refused time to read that:
        closing while something arrives resets the connection, and the answer is lost."""
        self._cancel_deadline()
        transport = self.transport
        if self._is_discarding and not self._lingering and transport and not transport.is_closing():
            if transport.can_write_eof():
                transport.write_eof()
            seconds = LAST_LINGER if self.signal.stopped else LINGER
            self._lingering = self.loop.call_later(seconds, self.close)
        else:
            super().close(timeout)
