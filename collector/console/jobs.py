"""Questions that take longer than a page may: each is answered in its own thread, while
the pages show its progress.

A few are answered at a time, and the others wait for them. One that nobody looks at any more is
given up, as is one that somebody has stopped.
"""

import logging
import secrets
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from ..errors import Overloaded, StoreError
from ..store import connect_readonly

log = logging.getLogger("collector.console")

MAX_RUNNING = 2
MAX_JOBS = 20  # with those that wait, and answers that are kept
MAX_OF_SESSION = 6  # that are not answered yet
KEPT_SECONDS = 300.0  # of an answer: for its file, and for those who come back
UNSEEN_SECONDS = 60.0  # after which nobody looks any more
LEFT_SECONDS = 5.0  # the same for somebody who has asked something else meanwhile
SHOWN_SECONDS = 1.0  # between two looks at what has been found so far
INSTRUCTIONS = 100_000  # of SQLite between two looks at whether it is to end: a few milliseconds


class Work(Protocol):
    """What a job does. `steps` yields how much is done, and of how much; `rows` is what has been found
    so far."""

    def steps(self) -> Iterator[tuple[int, int]]: ...

    def rows(self) -> list[Any]: ...


Begin = Callable[[sqlite3.Connection], Any]  # a context manager that gives Work


@dataclass(eq=False)
class Job:
    """A question that is being answered. What it says may be read at any time.

    `owner`: the session that asked. `rows`: the answer, or a part of it; `is_done`: all of it.
    `error`: why there is none; `is_stopped`: somebody has stopped it. `seconds`: how long it took.
    """

    owner: str
    key: object
    id: str = field(default_factory=lambda: secrets.token_urlsafe(9))
    done: int = 0
    total: int = 0
    rows: list[Any] = field(default_factory=list)
    is_done: bool = False
    is_stopped: bool = False
    is_shown: bool = False  # the whole answer, to whoever asked
    error: str = ""
    seconds: float = 0.0
    began: float = field(default_factory=time.monotonic)
    seen: float = field(default_factory=time.monotonic)
    ended: threading.Event = field(default_factory=threading.Event)
    stopping: threading.Event = field(default_factory=threading.Event)

    @property
    def part(self) -> float:
        """How much of the work is done, of 1."""
        return min(1.0, self.done / self.total) if self.total else 0.0

    def must_end(self) -> bool:
        """Whether nobody wants the answer any more."""
        return self.stopping.is_set() or time.monotonic() - self.seen > UNSEEN_SECONDS


class Jobs:
    """All questions that are being answered."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._jobs: list[Job] = []
        self._turn = threading.Semaphore(MAX_RUNNING)

    def ask(self, owner: str, key: object, begin: Begin, wait: float, *, again: bool) -> Job:
        """The job of a question, which is begun if there is none, once it has ended or after some
        seconds. `again`: an answer that was shown already is not good enough. Raises Overloaded."""
        with self._lock:
            job = self._find(owner, key)
            if job is None or (again and job.is_shown):
                job = self._begin(owner, key, begin)
        job.seen = time.monotonic()
        job.ended.wait(wait)
        job.seen = time.monotonic()
        return job

    def find(self, owner: str, key: object) -> Job | None:
        """The job of a question that was asked before; None if there is none any more."""
        with self._lock:
            job = self._find(owner, key)
        if job is not None:
            job.seen = time.monotonic()
        return job

    def stop(self, owner: str, job_id: str) -> None:
        """Ends a job of a session, if there is one."""
        with self._lock:
            for job in self._jobs:
                if (job.owner, job.id) == (owner, job_id):
                    job.is_stopped = True
                    job.stopping.set()

    def _find(self, owner: str, key: object) -> Job | None:
        now = time.monotonic()
        self._jobs = [
            job
            for job in self._jobs
            if not job.ended.is_set()
            or (job.is_done and now - job.seen < KEPT_SECONDS)
            or (job.error and not job.is_shown and now - job.seen < KEPT_SECONDS)
        ]
        for job in self._jobs:
            if (job.owner, job.key) == (owner, key) and not job.stopping.is_set():
                return job
        return None

    def _begin(self, owner: str, key: object, begin: Begin) -> Job:
        now = time.monotonic()
        for job in self._jobs:
            if job.owner == owner and now - job.seen > LEFT_SECONDS:
                job.stopping.set()
        self._jobs = [job for job in self._jobs if (job.owner, job.key) != (owner, key)]
        if (
            sum(job.owner == owner and not job.ended.is_set() for job in self._jobs)
            >= MAX_OF_SESSION
        ):
            raise Overloaded(
                f"{MAX_OF_SESSION} of your questions are still being answered. Wait for one, or stop it."
            )
        while len(self._jobs) >= MAX_JOBS:
            kept = [job for job in self._jobs if job.ended.is_set()]
            if not kept:
                raise Overloaded("Too many questions are being answered. Ask again in a moment.")
            self._jobs.remove(min(kept, key=lambda job: job.seen))
        job = Job(owner, key)
        self._jobs.append(job)
        # A daemon: whoever ends the console does not wait for it. It only reads.
        threading.Thread(target=self._run, args=(job, begin), name="job", daemon=True).start()
        return job

    def _run(self, job: Job, begin: Begin) -> None:
        while not self._turn.acquire(timeout=0.2):
            if job.must_end():
                job.ended.set()
                return
        try:
            job.began = time.monotonic()
            with closing(connect_readonly(self._path)) as connection:
                connection.set_progress_handler(lambda: int(job.must_end()), INSTRUCTIONS)
                self._answer(job, begin, connection)
        except (StoreError, sqlite3.Error) as error:
            if not job.must_end():
                log.warning("a question was not answered: %s", error)
                job.error = f"The question was not answered: {error}"
        finally:
            job.seconds = time.monotonic() - job.began
            self._turn.release()
            job.ended.set()

    def _answer(self, job: Job, begin: Begin, connection: sqlite3.Connection) -> None:
        shown = time.monotonic()
        with begin(connection) as work:
            for job.done, job.total in work.steps():
                if job.must_end():
                    return
                if time.monotonic() - shown > SHOWN_SECONDS:
                    began = time.monotonic()
                    job.rows = work.rows()
                    # Looking takes at most a tenth of the time.
                    shown = time.monotonic() + 9 * (time.monotonic() - began)
            job.rows = work.rows()
            job.is_done = True
