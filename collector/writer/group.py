"""The one transaction in which events are stored: a group of requests, committed together."""

import logging
import sqlite3
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from .. import metrics
from ..database_file import DatabaseFile
from ..errors import (
    Duplicate,
    Internal,
    Invalid,
    NewerDatabase,
    Overloaded,
    ReplacedDatabase,
    Stored,
    UnknownSource,
)
from ..event.types import Event
from ..ipc import WriteRequest, WriteResult
from ..profile_ids import ProfileIds
from ..store.cluster import require_cluster
from ..store.connection import BUSY_TIMEOUT, connect_writer, set_busy_timeout, transaction
from ..store.events import EventWriter, MissingSource, Repeated, stored_ids
from ..store.former_ids import renamed_sources
from ..store.keys import Keys
from ..store.migrations import refuse_newer
from ..store.rejected import (
    MAX_DETAIL,
    MAX_PAYLOAD,
    MAX_SHARED,
    RejectedEvent,
    RejectedWriter,
    take_rejected,
)
from ..store.retention import expire_rows, mark_end, paused
from ..store.rollups import RollUp
from ..store.sessions import add_dropped
from ..store.tombstones import forgotten_ids, has_tombstones
from .identity import Identities, KnownSessions, Owner
from .limits import Limits

log = logging.getLogger("collector.writer")

_COUNTED = (Stored.code, Duplicate.code, Invalid.code)

# What keeps everything from being written; the fault is not in the requests.
_TROUBLE = (sqlite3.DatabaseError, NewerDatabase, ReplacedDatabase)

FAILING_TIMEOUT = 0.1  # seconds to wait for a lock while nothing can be stored


