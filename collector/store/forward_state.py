"""How far each destination is, in a file beside the database, `<database>-forward`.

Not in the database: a forwarder that waited for the writer's lock, or had the writer wait for its
own, would make forwarding part of ingestion.

The file may be lost or be older than the database: then rows are sent again, which is harmless, as
a destination keeps one row of an id.
"""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BrokenState
from ..event.timestamps import now, stored
from .connection import connect, connect_readonly, transaction
from .edge import Forgotten
from .forwarding import Anchor, Backlog, Batch, backlog, holds
from .moments import length_text

MAX_ANCHORS = 64
MAX_ERROR = 500  # characters
PATIENCE = timedelta(minutes=1)  # until what waits, or fails, is a problem

_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS destinations (
        name TEXT PRIMARY KEY,
        cursor INTEGER NOT NULL DEFAULT 0,
        rows INTEGER NOT NULL DEFAULT 0,
        failures INTEGER NOT NULL DEFAULT 0,
        failing_since TEXT,
        error TEXT,
        succeeded_at TEXT
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS anchors (
        destination TEXT NOT NULL,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        source INTEGER NOT NULL,
        PRIMARY KEY (destination, seq)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS forgotten (
        destination TEXT NOT NULL,
        key TEXT NOT NULL,
        PRIMARY KEY (destination, key)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE IF NOT EXISTS set_aside (
        destination TEXT NOT NULL,
        kind TEXT NOT NULL,
        seq INTEGER NOT NULL,
        id TEXT NOT NULL,
        source_id TEXT NOT NULL,
        profile_id TEXT,
        reason TEXT NOT NULL,
        at TEXT NOT NULL,
        UNIQUE (destination, kind, id, source_id)
    )
    """,
)


@dataclass(frozen=True)
class DestinationState:
    """How a destination is doing. `cursor`: the number of the last event it has; `rows`: events sent
    so far, repeats among them; `failures`: tries that failed, ever; `error` and `failing_since`: of
    those since the last success, None if there are none; `aside`: rows that it refuses."""

    name: str
    cursor: int
    rows: int
    failures: int
    failing_since: str | None
    error: str | None
    succeeded_at: str | None
    aside: int = 0
    backlog_rows: int = 0
    backlog_since: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON-ready data."""
        return asdict(self)

    @property
    def backlog_seconds(self) -> float:
        """How long the first event that waits has waited."""
        if self.backlog_since is None:
            return 0.0
        return max(0.0, (datetime.now(UTC) - stored(self.backlog_since).at).total_seconds())

    @property
    def problem(self) -> str | None:
        """What is wrong with it, for somebody who has to see to it; None if nothing is."""
        waits = f"{self.backlog_rows:,} event{'s wait' if self.backlog_rows != 1 else ' waits'}, the first for {length_text(self.backlog_seconds)}"
        if self.error and self.failing_since:
            at = stored(self.failing_since).at
            if datetime.now(UTC) - at >= PATIENCE:
                return f"{self.name} takes no events since {self.failing_since[:16]}Z: {self.error} {waits}."
        if self.backlog_seconds >= PATIENCE.total_seconds():
            return f"{self.name} is behind: {waits}."
        if self.aside:
            plural = "" if self.aside == 1 else "s"
            return f"{self.name} refuses {self.aside:,} row{plural}: thamesthrive forward --status says why."
        return None


class SetAside(NamedTuple):
    """A row that a destination refuses. `kind`: events, sessions or profiles; `seq`: of the event, or
    of the first one it was to be sent with; `source_id`: empty for a profile."""

    kind: str
    seq: int
    id: str
    source_id: str
    profile_id: str | None
    reason: str
    at: str


def state_path(database: Path) -> Path:
    """The file for a database."""
    return database.with_name(f"{database.name}-forward")


class ForwardState:
    """The part of the file that is about one destination. `name`: it is known by that."""

    def __init__(self, database: Path, name: str) -> None:
        """Raises BrokenState if the file cannot be used."""
        self._name = name
        with _explained(database):
            self._connection = connect(state_path(database))
            with transaction(self._connection):
                for table in _TABLES:
                    self._run(table)
                self._run("INSERT OR IGNORE INTO destinations (name) VALUES (?)", name)

    def close(self) -> None:
        self._connection.close()

    def _run(self, statement: str, *values: Any) -> sqlite3.Cursor:
        return self._connection.execute(statement, values)

    @property
    def cursor(self) -> int:
        """The number of the last event that the destination has."""
        find = "SELECT cursor FROM destinations WHERE name = ?"
        return int(self._run(find, self._name).fetchone()[0])

    @property
    def forgotten(self) -> set[str]:
        """The keys of profiles that the destination has forgotten, while others have not."""
        find = "SELECT key FROM forgotten WHERE destination = ?"
        return {str(key) for (key,) in self._run(find, self._name)}

    def anchors(self) -> Iterator[Anchor]:
        """Events that were the last of a batch, the latest first."""
        find = "SELECT seq, id, source FROM anchors WHERE destination = ? ORDER BY seq DESC"
        for row in self._run(find, self._name):
            yield Anchor(*row)

    def verified(self, database: sqlite3.Connection) -> Anchor | None:
        """The cursor's event, if it is still there. Else, as after a backup was restored or the event
        was forgotten, the latest one that is; None if there is none."""
        return next((anchor for anchor in self.anchors() if holds(database, anchor)), None)

    def advance(self, batch: Batch) -> None:
        """The destination has a batch."""
        with transaction(self._connection):
            self._run(
                "UPDATE destinations SET cursor = ?, rows = rows + ?, succeeded_at = ?,"
                " error = NULL, failing_since = NULL WHERE name = ?",
                batch.last, len(batch.rows["events"]), now(), self._name,
            )  # fmt: skip
            # After a restored backup, those behind are of events that are there no more.
            self._run(
                "DELETE FROM anchors WHERE destination = ? AND seq >= ?", self._name, batch.last
            )
            if batch.anchor:
                self._add_anchor(batch.anchor)
            self._thin_out()

    def _thin_out(self) -> None:
        """Keeps the latest anchors, and fewer the older they are."""
        seqs = [anchor.seq for anchor in self.anchors()]
        if len(seqs) > MAX_ANCHORS:
            for seq in seqs[MAX_ANCHORS // 2 :: 2]:
                self._run("DELETE FROM anchors WHERE destination = ? AND seq = ?", self._name, seq)

    def rewind(self, anchor: Anchor | None) -> None:
        """What is behind an event will be sent again; all of them if it is None."""
        cursor = anchor.seq if anchor else 0
        with transaction(self._connection):
            self._run("UPDATE destinations SET cursor = ? WHERE name = ?", cursor, self._name)
            self._run("DELETE FROM anchors WHERE destination = ? AND seq >= ?", self._name, cursor)
            if anchor:
                self._add_anchor(anchor)

    def _add_anchor(self, anchor: Anchor) -> None:
        self._run("INSERT OR REPLACE INTO anchors VALUES (?, ?, ?, ?)", self._name, *anchor)

    def has_forgotten(self, profiles: Sequence[Forgotten]) -> None:
        """The destination has forgotten profiles. What it refused of them is no more, either."""
        with transaction(self._connection):
            for profile in profiles:
                self._run("INSERT OR IGNORE INTO forgotten VALUES (?, ?)", self._name, profile.key)
                self._run(
                    "DELETE FROM set_aside WHERE destination = ? AND profile_id = ?",
                    self._name, profile.id,
                )  # fmt: skip

    def forgotten_by_all(self) -> list[str]:
        """The keys of profiles that all destinations have forgotten."""
        found = self._run(
            "SELECT key FROM forgotten JOIN destinations ON name = destination GROUP BY key"
            " HAVING count(*) = (SELECT count(*) FROM destinations)"
        )
        return [str(key) for (key,) in found]

    def drop_forgotten(self, keys: Sequence[str]) -> None:
        """The database keeps these ids no more."""
        with transaction(self._connection):
            for key in keys:
                self._run("DELETE FROM forgotten WHERE key = ?", key)

    def fail(self, error: str) -> None:
        """A try has failed."""
        with transaction(self._connection):
            self._run(
                "UPDATE destinations SET failures = failures + 1, error = ?,"
                " failing_since = coalesce(failing_since, ?) WHERE name = ?",
                error[:MAX_ERROR], now(), self._name,
            )  # fmt: skip

    def recover(self) -> None:
        """A try has succeeded, if only because there was nothing to send."""
        with transaction(self._connection):
            self._run(
                "UPDATE destinations SET error = NULL, failing_since = NULL, succeeded_at = ?"
                " WHERE name = ?",
                now(), self._name,
            )  # fmt: skip

    def set_aside(self, row: SetAside) -> None:
        """The destination will never take this row."""
        with transaction(self._connection):
            values = (self._name, *row._replace(reason=row.reason[:MAX_ERROR]))
            self._run("INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?, ?, ?, ?, ?)", *values)

    def drop_aside(self) -> None:
        """Forgets which rows it refuses: they are tried again."""
        with transaction(self._connection):
            self._run("DELETE FROM set_aside WHERE destination = ?", self._name)

    def first_aside(self) -> int | None:
        """The lowest number of an event that the destination refuses."""
        find = "SELECT min(seq) FROM set_aside WHERE destination = ?"
        (seq,) = self._run(find, self._name).fetchone()
        return None if seq is None else int(seq)


@contextmanager
def _explained(database: Path) -> Iterator[None]:
    """Says which file it is that SQLite cannot use, and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise BrokenState(
            f"The file {state_path(database)} cannot be used: {error}. It only says how far each"
            " destination is: remove it, and everything is sent again, which does no harm."
        ) from error


@contextmanager
def _reading(database: Path) -> Iterator[sqlite3.Connection | None]:
    """The file, for reading; None if nothing was ever forwarded."""
    path = state_path(database)
    if not path.exists():
        yield None
        return
    with _explained(database), closing(connect_readonly(path)) as connection:
        has_tables = "SELECT 1 FROM sqlite_schema WHERE name = 'set_aside'"
        yield connection if connection.execute(has_tables).fetchone() else None


def list_destinations(
    path: Path, database: sqlite3.Connection | None = None
) -> list[DestinationState]:
    """Where the events of a database were ever forwarded to. `database`: with it, also what waits.
    Raises BrokenState if the file cannot be read."""
    with _reading(path) as connection:
        if connection is None:
            return []
        found = connection.execute(
            "SELECT *, (SELECT count(*) FROM set_aside WHERE destination = name) AS aside"
            " FROM destinations ORDER BY name"
        ).fetchall()
    states = []
    for row in found:
        waits = backlog(database, row["cursor"]) if database else Backlog(0, None)
        fields = {name: row[name] for name in row.keys()}  # noqa: SIM118 - a sqlite3.Row
        states.append(
            DestinationState(**fields, backlog_rows=waits.rows, backlog_since=waits.since)
        )
    return states


def list_aside(database: Path, name: str) -> Sequence[SetAside]:
    """The rows that a destination refuses, in the order of storing."""
    with _reading(database) as connection:
        if connection is None:
            return []
        find = (
            "SELECT kind, seq, id, source_id, profile_id, reason, at FROM set_aside"
            " WHERE destination = ?"
            " ORDER BY seq"
        )
        return [SetAside(*row) for row in connection.execute(find, [name])]


def remove_destination(database: Path, name: str) -> bool:
    """Forgets how far a destination is: nothing is kept for it any more. Returns whether it was
    known."""
    if not state_path(database).exists():
        return False
    with (
        _explained(database),
        closing(connect(state_path(database))) as connection,
        transaction(connection),
    ):
        for table in ("anchors", "set_aside", "forgotten"):
            connection.execute(f"DELETE FROM {table} WHERE destination = ?", [name])
        return connection.execute("DELETE FROM destinations WHERE name = ?", [name]).rowcount > 0
