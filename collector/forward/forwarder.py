"""Brings the events of a database to one destination, batch after batch."""

import logging
import random
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from pathlib import Path
from typing import Any, NamedTuple

from ..event.timestamps import now
from ..store import connect, connect_readonly, transaction
from ..store.edge import drop_forgotten, edge_id, forgotten_profiles, forwards, set_forwards
from ..store.events import last_seq, seq_range
from ..store.forward_state import ForwardState, SetAside
from ..store.forwarding import (
    COLUMNS,
    MAX_ROWS,
    Batch,
    Rows,
    anchor_at,
    ids_between,
    read_batch,
)
from ..targets import Target
from .destination import Destination, Refused, Unreachable, Unsuitable

log = logging.getLogger("collector.forward")

INTERVAL = 0.1  # seconds between two batches that are not full
IDLE = 0.05  # seconds between two looks for new events
MIN_PAUSE, MAX_PAUSE = 0.5, 30.0  # seconds before another try
FORGOTTEN_AT_ONCE = 100
TOLD_EVERY = 60.0  # seconds between two lines about refused rows

Wait = Callable[[float], bool]
"""Waits for so many seconds. Returns whether it is time to stop."""
Progress = Callable[[int, int], None]
"""Is called with how much is done, and of how much."""


class Sent(NamedTuple):
    """A batch that was sent. `events`: how many; `is_full`: whether more may wait."""

    events: int
    is_full: bool


class Checked(NamedTuple):
    """What a look at all events has found. `missing`: source and id of each that is not there;
    `waiting`: about how many are not sent yet."""

    checked: int
    missing: list[tuple[str, str]]
    waiting: int


