"""How a worker ends: what has arrived is answered, within a second after the supervisor has said so."""

import asyncio
import signal
from collections.abc import Callable
from time import monotonic
from typing import Any, TypeVar

from sanic import Sanic

from ..errors import Overloaded
from .writer_client import WriterClient

T = TypeVar("T")

GRACE = 0.8  # seconds from the announcement of the end until what is not answered yet is refused
MIN_GRACE = 0.3  # seconds of it that remain when the worker stops listening
FLUSH = 0.2  # seconds for the last answers to be taken


class Stopping:
    """The end of a worker.

    It is announced first (`drain`): each answer closes its connection from then on. When the worker
    stops listening (`begin`), requests that have arrived are answered, and the rest of others is
    waited for. What is left after `seconds_left` is refused, so that it is sent again elsewhere, and
    connections whose clients have not taken their answers are cut FLUSH seconds later.
    """

    def __init__(self, app: Sanic[Any, Any], writer: WriterClient) -> None:
        self._app = app
        self._writer = writer
        self._announced: float | None = None  # monotonic seconds
        self._until = 0.0
        self._threads: set[asyncio.Future[Any]] = set()
        self._ended = asyncio.Event()

    def drain(self) -> None:
        """The end is announced."""
        if self._announced is None:
            self._announced = monotonic()
        self._app.ctx.draining = True
        self._app.config.KEEP_ALIVE = False

    def begin(self) -> None:
        """The worker stops listening."""
        self.drain()
        now = monotonic()
        self._until = max((self._announced or now) + GRACE, now + MIN_GRACE)
        self._app.config.GRACEFUL_SHUTDOWN_TIMEOUT = self.seconds_left + FLUSH
        asyncio.get_running_loop().call_later(self.seconds_left, self._end)

    @property
    def seconds_left(self) -> float:
        """Until what is not answered is refused."""
        return max(0.0, self._until - monotonic())

    async def in_thread(self, work: Callable[..., T], *arguments: Any) -> T:
        """Does something that takes long beside the event loop. Raises Overloaded if the worker ends
        before that is done."""
        if self._ended.is_set():
            raise Overloaded
        loop = asyncio.get_running_loop()
        is_gone = False

        def run() -> T | None:
            # What has not begun when its sender goes is not done.
            return None if is_gone else work(*arguments)

        done: asyncio.Future[Any] = loop.run_in_executor(None, run)
        self._threads.add(done)
        done.add_done_callback(self._threads.discard)
        ended: asyncio.Future[Any] = loop.create_task(self._ended.wait())
        try:
            await asyncio.wait((done, ended), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            is_gone = True
            raise
        finally:
            ended.cancel()
        if not done.done():
            raise Overloaded
        found: T = done.result()
        return found

    @property
    def has_threads(self) -> bool:
        """Whether something that was begun in a thread goes on. It is not waited for: what it does
        in the database is done in transactions, and can be done again."""
        return bool(self._threads)

    def _end(self) -> None:
        self._ended.set()
        self._writer.refuse_all()


class StopSignal:
    """Ends a worker on SIGTERM.

    Sanic's own handler stops the loop once, which is for nothing if that comes while the worker
    starts. This one stops it until the worker ends.
    """

    PAUSE = 0.05  # seconds: for what the worker does before its loop runs for good

    def __init__(self, app: Sanic[Any, Any]) -> None:
        self._app = app
        self._again: asyncio.TimerHandle | None = None

    def listen(self) -> None:
        """Takes the signal from now on. Called in the worker's loop."""
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, self._arm)

    def heard(self) -> None:
        """The worker is ending. The supervisor may say it again, which changes nothing."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if self._again:
            self._again.cancel()

    def _arm(self) -> None:
        if self._again:
            self._again.cancel()
        self._again = asyncio.get_running_loop().call_later(self.PAUSE, self._stop)

    def _stop(self) -> None:
        self._arm()
        self._app.stop(terminate=False)
