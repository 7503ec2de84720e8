"""Event sources: administration, and the registry a running collector asks on every request."""

import json
import re
import sqlite3
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from ..clock import now
from ..errors import InUse, NotFound, StoreError
from .connection import connect_readonly

BRIDGES = ("rest", "webhook", "redirect")
_ORIGIN = re.compile(r"https?://[^/\s?#]+")


@dataclass(frozen=True)
class Source:
    """An event source. `origins`: the only ones whose pages may send, none means any. `bridges`: routes it accepts."""

    id: str
    name: str
    enabled: bool
    origins: tuple[str, ...]
    bridges: tuple[str, ...]
    static_profiles: bool
    created_at: str

    def as_dict(self) -> dict[str, Any]:
        """The source as JSON-ready data."""
        return {**self.__dict__, "origins": list(self.origins), "bridges": list(self.bridges)}


def _from_row(row: Any) -> Source:
    return Source(
        id=row["id"],
        name=row["name"],
        enabled=bool(row["enabled"]),
        origins=tuple(json.loads(row["origins"])),
        bridges=tuple(json.loads(row["bridges"])),
        static_profiles=bool(row["static_profiles"]),
        created_at=row["created_at"],
    )


def add_source(
    db: Database,
    name: str,
    *,
    origins: Sequence[str] = (),
    bridges: Sequence[str] = ("rest",),
    static_profiles: bool = False,
) -> Source:
    """Creates an event source with a random id. Raises StoreError for an empty name, or an origin that is none."""
    if not name.strip():
        raise StoreError("An event source needs a name.")
    origins = [origin.strip().rstrip("/").lower() for origin in origins]
    for origin in origins:
        if not _ORIGIN.fullmatch(origin):
            raise StoreError(f"{origin!r} is not an origin. Write scheme, host and port, as in https://shop.example.com")
    for bridge in bridges:
        if bridge not in BRIDGES:
            raise StoreError(f"{bridge!r} is not a bridge. Choose from {', '.join(BRIDGES)}.")
    source = Source(str(uuid.uuid4()), name.strip(), True, tuple(origins), tuple(bridges), static_profiles, now())
    row = source.as_dict()
    db.table("sources").insert({**row, "origins": json.dumps(row["origins"]), "bridges": json.dumps(row["bridges"])})
    return source


def list_sources(db: Database) -> list[Source]:
    """All event sources, oldest first."""
    return [_from_row(row) for row in db["sources"].rows_where(order_by="created_at, id")]


def get_source(db: Database, source_id: str) -> Source:
    """One event source. Raises NotFound."""
    for row in db["sources"].rows_where("id = ?", [source_id]):
        return _from_row(row)
    raise NotFound(f"There is no event source {source_id!r}. `thamesthrive source list` shows those there are.")


def set_enabled(db: Database, source_id: str, enabled: bool) -> Source:
    """Lets a source in, or refuses it from now on; running collectors notice within a second. Raises NotFound."""
    source = get_source(db, source_id)
    db.table("sources").update(source.id, {"enabled": int(enabled)})
    return get_source(db, source_id)


def remove_source(db: Database, source_id: str, *, with_events: bool = False) -> int:
    """Removes a source, and its events only when asked to. Returns how many events went.

    Raises NotFound, and InUse if it has events and `with_events` is false.
    """
    source = get_source(db, source_id)
    with db.atomic():
        events = int(db.execute("SELECT count(*) FROM events WHERE source_id = ?", [source.id]).fetchone()[0])
        if events and not with_events:
            raise InUse(
                f"Source {source.id} has {events} events. Disable it to keep them (`thamesthrive source disable {source.id}`),"
                " or remove them too with --with-events."
            )
        db.execute("DELETE FROM events WHERE source_id = ?", [source.id])
        db.execute("DELETE FROM sources WHERE id = ?", [source.id])
    return events


class Registry:
    """The sources as a running collector sees them: from memory, at most half a second old.

    What is asked of the database then is one row; the sources are read again only if that says they changed.
    """

    MAX_AGE = 0.5  # seconds
    MISS_AGE = 0.002  # of an answer "there is none": a source must work as soon as it was added, and guessing stay cheap

    def __init__(self, path: Path) -> None:
        self._connection = connect_readonly(path)
        self._sources: dict[str, Source] = {}
        self._version = -1
        self._checked = 0.0

    def get(self, source_id: str) -> Source | None:
        """The source with this id, or None. Ids compare as UUIDs do: case and surrounding blanks do not matter."""
        key = source_id.strip().lower()
        if time.monotonic() - self._checked > (self.MAX_AGE if key in self._sources else self.MISS_AGE):
            self._refresh()
        return self._sources.get(key)

    def _refresh(self) -> None:
        try:
            (version,) = self._connection.execute("SELECT version FROM registry").fetchone()
            if version != self._version:
                self._sources = {row["id"]: _from_row(row) for row in self._connection.execute("SELECT * FROM sources")}
                self._version = version
        except sqlite3.OperationalError:
            if self._version < 0:
                raise
            # A database that cannot be read for a moment is no reason to refuse sources that are known.
        self._checked = time.monotonic()

    def close(self) -> None:
        self._connection.close()
