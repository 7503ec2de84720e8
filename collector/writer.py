"""The writer process: it takes whatever the workers have sent, commits it as one group, and only
then answers.

The group forms by itself: what arrives during a commit is the next group. There is no timer, so an
idle collector answers at once, and a busy one shares each fsync among many requests.

Why a process: a writer thread beside an event loop fights it for the interpreter lock at each call
of SQLite (measured: a third of the requests per second), and several writers fight for the
database's. One process with nothing else to do has neither rival, and forms larger groups.
"""

import logging
import selectors
import signal
import socket
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from . import identity, metrics
from .errors import Internal, Overloaded, RateLimited, UnknownSource
from .jobs import Frames, Job, Result
from .payload import Event
from .rates import Rates
from .store import connect
from .store.connection import BUSY_TIMEOUT
from .store.events import (
    EventRow,
    MissingSource,
    Repeats,
    insert_events,
    require_sources,
    stored_ids,
)
from .store.privacy import expire_some
from .store.rejected import Lane
from .store.tombstones import forgotten_ids

log = logging.getLogger("collector.writer")

MAX_GROUP = 512  # requests in one transaction: bounds how long the first of them waits
RECEIVE = 1024 * 1024  # bytes taken from a worker at a time
IMPATIENT_TIMEOUT = 0.1  # seconds
REPLY_PATIENCE = 5.0  # seconds a worker may leave its results unread
HOUSEKEEPING = 60.0  # seconds between looks for what has expired


class Writer:
    """Owns the write connection. Nothing else in the collector writes events."""

    def __init__(self, path: Path) -> None:
        """Raises sqlite3.Error if the database cannot be opened."""
        self._connection = connect(path)
        # What a row refers to is written in the same transaction, or looked up in it
        # (require_sources): to have SQLite look for each row again costs a tenth of the writer's
        # time.
        self._connection.execute("PRAGMA foreign_keys=OFF")
        self._patient = True
        self._failing = ""
        self._rates = Rates()
        self._lane = Lane()

    def close(self) -> None:
        self._connection.close()

    def write(self, group: Sequence[Job]) -> list[Result]:
        """Commits a group, but for requests of sources that have sent too much. Results come in the
        group's order."""
        limited = {
            job.number: result for job in group if job.rate_limit and (result := self._limit(job))
        }
        results = self._store(
            [job for job in group if job.number not in limited] if limited else group
        )
        if not limited:
            return results
        stored = iter(results)
        return [limited.get(job.number) or next(stored) for job in group]

    def tidy(self) -> bool:
        """Removes a little of what has expired. Returns whether there may be more."""
        try:
            return expire_some(self._connection) > 0
        except sqlite3.DatabaseError as error:
            log.warning("nothing was removed of what has expired: %s", error)
            return False

    def _limit(self, job: Job) -> Result | None:
        wait = self._rates.take(job.source_id, job.rate_limit or 0, len(job.payload.events))
        if not wait:
            return None
        return Result(job.number, refused=RateLimited.reason, retry_after=wait)

    def _store(self, group: Sequence[Job]) -> list[Result]:
        """If the database refuses a group for what is in it, each request stands alone."""
        if not group:
            return []
        started = time.perf_counter()
        try:
            results = self._commit(group)
        except (sqlite3.IntegrityError, sqlite3.DataError, MissingSource) as error:
            if len(group) > 1:
                return [result for job in group for result in self._store([job])]
            return [Result(group[0].number, refused=self._refusal(group[0], error))]
        except sqlite3.DatabaseError as error:
            # Busy, full, read-only, a failing disk: the fault is not in the requests, and they may
            # come again.
            self._fails(f"nothing is stored: {error}")
            return [Result(job.number, refused=Overloaded.reason) for job in group]
        self._fails("")
        self._count(group, results, time.perf_counter() - started)
        return results

    def _count(self, group: Sequence[Job], results: Sequence[Result], seconds: float) -> None:
        """What was committed; refusals are counted by the worker that answers them."""
        verdicts: dict[str, list[int]] = {}
        total = 0
        for job, result in zip(group, results, strict=True):
            counts = verdicts.get(job.source_id) or verdicts.setdefault(job.source_id, [0, 0, 0])
            events, duplicates = len(job.payload.events), len(result.duplicates)
            counts[0] += events - duplicates
            counts[1] += duplicates
            counts[2] += len(job.payload.rejected)
            total += events
        for source_id, (stored, duplicate, invalid) in verdicts.items():
            metrics.count_events(source_id, "stored", stored)
            metrics.count_events(source_id, "duplicate", duplicate)
            metrics.count_events(source_id, "invalid", invalid)
        metrics.count_commit(seconds, total)

    def _fails(self, cause: str) -> None:
        """After a failure the next groups fail fast, so that what has queued up behind it is not
        kept waiting in turn. One line in the log for each change of state."""
        if cause == self._failing:
            return
        log.warning("%s", cause or "storing works again")
        if bool(cause) != bool(self._failing):
            self._connection.execute(
                f"PRAGMA busy_timeout={1000 * (IMPATIENT_TIMEOUT if cause else BUSY_TIMEOUT):.0f}"
            )
        self._failing = cause

    def _refusal(self, job: Job, error: Exception) -> str:
        if isinstance(error, MissingSource):
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
            require_sources(connection, {job.source_id for job in group})
            results = self._rows(group, expect_repeats=expect_repeats)
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.rollback()
            raise
        return results

    def _rows(self, group: Sequence[Job], *, expect_repeats: bool) -> list[Result]:
        """Writes the rows of a group inside the caller's transaction. Raises Repeats as
        insert_events does."""
        connection = self._connection
        events_of = [job.payload.events for job in group]
        repeats_of: list[tuple[str, ...]] = [()] * len(group)
        old = forgotten_ids(connection, (e.id for events in events_of for e in events))
        if expect_repeats:
            old |= stored_ids(connection, (e.id for events in events_of for e in events))
        if old or expect_repeats:
            events_of, repeats_of = _sift(events_of, old)
        owners = identity.resolve(connection, group, [len(events) for events in events_of])
        rows: list[EventRow] = []
        rejected: list[tuple[Any, ...]] = []
        results = []
        for job, (session_id, profile_id, forged), events, repeats in zip(
            group, owners, events_of, repeats_of, strict=True
        ):
            payload, source_id, request_id, at = (
                job.payload,
                job.source_id,
                job.request_id,
                job.received_at,
            )
            ip, bot = job.ip, job.bot
            for e in events:
                rows.append(
                    (
                        e.id, e.type, source_id, session_id, profile_id, e.properties, e.context,
                        e.options, e.tags, e.extra, payload.request, request_id, e.occurred_at, at, ip, bot,
                    )
                )  # fmt: skip
            for r in payload.rejected:
                rejected.append(
                    (
                        r.reason,
                        r.detail,
                        r.id,
                        r.type,
                        source_id,
                        session_id,
                        profile_id,
                        job.origin,
                        r.payload,
                        request_id,
                        at,
                    )
                )
            missing = stored_missing(connection, job) if payload.known else ()
            results.append(
                Result(job.number, session_id, profile_id, repeats, missing, forged_profile=forged)
            )
        insert_events(connection, rows)
        if rejected:
            self._lane.insert(connection, rejected)
        return results


