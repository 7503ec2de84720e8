"""What the collector has seen of pages that send nothing, or are refused: how often, and when.

Of a page its origin is kept, never its path, and nothing of the visitor. Requests that are accepted
leave no row here: their events do.
"""

import re
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from ..errors import UnknownSource
from .connection import connect_relaxed, transaction

MAX_DAYS = 30  # days after which a sighting is removed
MAX_ROWS = 1000
MAX_OF_SOURCE = 100  # rows
MAX_UNKNOWN = 50  # ids of sources that do not exist
TRACKER_FILE = "tracker_file"  # a page has fetched the tracker; other words are reason codes
OTHERS = "(other)"  # the origin of what came when there were too many to tell apart
ODD = "(odd)"  # that of a header which is no origin: a stranger's text is not repeated
_ORIGIN = re.compile(r"[a-z][a-z0-9+.-]{1,30}://[A-Za-z0-9.:_\[\]-]{1,260}|null")
_SOURCE = re.compile(r"[0-9a-f-]{8,64}")

TABLES = (
    """
    CREATE TABLE sightings (
        source_id TEXT NOT NULL,
        origin TEXT NOT NULL,
        what TEXT NOT NULL,
        count INTEGER NOT NULL,
        first_at TEXT NOT NULL,
        last_at TEXT NOT NULL,
        PRIMARY KEY (source_id, origin, what)
    ) WITHOUT ROWID
    """,
)

# Rows above a limit, the oldest ones. Each is looked for only if a row was added.
_TOO_MANY = (
    """
    DELETE FROM sightings WHERE what = ?1 AND source_id IN (
        SELECT source_id FROM sightings WHERE what = ?1 GROUP BY source_id
        ORDER BY max(last_at) DESC, source_id LIMIT -1 OFFSET ?2)
    """,
    """
    DELETE FROM sightings WHERE source_id = ?1 AND (origin, what) IN (
        SELECT origin, what FROM sightings WHERE source_id = ?1
        ORDER BY last_at DESC, origin, what LIMIT -1 OFFSET ?2)
    """,
    """
    DELETE FROM sightings WHERE (source_id, origin, what) IN (
        SELECT source_id, origin, what FROM sightings
        ORDER BY last_at DESC, source_id, origin, what LIMIT -1 OFFSET ?1)
    """,
)


@dataclass(frozen=True)
class Sighting:
    """`count` requests of a kind between two times.

    `source_id`: the source that they name; empty where they name none, or no valid id. `origin`: of
    the page, empty if they came from none. `what`: `tracker_file`, or the reason code of a refusal.
    """

    source_id: str
    origin: str
    what: str
    count: int
    first_at: str
    last_at: str

    def as_dict(self) -> dict[str, Any]:
        """The sighting as JSON-ready data."""
        return asdict(self)


_NAMES = ", ".join(field.name for field in fields(Sighting))


def clean_source(source_id: str | None) -> str:
    """An id as it is kept of a request: empty for what cannot be one."""
    found = (source_id or "").strip().lower()
    return found if _SOURCE.fullmatch(found) else ""


def clean_origin(origin: str | None) -> str:
    """An origin as it is kept of a header: empty for none, ODD for what is none."""
    if not origin:
        return ""
    return origin if _ORIGIN.fullmatch(origin) else ODD


def add_sightings(path: Path, seen: Sequence[Sighting]) -> None:
    """Adds to the counts, and removes the oldest rows above the limits. It may be lost in a power
    cut, and so takes the write lock for less than a sync. Raises sqlite3.OperationalError if others
    write for too long."""
    with connect_relaxed(path) as connection, transaction(connection):
        (before,) = connection.execute("SELECT count(*) FROM sightings").fetchone()
        connection.executemany(
            f"INSERT INTO sightings ({_NAMES}) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " count = count + excluded.count, last_at = max(last_at, excluded.last_at)",
            [(s.source_id, s.origin, s.what, s.count, s.first_at, s.last_at) for s in seen],
        )
        (after,) = connection.execute("SELECT count(*) FROM sightings").fetchone()
        if after > before:
            _remove_oldest(connection, {s.source_id for s in seen})


def _remove_oldest(connection: sqlite3.Connection, sources: Iterable[str]) -> None:
    unknown, of_source, in_all = _TOO_MANY
    connection.execute(unknown, (UnknownSource.code, MAX_UNKNOWN))
    connection.executemany(of_source, [(source, MAX_OF_SOURCE) for source in sources])
    connection.execute(in_all, (MAX_ROWS,))


def list_sightings(
    connection: sqlite3.Connection,
    source_id: str | None = None,
    *,
    since: str = "",
    what: str | None = None,
) -> list[Sighting]:
    """Sightings that went on after a time (stored form), the latest first; by default all of them.
    The counts are those since `first_at`, which may be before."""
    terms, values = ["last_at >= ?"], [since]
    for column, value in (("source_id", source_id), ("what", what)):
        if value is not None:
            terms.append(f"{column} = ?")
            values.append(value)
    found = connection.execute(
        f"SELECT {_NAMES} FROM sightings WHERE {' AND '.join(terms)}"
        " ORDER BY last_at DESC, count DESC, source_id, origin, what",
        values,
    )
    return [Sighting(*row) for row in found]


def remove_sightings(connection: sqlite3.Connection, source_id: str) -> None:
    """Removes what was seen of a source, inside the caller's transaction."""
    connection.execute("DELETE FROM sightings WHERE source_id = ?", [source_id])


def expire_sightings(connection: sqlite3.Connection, oldest: str) -> int:
    """Removes what was last seen before `oldest`, in a transaction. Returns how many rows."""
    find = "SELECT 1 FROM sightings WHERE last_at < ? LIMIT 1"
    if not connection.execute(find, [oldest]).fetchone():
        return 0
    with transaction(connection):
        return connection.execute("DELETE FROM sightings WHERE last_at < ?", [oldest]).rowcount