class Writer:
    """Owns the write connection. Nothing else in the collector stores events."""

    def __init__(
        self,
        path: Path,
        limits: Limits | None = None,
        file: DatabaseFile | None = None,
        profile_ids: ProfileIds | None = None,
    ) -> None:
        """Raises sqlite3.Error if the database cannot be opened, SettingsError if it belongs to
        another secret. `limits`: by default those that sources have of their own. `file`: what is
        expected at the path; by default what is there. `profile_ids`: of the secret, if machines
        share one."""
        self._connection = connect_writer(path, refuse_newer)
        if profile_ids:  # a replay needs none: it makes no profiles
            require_cluster(self._connection, profile_ids.fingerprint)
        self._profile_ids = profile_ids
        self._file = file or DatabaseFile.at(path)
        self._problem = ""
        self._paused: str | None = None
        self._limits = limits or Limits()
        self._rejected = RejectedWriter()
        self._keys = Keys()
        self._sessions = KnownSessions()
        self._rollup = RollUp(self._connection)
        self._expired: dict[int, int] = {}  # up to which session, by source

    def close(self) -> None:
        self._connection.close()

    def mark_end(self) -> None:
        """Remembers when the collector ended, unless the database is in trouble."""
        set_busy_timeout(self._connection, FAILING_TIMEOUT)
        with suppress(*_TROUBLE):
            mark_end(self._connection)

    def write(self, group: Sequence[WriteRequest]) -> list[WriteResult]:
        """Commits a group, but for requests of sources that have sent too much.

        Results are in the group's order.
        """
        refusal, now = self._limits.refusal, time.monotonic()
        refusals = [refusal(request, now) for request in group]
        if not any(refusals):
            return self._store(group)
        # By their places: two workers may have used the same number.
        admitted = [r for r, refused in zip(group, refusals, strict=True) if refused is None]
        stored = iter(self._store(admitted))
        return [refused or next(stored) for refused in refusals]

    def look_at_file(self) -> None:
        """Says in the log when the file was removed or replaced, before a request comes."""
        try:
            self._file.require()
        except ReplacedDatabase as error:
            self._set_problem(f"nothing is stored: {error}")

    def expire_rows(self) -> bool:
        """Removes a few expired rows. Returns whether there may be more."""
        try:
            self._look_at_clock()
            removed = expire_rows(self._connection, self._expired)
        except _TROUBLE as error:
            log.warning("expired rows could not be removed: %s", error)
            return False
        if removed:
            self._sessions.clear()
            self._rollup.drop()
        return removed > 0

    def _look_at_clock(self) -> None:
        """Says in the log and in the metrics when the clock is not believed, and when it is again."""
        problem = paused(self._connection)
        if bool(problem) != bool(self._paused):
            log.warning("%s", problem or "rows are removed for their age again")
        self._paused = problem
        metrics.show_retention(paused=bool(problem))

    def read_uncounted(self, limit: int) -> bool:
        """Reads some of the events that are not in the rollups yet. Returns whether there are
        others."""
        try:
            return self._rollup.read(limit)
        except _TROUBLE as error:
            # They are stored, and counted when the database allows it again.
            log.warning("events could not be counted: %s", error)
            self._rollup.drop()
            return False

    def write_counts(self) -> bool:
        """Commits the counts of what was read. Returns false if it must be read again."""
        try:
            return self._rollup.write()
        except _TROUBLE as error:
            log.warning("events could not be counted: %s", error)
            return True  # with the next events

    @property
    def unwritten_counts(self) -> int:
        """How many rows `write_counts` has to write, about."""
        return self._rollup.rows

    def _store(self, group: Sequence[WriteRequest]) -> list[WriteResult]:
        """Commits a group. If the database refuses it for what is in it, each request is committed
        alone."""
        if not group:
            return []
        started = time.perf_counter()
        try:
            self._file.require()
            results = self._commit(group)
            self._file.require()  # else what was just stored is gone
        except (sqlite3.IntegrityError, sqlite3.DataError, MissingSource) as error:
            if len(group) > 1:
                return [result for request in group for result in self._store([request])]
            return [WriteResult(group[0].number, refused=_code_of(error, group[0]))]
        except _TROUBLE as error:
            # Busy, full, read-only, a failing disk, a newer database, another file: the fault is not in the
            # requests, so they may be sent again.
            self._set_problem(f"nothing is stored: {error}")
            return [WriteResult(request.number, refused=Overloaded.code) for request in group]
        self._set_problem("")
        _count(group, results, time.perf_counter() - started)
        return results

    def _set_problem(self, problem: str) -> None:
        """Remembers what keeps requests from being stored; empty if nothing does.

        While there is a problem, groups fail fast, so that what has queued up does not wait in
        turn. A change is one line in the log.
        """
        if problem == self._problem:
            return
        log.warning("%s", problem or "storing works again")
        if bool(problem) != bool(self._problem):
            set_busy_timeout(self._connection, FAILING_TIMEOUT if problem else BUSY_TIMEOUT)
        self._problem = problem

    def _commit(self, group: Sequence[WriteRequest]) -> list[WriteResult]:
        try:
            return self._transact(group, expect_repeats=False)
        except Repeated:
            return self._transact(group, expect_repeats=True)

    def _transact(
        self, group: Sequence[WriteRequest], *, expect_repeats: bool
    ) -> list[WriteResult]:
        try:
            with transaction(self._connection):
                self._sessions.begin(self._connection)
                ids = {request.source_id for request in group}
                if renamed := renamed_sources(self._connection, ids):
                    _rename(group, renamed)
                results = self._write_rows(group, expect_repeats=expect_repeats)
        except BaseException:
            self._keys.rollback()
            self._sessions.clear()
            raise
        self._keys.commit()
        self._sessions.commit()
        return results

    def _write_rows(
        self, group: Sequence[WriteRequest], *, expect_repeats: bool
    ) -> list[WriteResult]:
        """Writes a group's rows in the caller's transaction. Raises Repeated as `EventWriter`."""
        connection = self._connection
        events_of, repeats_of = self._new_events(group, expect_repeats=expect_repeats)
        identities = Identities(connection, self._keys, self._sessions, self._profile_ids)
        writer = EventWriter(connection, self._keys)
        rejected: list[RejectedEvent] = []
        results = []
        for request, events, repeats in zip(group, events_of, repeats_of, strict=True):
            owner = identities.owner_of(request)
            writer.add(request, owner.session, events)
            if request.payload.dropped and owner.session_id:
                add_dropped(connection, owner.session, _dropped(request, events))
            if request.payload.rejected:
                rejected += _rejected_rows(request, owner)
            results.append(
                WriteResult(
                    number=request.number,
                    session_id=owner.session_id,
                    profile_id=owner.profile_id,
                    duplicates=repeats,
                    missing=missing_ids(connection, request) if request.payload.known else (),
                    unknown_profile=owner.unknown_profile,
                    large_context=owner.large_context,
                )
            )
        writer.write()
        if rejected:
            self._rejected.insert(connection, rejected)
        return results

    def _new_events(
        self, group: Sequence[WriteRequest], *, expect_repeats: bool
    ) -> tuple[list[tuple[Event, ...]], list[tuple[str, ...]]]:
        """The events of each request that are to be stored, and the ids of those that are not.

        Looking ids up before storing them costs more than trying, so it is done only when repeats
        are expected, or events were forgotten.
        """
        connection = self._connection
        events_of = [request.payload.events for request in group]
        old: dict[str, set[str]] = {}  # source id → ids
        if expect_repeats or has_tombstones(connection):
            for source_id in {request.source_id for request in group}:
                ids = [e.id for r in group if r.source_id == source_id for e in r.payload.events]
                old[source_id] = forgotten_ids(connection, source_id, ids)
                old[source_id] |= stored_ids(connection, source_id, ids)
        replayed = [request.replays for request in group if request.replays is not None]
        gone = set(replayed) - take_rejected(connection, replayed) if replayed else set()
        if not old and not gone:
            return events_of, [()] * len(group)
        return _without(group, old, gone)


