"""Remembers what pages do that send nothing, or are refused, and stores it: seldom, and in a thread, so
that no event waits for it."""

import asyncio
import logging
import sqlite3
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial

from ..database_file import DatabaseFile
from ..errors import DisabledSource, ReplacedDatabase, UnknownSource
from ..event.timestamps import iso
from ..store.sightings import OTHERS, Sighting, add_sightings, clean_origin, clean_source

INTERVAL = 1.0  # seconds until something new is stored
LATER = 5.0  # the same for what was stored lately: every change costs the writer its page cache
LATELY = 60.0  # seconds
MAX_KEYS = 64  # kinds of requests that are told apart between two times of storing
MAX_KNOWN = 256  # that are remembered as stored lately
# A refused source costs no write: these are stored with the next sighting of another kind, such as
# that of the page that fetched the tracker.
PASSENGERS = {UnknownSource.code, DisabledSource.code}

log = logging.getLogger("collector.worker")

_Key = tuple[str, str, str]  # source id, origin, what


@dataclass(slots=True)
class _Seen:
    count: int
    first: float  # seconds since 1970
    last: float


class Sightings:
    """One per worker. `file`: the database."""

    def __init__(self, file: DatabaseFile) -> None:
        self._file = file
        self._seen: dict[_Key, _Seen] = {}
        self._stored: dict[_Key, float] = {}  # when, monotonic seconds
        self._timer: asyncio.TimerHandle | None = None
        self._storing: asyncio.Future[bool] | None = None
        self._failed = False  # the last time

    def note(self, source_id: str | None, origin: str | None, what: str) -> None:
        """Counts a request. `source_id` and `origin`: as the request names them, whatever that is;
        `what`: a word of ours. Called in the event loop."""
        key = (source_id or "", origin or "", what)
        seen = self._seen.get(key)
        if seen is None:
            key = (clean_source(source_id), clean_origin(origin), what)
            seen = self._seen.get(key)
            if seen is None and len(self._seen) >= MAX_KEYS:
                key = ("", OTHERS, what)
                seen = self._seen.get(key)
        now = time.time()
        if seen is None:
            self._seen[key] = _Seen(1, now, now)
            if what not in PASSENGERS:
                self._store_within(self._delay(key))
        else:
            seen.count += 1
            seen.last = now

    def close(self) -> None:
        """Stores what is left."""
        if self._timer:
            self._timer.cancel()
        if any(what not in PASSENGERS for *_, what in self._seen):
            self._store(self._take())

    def _delay(self, key: _Key) -> float:
        stored = self._stored.get(key)
        return INTERVAL if stored is None or time.monotonic() - stored > LATELY else LATER

    def _store_within(self, delay: float) -> None:
        loop = asyncio.get_running_loop()
        if self._timer is None or self._timer.when() > loop.time() + delay:
            if self._timer:
                self._timer.cancel()
            self._timer = loop.call_later(delay, self._begin)

    def _begin(self) -> None:
        self._timer = None
        if self._storing and not self._storing.done():
            self._store_within(INTERVAL)  # the disk is slow
            return
        seen = self._take()
        loop = asyncio.get_running_loop()
        self._storing = loop.run_in_executor(None, self._store, seen)
        self._storing.add_done_callback(partial(self._finish, seen))

    def _take(self) -> dict[_Key, _Seen]:
        seen, self._seen = self._seen, {}
        now = time.monotonic()
        for key in seen:
            self._stored.pop(key, None)
            self._stored[key] = now  # the last one
        while len(self._stored) > MAX_KNOWN:
            del self._stored[next(iter(self._stored))]
        return seen

    def _store(self, seen: dict[_Key, _Seen]) -> bool:
        """Returns whether it need not be tried again."""
        rows = [Sighting(*key, s.count, _iso(s.first), _iso(s.last)) for key, s in seen.items()]
        try:
            self._file.require()  # first: this must not write to another database
            add_sightings(self._file.path, rows)
        except (sqlite3.Error, ReplacedDatabase) as error:
            if not self._failed:
                self._failed = True
                log.info("sightings of refused pages were not stored: %s", error)
            # Others write, or the disk is full. Whatever else it is, it stays so.
            return not isinstance(error, sqlite3.OperationalError)
        self._failed = False
        return True

    def _finish(self, seen: dict[_Key, _Seen], storing: "asyncio.Future[bool]") -> None:
        """Keeps what could not be stored for the next time."""
        if storing.cancelled() or storing.exception() or storing.result():
            return
        for found, old in seen.items():
            key = found
            if key not in self._seen and len(self._seen) >= MAX_KEYS:
                key = ("", OTHERS, found[2])
            new = self._seen.get(key)
            if new:
                old.last = max(old.last, new.last)
                old.count += new.count
            self._seen[key] = old
        self._store_within(INTERVAL)


def _iso(seconds: float) -> str:
    return iso(datetime.fromtimestamp(seconds, UTC))
