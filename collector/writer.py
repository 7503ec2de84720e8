"""The writer process: it takes whatever the workers have sent, commits it as one group, and only then answers.

The group forms by itself: what arrives during a commit is the next group. There is no timer, so an idle collector answers
at once, and a busy one shares each fsync among many requests.

Why a process: a writer thread beside an event loop fights it for the interpreter lock at each call of SQLite (measured: a
third of the requests per second), and several writers fight for the database's. One process with nothing else to do has
neither rival, and forms larger groups.
"""

import logging
import selectors
import signal
import socket
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from . import identity
from .errors import Internal, Overloaded, UnknownSource
from .jobs import Frames, Job, Result
from .store import connect
from .store.connection import BUSY_TIMEOUT
from .store.events import EventRow, Repeats, insert_events, insert_rejected, stored_ids

log = logging.getLogger("collector.writer")

MAX_GROUP = 512  # requests in one transaction: bounds how long the first of them waits
RECEIVE = 1024 * 1024  # bytes taken from a worker at a time
IMPATIENT_TIMEOUT = 0.1  # seconds
REPLY_PATIENCE = 5.0  # seconds a worker may leave its results unread


class Writer:
    """Owns the write connection. Nothing else in the collector writes."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error if the database cannot be opened."""
        self._connection = connect(path)
        self._patient = True

    def close(self) -> None:
        self._connection.close()

    def write(self, group: Sequence[Job]) -> list[Result]:
        """Commits a group. If the database refuses it for what is in it, each request stands alone."""
        try:
            results = self._commit(group)
            self._wait_for_lock(patient=True)
            return results
        except sqlite3.OperationalError as error:
            # Busy, full, read-only, failing disk: the fault is not in the requests, and they may come again.
            log.warning("nothing was stored of %d requests: %s", len(group), error)
            self._wait_for_lock(patient=False)
            return [Result(job.number, refused=Overloaded.reason) for job in group]
        except sqlite3.Error as error:
            if len(group) > 1:
                return [result for job in group for result in self.write([job])]
            return [Result(group[0].number, refused=self._refusal(group[0], error))]

    def _wait_for_lock(self, *, patient: bool) -> None:
        """After a failure the next groups fail fast, so that what has queued up behind it is not kept waiting in turn."""
        if patient != self._patient:
            self._patient = patient
            self._connection.execute(f"PRAGMA busy_timeout={1000 * (BUSY_TIMEOUT if patient else IMPATIENT_TIMEOUT):.0f}")

    def _refusal(self, job: Job, error: sqlite3.Error) -> str:
        if not self._connection.execute("SELECT 1 FROM sources WHERE id = ?", [job.source_id]).fetchone():
            return UnknownSource.reason  # it was removed while the request waited
        log.error("request %s could not be stored: %s", job.request_id, error)
        return Internal.reason

    def _commit(self, group: Sequence[Job]) -> list[Result]:
        try:
            return self._transact(group, expect_repeats=False)
        except Repeats:
            return self._transact(group, expect_repeats=True)

    def _transact(self, group: Sequence[Job], *, expect_repeats: bool) -> list[Result]:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            results = store_group(connection, group, expect_repeats=expect_repeats)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return results


def store_group(connection: sqlite3.Connection, group: Sequence[Job], *, expect_repeats: bool) -> list[Result]:
    """Writes the rows of some requests inside the caller's transaction. Raises Repeats as insert_events does."""
    owners = identity.resolve(connection, group)
    rows: list[EventRow] = []
    rejected: list[tuple[Any, ...]] = []
    for job, (session_id, profile_id) in zip(group, owners, strict=True):
        payload, source_id, request_id, at = job.payload, job.source_id, job.request_id, job.received_at
        for e in payload.events:
            rows.append(
                (
                    e.id, e.type, source_id, session_id, profile_id, e.properties, e.context,
                    e.options, e.tags, e.extra, payload.request, request_id, e.occurred_at, at,
                )
            )  # fmt: skip
        for r in payload.rejected:
            rejected.append((r.reason, r.detail, r.id, r.type, source_id, r.payload, request_id, at))
    repeated = insert_events(connection, rows, expect_repeats=expect_repeats)
    insert_rejected(connection, rejected)
    return [
        Result(
            job.number,
            session_id,
            profile_id,
            frozenset(e.id for e in job.payload.events if e.id in repeated) if repeated else frozenset(),
            _missing(connection, job),
        )
        for job, (session_id, profile_id) in zip(group, owners, strict=True)
    ]


def _missing(connection: sqlite3.Connection, job: Job) -> tuple[str, ...]:
    if not job.payload.known:
        return ()
    stored = stored_ids(connection, job.payload.known, job.source_id)
    return tuple(known for known in job.payload.known if known not in stored)


class Loop:
    """Serves the workers that connect to `listener`, until SIGTERM."""

    def __init__(self, writer: Writer, listener: socket.socket) -> None:
        self._writer = writer
        self._selector = selectors.DefaultSelector()
        listener.setblocking(False)
        self._listener = listener
        self._selector.register(listener, selectors.EVENT_READ)
        # A signal that arrives between two groups wakes the selector.
        self._alarm, self._bell = socket.socketpair()
        self._bell.setblocking(False)
        signal.set_wakeup_fd(self._bell.fileno())
        signal.signal(signal.SIGTERM, lambda *_: None)
        self._selector.register(self._alarm, selectors.EVENT_READ)

    def run(self) -> None:
        """Returns when the supervisor has said stop; workers have gone by then, so nothing waits."""
        while True:
            jobs: list[tuple[socket.socket, Job]] = []
            for key, _ in self._selector.select():
                if key.fileobj is self._alarm:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    jobs += self._receive(cast("socket.socket", key.fileobj), key.data)
            for start in range(0, len(jobs), MAX_GROUP):
                self._serve(jobs[start : start + MAX_GROUP])

    def _accept(self) -> None:
        try:
            worker, _ = self._listener.accept()
        except BlockingIOError:
            return
        worker.settimeout(REPLY_PATIENCE)
        self._selector.register(worker, selectors.EVENT_READ, Frames(Job))

    def _receive(self, worker: socket.socket, frames: Frames[Job]) -> list[tuple[socket.socket, Job]]:
        try:
            data = worker.recv(RECEIVE)
        except OSError:
            data = b""
        if not data:
            self._drop(worker)
        return [(worker, job) for job in frames.feed(data)]

    def _serve(self, jobs: list[tuple[socket.socket, Job]]) -> None:
        replies: dict[socket.socket, list[Result]] = {}
        for (worker, _), result in zip(jobs, self._writer.write([job for _, job in jobs]), strict=True):
            replies.setdefault(worker, []).append(result)
        for worker, results in replies.items():
            try:
                worker.sendall(Frames.pack(results))
            except OSError as error:
                # The rows are stored; a worker that cannot be told has died, and its senders come again.
                log.warning("a worker could not be told its results: %s", error)
                self._drop(worker)

    def _drop(self, worker: socket.socket) -> None:
        if worker.fileno() >= 0:
            self._selector.unregister(worker)
            worker.close()