def _rename(group: Sequence[WriteRequest], renamed: Mapping[str, str]) -> None:
    """Gives requests the present ids of their sources."""
    for request in group:
        request.source_id = renamed.get(request.source_id, request.source_id)


def _without(
    group: Sequence[WriteRequest], old: dict[str, set[str]], gone: set[int]
) -> tuple[list[tuple[Event, ...]], list[tuple[str, ...]]]:
    """Splits each request's events into new ones, and ids that are old or came before in the
    group. `gone`: rejected events that somebody else has replayed or removed meanwhile."""
    new_of: list[tuple[Event, ...]] = []
    repeats_of: list[tuple[str, ...]] = []
    for request in group:
        if request.replays in gone:
            new_of.append(())
            repeats_of.append(tuple(event.id for event in request.payload.events))
            continue
        seen = old.setdefault(request.source_id, set())
        new, repeats = [], []
        for event in request.payload.events:
            if event.id in seen:
                repeats.append(event.id)
            else:
                seen.add(event.id)
                new.append(event)
        new_of.append(tuple(new))
        repeats_of.append(tuple(repeats))
    return new_of, repeats_of


def _dropped(request: WriteRequest, new: Sequence[Event]) -> int:
    """How many events were given up before the new ones. Repeats have been counted."""
    ids = {event.id for event in new}
    return sum(
        count for event_id, count in request.payload.dropped if not event_id or event_id in ids
    )


def _rejected_rows(request: WriteRequest, owner: Owner) -> list[RejectedEvent]:
    rejected, shared = request.payload.rejected, request.payload.request
    if shared and len(shared) * len(rejected) > MAX_SHARED:
        shared = None  # a replay can do without it, a disk cannot do with it hundreds of times
    return [
        RejectedEvent(
            reason=rejection.reason,
            detail=rejection.detail[:MAX_DETAIL],
            event_id=rejection.id,
            type=rejection.type,
            source_id=request.source_id,
            session_id=owner.session_id,
            profile_id=owner.profile_id,
            origin=request.sender.origin,
            ip=request.sender.ip,
            bot=request.sender.bot,
            payload=rejection.payload[:MAX_PAYLOAD],
            request=shared,
            request_id=request.request_id,
            received_at=request.received_at,
            last_seen_at=request.received_at,
            run=request.run,
        )
        for rejection in rejected
    ]


def missing_ids(connection: sqlite3.Connection, request: WriteRequest) -> tuple[str, ...]:
    """Of the ids that the sender asks about, those that this source has not stored."""
    known = request.payload.known
    source_id = request.source_id
    found = stored_ids(connection, source_id, known) | forgotten_ids(connection, source_id, known)
    return tuple(event_id for event_id in known if event_id not in found)


def _code_of(error: Exception, request: WriteRequest) -> str:
    if isinstance(error, MissingSource):
        return UnknownSource.code  # it was removed while the request waited
    log.error("request %s could not be stored: %s", request.request_id, error)
    return Internal.code


def _count(group: Sequence[WriteRequest], results: Sequence[WriteResult], seconds: float) -> None:
    """Counts what was committed. Refusals are counted by the worker that answers them."""
    counts: dict[str, list[int]] = {}
    total = 0
    for request, result in zip(group, results, strict=True):
        of_source = counts.get(request.source_id)
        if of_source is None:
            of_source = counts[request.source_id] = [0] * len(_COUNTED)
        events, duplicates = len(request.payload.events), len(result.duplicates)
        of_source[0] += events - duplicates
        of_source[1] += duplicates
        of_source[2] += len(request.payload.rejected)
        total += events
    for source_id, of_source in counts.items():
        for code, number in zip(_COUNTED, of_source, strict=True):
            metrics.count_events(source_id, code, number)
    metrics.count_commit(seconds, total)
