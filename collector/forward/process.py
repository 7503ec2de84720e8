"""A forwarder's process: one destination of a running collector."""

import contextlib
import logging
import os
import select
import signal
import socket
import sqlite3
import sys
from types import FrameType

from ..errors import StoreError
from ..ipc import Task
from ..targets import parse_targets
from .destination import destination_for
from .forwarder import Forwarder
from .lock import lock_destination

log = logging.getLogger("collector.forward")

LAST_SECONDS = 1.0  # for the batch on its way, before the system ends the process
NICENESS = 10  # ingestion goes first where there are not enough cores


def run(task: Task) -> None:
    """The body of the process. Returns after SIGTERM, when the batch on its way has arrived."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    target = next(t for t in parse_targets(task.settings.forward) if t.name == task.destination)
    stop = Stop()
    with lock_destination(task.settings.db, target.name, stop.wait) as is_locked:
        if not is_locked:
            return
        try:
            forwarder = Forwarder(task.settings.db, target, destination_for(target))
        except (StoreError, sqlite3.Error) as error:
            log.error("%s: nothing is sent: %s", target.name, error)
            sys.exit(1)
        with contextlib.closing(forwarder):
            forwarder.run(stop.wait)


class Stop:
    """SIGTERM and SIGINT as something to wait for."""

    def __init__(self) -> None:
        # A handler interrupts anywhere, so it only writes a byte.
        self._signals, self._signaled = socket.socketpair()
        self._signaled.setblocking(False)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):  # full of signals that came before
            self._signaled.send(bytes([number]))
        # A store that has stopped answering holds up nobody's end: what it has not confirmed is sent
        # again.
        signal.setitimer(signal.ITIMER_REAL, LAST_SECONDS)

    def wait(self, seconds: float) -> bool:
        """Waits for so many seconds, or until a signal has come. Returns whether one has."""
        return bool(select.select([self._signals], [], [], seconds)[0])
