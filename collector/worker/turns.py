"""Has requests that take long to read wait for each other, so that no other request waits for all of
them."""

import asyncio
from collections import deque

LARGE = 8 * 1024  # bytes on the wire; a smaller request is read within a millisecond
# Turns of the loop between two of them. A small request takes three, to be taken, read and sent to
# the writer, and three with its result; in each it may have to wait for a large one.
BETWEEN = 3


class Turns:
    """One for each worker. Whoever takes a turn goes on when it comes; between two of them, the
    event loop serves whatever has come."""

    def __init__(self) -> None:
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._is_taken = False

    async def take(self) -> None:
        """Returns when it is the caller's turn, which ends when the caller waits for something."""
        loop = asyncio.get_running_loop()
        if self._is_taken:
            waiting = loop.create_future()
            self._waiting.append(waiting)
            await waiting
        self._is_taken = True
        loop.call_soon(self._pass_on, loop, BETWEEN)

    def _pass_on(self, loop: asyncio.AbstractEventLoop, turns: int) -> None:
        if turns > 1:
            loop.call_soon(self._pass_on, loop, turns - 1)
            return
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():  # it is, if whoever waited has been cancelled
                waiting.set_result(None)
                return
        self._is_taken = False