class Forwarder:
    """Sends what is behind the destination's cursor."""

    def __init__(self, database: Path, target: Target, destination: Destination) -> None:
        """Raises sqlite3.Error if the database or the file for the state cannot be used."""
        self._path = database
        self._target = target
        self._destination = destination
        self._database = connect_readonly(database)
        self._state = ForwardState(database, target.name)
        self._edge = edge_id(self._database)
        if not forwards(self._database):
            with closing(connect(database)) as connection, transaction(connection):
                set_forwards(connection, True)
        self._is_open = False
        self._failed = 0  # tries in a row
        self._told = -TOLD_EVERY  # when a refused row was in the log

    def close(self) -> None:
        self._destination.close()
        self._state.close()
        self._database.close()

    def run(self, wait: Wait) -> None:
        """Goes on until `wait` says that it is time to stop."""
        while True:
            started = time.monotonic()
            pause = IDLE
            try:
                sent = self.step()
                if sent:
                    # What comes meanwhile makes the next batch larger, and each batch cheaper.
                    pause = max(0.0, INTERVAL - (time.monotonic() - started))
                    pause = 0.0 if sent.is_full else pause
            except (Unreachable, Unsuitable, Refused, sqlite3.Error) as error:
                pause = self._note_failure(error)
            if wait(pause):
                return

    def _note_failure(self, error: Exception) -> float:
        """Returns the seconds to wait: twice as long each time, and at random, so that edges do not
        come all at once to a store that has just started."""
        self._destination.close()
        self._is_open = False
        if not self._failed:
            log.warning("%s: %s", self._target.name, error)
        self._failed += 1
        with suppress(sqlite3.Error):  # its disk is full, which others say as well
            self._state.fail(str(error))
        pause = min(MAX_PAUSE, MIN_PAUSE * 2 ** min(self._failed - 1, 10))
        return float(pause * random.uniform(0.5, 1.0))  # noqa: S311 - nothing depends on it

    def open(self) -> None:
        """Connects. Raises Unreachable, Unsuitable."""
        if not self._is_open:
            self._destination.open()
            self._compare()
            self._is_open = True

    def _compare(self) -> bool:
        """Where the destination has less than the cursor says, as after it was restored from a backup,
        it gets the rest again. Before each batch, as it may be restored while it is connected. Returns
        whether it has less."""
        has = self._destination.cursor(self._edge) or 0
        cursor = self._state.cursor
        if has >= cursor:
            return False
        log.warning(
            "%s has events up to %d of %d: the rest is sent again", self._target.name, has, cursor
        )
        self._state.rewind(anchor_at(self._database, has))
        return True

    def step(self) -> Sent | None:
        """Sends one batch, and what was forgotten. None if there is nothing to send. Raises
        Unreachable, Unsuitable."""
        self.open()
        sent = None
        after = self._after()
        if last_seq(self._database) > after and self._compare():
            after = self._after()
        if batch := read_batch(self._database, after):
            self._send(batch)
            self._state.advance(batch)
            sent = Sent(len(batch.rows["events"]), batch.is_full)
        self._forget()
        if self._failed:
            log.info("%s takes events again", self._target.name)
            self._state.recover()
            self._failed = 0
        return sent

    def _after(self) -> int:
        """The number behind which events are not sent yet."""
        cursor = self._state.cursor
        if not cursor:
            return 0
        anchor = self._state.verified(self._database)
        if anchor is None or anchor.seq != cursor:
            # A restored backup has given numbers again, or what was last sent is forgotten.
            self._state.rewind(anchor)
        return anchor.seq if anchor else 0

    def _send(self, batch: Batch) -> None:
        """Sends a batch, without the rows that the destination refuses: those are set aside."""
        try:
            self._destination.send(batch)
        except Refused as error:
            row = _only_row(batch.rows)
            if row:
                self._set_aside(batch, *row, str(error))
            elif not any(batch.rows.values()):
                raise
            else:
                for part in _halves(batch.rows):
                    self._send(batch._replace(rows=part))

    def _set_aside(self, batch: Batch, kind: str, row: tuple[Any, ...], reason: str) -> None:
        values = dict(zip(COLUMNS[kind], row, strict=True))
        if time.monotonic() - self._told >= TOLD_EVERY:  # there may be thousands
            self._told = time.monotonic()
            log.error(
                "%s refuses one of the %s, %s: %s", self._target.name, kind, values["id"], reason
            )
        self._state.set_aside(
            SetAside(
                kind=kind,
                seq=values.get("seq", batch.first),
                id=values["id"],
                source_id=values.get("source_id") or "",
                profile_id=values["id"] if kind == "profiles" else values["profile_id"],
                reason=reason,
                at=now(),
            )
        )

    def _forget(self) -> None:
        """Has the destination forget the profiles that were forgotten here. Behind the events: those
        that were read before the profile was forgotten are there by now."""
        waiting = forgotten_profiles(self._database)
        if not waiting:
            return
        known = self._state.forgotten
        todo = [profile for profile in waiting if profile.key not in known]
        for start in range(0, len(todo), FORGOTTEN_AT_ONCE):
            some = todo[start : start + FORGOTTEN_AT_ONCE]
            self._destination.forget([profile.id for profile in some])
            self._state.has_forgotten(some)
        if by_all := self._state.forgotten_by_all():
            with closing(connect(self._path)) as connection, transaction(connection):
                drop_forgotten(connection, by_all)
            self._state.drop_forgotten(by_all)

    def drain(self, progress: Progress) -> int:
        """Sends all that waits now. Returns how many events that were. Raises Unreachable,
        Unsuitable."""
        self.open()
        end = last_seq(self._database)
        start = self._after()
        events = 0
        while (sent := self.step()) or self._state.cursor < end:
            events += sent.events if sent else 0
            progress(min(self._state.cursor, end) - start, end - start)
            if not sent or self._state.cursor >= end:
                break
        return events

    def rewind(self, since: str | None, *, retry: bool) -> None:
        """What came in since a time, in its stored form, will be sent again; with `retry`, also all
        from the first row on that was refused, which may be taken now."""
        self.open()
        starts = [self._after()]
        if since:
            starts.append(self._before(since))
        if retry:
            first = self._state.first_aside()
            starts += [first - 1] if first else []
            self._state.drop_aside()
        self._state.rewind(anchor_at(self._database, min(starts)))

    def _before(self, since: str) -> int:
        """The number of the last event before a time."""
        first, end = seq_range(self._database, since=since)
        return first if end else last_seq(self._database)

    def check(self, since: str | None, progress: Progress) -> Checked:
        """Looks for each event that was sent, or that came in since a time. Raises Unreachable,
        Unsuitable."""
        self.open()
        end = self._after()
        at = self._before(since) if since else 0
        start, checked, missing = at, 0, []
        while rows := ids_between(self._database, at, end, MAX_ROWS):
            ids = [(source, id_) for _, source, id_ in rows]
            gone = self._destination.missing(ids)
            missing += [each for each in ids if each in gone]
            checked += len(ids)
            at = rows[-1][0]
            progress(at - start, end - start)
        return Checked(checked, missing, last_seq(self._database) - end)


def _only_row(rows: Mapping[str, Rows]) -> tuple[str, tuple[Any, ...]] | None:
    """The kind and the row, if it is a single one."""
    if sum(map(len, rows.values())) != 1:
        return None
    return next((kind, some[0]) for kind, some in rows.items() if some)


def _halves(rows: Mapping[str, Rows]) -> Iterator[dict[str, Rows]]:
    """The rows in two parts, in their order."""
    whole = [(kind, row) for kind, some in rows.items() for row in some]
    middle = len(whole) // 2
    for part in (whole[:middle], whole[middle:]):
        yield {kind: [row for found, row in part if found == kind] for kind in rows}