def _sift(
    events_of: list[tuple[Event, ...]], old: set[str]
) -> tuple[list[tuple[Event, ...]], list[tuple[str, ...]]]:
    """The events of each request that are new, and the ids of those that are not: stored before, or
    earlier in this group."""
    fresh, repeats = [], []
    for events in events_of:
        new = []
        for e in events:
            if e.id not in old:
                old.add(e.id)
                new.append(e)
        fresh.append(tuple(new))
        kept = {id(e) for e in new}
        repeats.append(tuple(e.id for e in events if id(e) not in kept))
    return fresh, repeats


def stored_missing(connection: sqlite3.Connection, job: Job) -> tuple[str, ...]:
    """Of the ids that the sender asks about, those that this source has not stored."""
    known = job.payload.known
    there = stored_ids(connection, known, job.source_id) | forgotten_ids(connection, known)
    return tuple(event_id for event_id in known if event_id not in there)


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
        """Returns when the supervisor has said stop; workers have gone by then, so nothing
        waits."""
        tidy_at = time.monotonic()
        while True:
            jobs: list[tuple[socket.socket, Job]] = []
            for key, _ in self._selector.select(max(0.0, tidy_at - time.monotonic())):
                if key.fileobj is self._alarm:
                    return
                if key.fileobj is self._listener:
                    self._accept()
                else:
                    jobs += self._receive(cast("socket.socket", key.fileobj), key.data)
            for start in range(0, len(jobs), MAX_GROUP):
                self._serve(jobs[start : start + MAX_GROUP])
            if time.monotonic() >= tidy_at:
                # A little at a time, between groups: what waits meanwhile waits for one small
                # transaction.
                tidy_at = time.monotonic() + (0 if self._writer.tidy() else HOUSEKEEPING)

    def _accept(self) -> None:
        try:
            worker, _ = self._listener.accept()
        except BlockingIOError:
            return
        worker.settimeout(REPLY_PATIENCE)
        self._selector.register(worker, selectors.EVENT_READ, Frames(Job))

    def _receive(
        self, worker: socket.socket, frames: Frames[Job]
    ) -> list[tuple[socket.socket, Job]]:
        try:
            data = worker.recv(RECEIVE)
        except OSError:
            data = b""
        if not data:
            self._drop(worker)
        return [(worker, job) for job in frames.feed(data)]

    def _serve(self, jobs: list[tuple[socket.socket, Job]]) -> None:
        replies: dict[socket.socket, list[Result]] = {}
        for (worker, _), result in zip(
            jobs, self._writer.write([job for _, job in jobs]), strict=True
        ):
            replies.setdefault(worker, []).append(result)
        for worker, results in replies.items():
            try:
                worker.sendall(Frames.pack(results))
            except OSError as error:
                # The rows are stored; a worker that cannot be told has died, and its senders come
                # again.
                log.warning("a worker could not be told its results: %s", error)
                self._drop(worker)

    def _drop(self, worker: socket.socket) -> None:
        if worker.fileno() >= 0:
            self._selector.unregister(worker)
            worker.close()
