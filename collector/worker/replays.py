"""Replays in the background, which people watch: one of a source at a time in this process."""

import sqlite3
import threading
from contextlib import closing
from contextvars import copy_context
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from .. import store
from ..errors import InUse, Refused, StoreError
from ..event.timestamps import now
from .admission import Admission
from .replay import Replayed, Write, replay

MAX_KEPT = 200  # replays that have ended and can still be looked at
RUNNING, DONE, FAILED, STOPPED = "running", "done", "failed", "stopped"


@dataclass
class ReplayJob:
    """A replay. `source_id` and `type`: of what; None for all. `total`: how many rejected events there
    were at the start, of which `looked` are done. `state`: running, done, failed (`problem` says
    why; what was stored before stays stored), or stopped."""

    source_id: str | None
    type: str | None
    total: int
    looked: int = 0
    counts: Replayed = field(default_factory=Replayed)
    state: str = RUNNING
    problem: str = ""
    started_at: str = field(default_factory=now)
    ended_at: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The job as JSON-ready data."""
        return asdict(self)


class _Stopped(Exception):
    """Somebody has asked for the end of a replay."""


class Replays:
    """The replays of a process. Used from any thread."""

    def __init__(self, path: Path, write: Write) -> None:
        """`path`: of the database. `write`: has the writer store requests, called from other
        threads."""
        self._path = path
        self._write = write
        self._jobs: dict[str | None, ReplayJob] = {}  # the latest of each source
        self._lock = threading.Lock()
        self._stopping: set[str | None] = set()

    def start(self, source_id: str | None, event_type: str | None = None) -> ReplayJob:
        """Begins a replay, in the name of whoever acts here (`store.acting_as`). Returns at once.

        Raises InUse if one of the source is running, sqlite3.Error if the database cannot be read.
        """
        with closing(store.connect_readonly(self._path)) as connection:
            total = store.count_rejected(connection, source_id=source_id, type=event_type)
        job = ReplayJob(source_id, event_type, total)
        with self._lock:
            self._require_none(source_id)
            self._forget_oldest()
            self._jobs[source_id] = job
            self._stopping.discard(source_id)
        context = copy_context()
        threading.Thread(target=context.run, args=(self._run, job), daemon=True).start()
        return job

    def of(self, source_id: str | None) -> ReplayJob | None:
        """The latest replay of a source, or of all of them (None), if there was one."""
        return self._jobs.get(source_id)

    def stop(self, source_id: str | None) -> None:
        """Ends a replay after the events that are being stored. The rest stays rejected."""
        self._stopping.add(source_id)

    def _require_none(self, source_id: str | None) -> None:
        for job in self._jobs.values():
            of_same = source_id is None or job.source_id in (None, source_id)
            if of_same and job.state == RUNNING:
                raise InUse("A replay of these events is running. Wait for its end, or stop it.")

    def _forget_oldest(self) -> None:
        ended = [key for key, job in self._jobs.items() if job.state != RUNNING]
        for key in ended[: max(0, len(self._jobs) - MAX_KEPT)]:
            del self._jobs[key]

    def _run(self, job: ReplayJob) -> None:
        def progress(looked: int, counts: Replayed) -> None:
            job.looked, job.counts = looked, counts
            if job.source_id in self._stopping:
                raise _Stopped

        try:
            with (
                closing(store.connect(self._path)) as connection,
                closing(store.SourceCache(self._path)) as sources,
            ):
                job.counts = replay(
                    connection,
                    Admission(sources),
                    self._write,
                    source_id=job.source_id,
                    event_type=job.type,
                    progress=progress,
                )
            job.state = DONE
        except _Stopped:
            job.state = STOPPED
        except (Refused, StoreError, sqlite3.Error) as error:
            job.state, job.problem = FAILED, str(error)
        finally:
            if job.state == RUNNING:  # a mistake of ours, whose traceback is in the log
                job.state, job.problem = FAILED, "Internal error."
            job.ended_at = now()
