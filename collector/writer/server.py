"""The writer process: takes what the workers have sent, commits it as one group, then answers.

The group forms by itself: what arrives during a commit is the next group. There is no timer, so an
idle collector answers at once, and a busy one shares each fsync among many requests. Large requests
have separate transactions, and all small ones that have come are stored before each of them.

Why a process: a writer thread beside an event loop fights it for the interpreter lock at each call
of SQLite (measured: a third of the requests per second), and several writers fight for the
database's. One process with nothing else to do has neither rival, and forms larger groups.
"""

import logging
import selectors
import signal
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from typing import cast

from ..cluster_secret import read_profile_ids
from ..errors import SettingsError
from ..ipc import BULK_AT_ONCE, Frames, Task, WriteRequest, WriteResult
from .counting import Counting
from .group import Writer
from .limits import Limits

log = logging.getLogger("collector.writer")

Received = list[tuple[socket.socket, WriteRequest]]

# In one transaction: bounds how long the first request of a group waits, and how long one sender's
# bulk delays the small requests of others.
MAX_GROUP = 512  # requests
MAX_GROUP_BYTES = 4 * 1024 * 1024
RECEIVE = 1024 * 1024  # bytes taken from a worker at a time
REPLY_TIMEOUT = 5.0  # seconds a worker may leave its results unread
EXPIRY_INTERVAL = 60.0  # seconds between looks for expired rows
FILE_INTERVAL = 0.5  # seconds between looks whether the file is still there, without requests


def run(task: Task, on_start: Callable[[], None]) -> None:
    """The body of the writer process. Calls `on_start` when it is set up, returns after SIGTERM."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    settings = task.settings
    limits = Limits(settings.source_quota_mb, settings.address_quota_mb)
    try:
        profile_ids = read_profile_ids(settings.cluster_secret)
        writer = Writer(settings.db, limits, task.database, profile_ids)
    except SettingsError as error:
        # It replaces a writer that has ended, and the secret was changed meanwhile.
        log.error("nothing is stored: %s", error)
        sys.exit(1)
    on_start()
    WriterServer(writer, socket.socket(fileno=task.descriptor)).run()
    writer.mark_end()
    writer.close()


class WriterServer:
    """Serves the workers whose connections come through `listener`, until SIGTERM."""

    def __init__(self, writer: Writer, listener: socket.socket) -> None:
        self._writer = writer
        self._selector = selectors.DefaultSelector()
        self._received = bytearray(RECEIVE)
        self._bulk: deque[tuple[socket.socket, WriteRequest]] = deque()  # large requests that wait
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)
        # A signal that arrives between two groups wakes the selector.
        self._wakeup, signaled = socket.socketpair()
        signaled.setblocking(False)
        self._signaled = signaled
        signal.set_wakeup_fd(signaled.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        self._selector.register(self._wakeup, selectors.EVENT_READ)

    def run(self) -> None:
        """Returns after SIGTERM. Workers have ended by then, so nothing waits."""
        expire_at = look_at = time.monotonic()
        counting = Counting(self._writer)
        while True:
            received: Received = []
            wait = 0 if self._bulk else min(expire_at, look_at, counting.wake_at) - time.monotonic()
            for key, _ in self._selector.select(max(0.0, wait)):
                if key.fileobj is self._wakeup:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    received += self._receive(cast("socket.socket", key.fileobj), key.data)
            self._bulk += [item for item in received if item[1].work]
            for group in groups_of([item for item in received if not item[1].work]):
                self._serve(group, counting)
            if self._bulk:
                self._serve(bulk_group_of(self._bulk), counting)
            counting.work()
            if time.monotonic() >= look_at:
                self._writer.look_at_file()
                look_at = time.monotonic() + FILE_INTERVAL
            if time.monotonic() >= expire_at:
                # A few rows at a time, between groups: what waits meanwhile waits for one small
                # transaction.
                more = self._writer.expire_rows()
                expire_at = time.monotonic() + (0 if more else EXPIRY_INTERVAL)

    def _accept(self) -> None:
        try:
            _, descriptors, _, _ = socket.recv_fds(self._listener, 1, 1)
        except BlockingIOError:
            return
        for descriptor in descriptors:
            worker = socket.socket(fileno=descriptor)
            worker.settimeout(REPLY_TIMEOUT)
            self._selector.register(worker, selectors.EVENT_READ, Frames(WriteRequest))

    def _receive(self, worker: socket.socket, frames: Frames[WriteRequest]) -> Received:
        try:
            size = worker.recv_into(self._received)
        except OSError:
            size = 0
        if not size:
            self._disconnect(worker)
        with memoryview(self._received) as received:
            return [(worker, request) for request in frames.feed(received[:size])]

    def _serve(self, received: Received, counting: Counting) -> None:
        results = self._writer.write([request for _, request in received])
        replies: dict[socket.socket, list[WriteResult]] = {}
        for (worker, _), result in zip(received, results, strict=True):
            replies.setdefault(worker, []).append(result)
        for worker, of_worker in replies.items():
            try:
                worker.sendall(Frames.pack(of_worker))
            except OSError as error:
                # The rows are stored. The worker has died, so its senders send again.
                log.warning("results could not be sent to a worker: %s", error)
                self._disconnect(worker)
        counting.stored(sum(len(request.payload.events) for _, request in received))

    def _disconnect(self, worker: socket.socket) -> None:
        if worker.fileno() >= 0:
            self._selector.unregister(worker)
            worker.close()


def bulk_group_of(waiting: deque[tuple[socket.socket, WriteRequest]]) -> Received:
    """Takes large requests for one transaction: the first, and as many as add up to
    BULK_AT_ONCE."""
    group = [waiting.popleft()]
    work = group[0][1].work
    while waiting and work + waiting[0][1].work <= BULK_AT_ONCE:
        work += waiting[0][1].work
        group.append(waiting.popleft())
    return group


def groups_of(received: Received) -> Iterator[Received]:
    """Splits requests into groups, in their order: each within MAX_GROUP and MAX_GROUP_BYTES, or a
    single request."""
    group: Received = []
    size = 0
    for item in received:
        if group and (len(group) >= MAX_GROUP or size + item[1].size > MAX_GROUP_BYTES):
            yield group
            group, size = [], 0
        group.append(item)
        size += item[1].size
    if group:
        yield group
