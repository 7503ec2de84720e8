"""Event sources: administration.

A field of a source is declared once, in `Source`. Its column, the command line's options, the API's
body, the OpenAPI document and the reference derive from it.
"""

import sqlite3
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from sqlite_utils import Database

from ..errors import InUse, NotFound, StoreError
from ..event.timestamps import now
from .audit import add_entry, complete_entry
from .connection import transaction
from .keys import source_key
from .rollups import remove_source_counts
from .sightings import remove_sightings
from .source_fields import (
    SourceField,
    bridges,
    choice,
    count,
    declare,
    flag,
    label,
    line,
    numbers,
    origins,
)

CHUNK = 200  # requests removed in one transaction
SESSIONS = 5000  # keys of sessions looked at in one transaction
BRIDGES = ("rest", "webhook", "redirect")


@dataclass(frozen=True, kw_only=True)
class Source:
    """An event source: who may send events, and what happens to them."""

    id: str
    name: str = declare(line(), "The name that people see.")
    enabled: bool = declare(flag(default=True), "Whether its events are accepted.")
    origins: tuple[str, ...] = declare(
        origins(),
        "The only origins whose pages may send, e.g. https://shop.example.com; by default any.",
        flag="origin",
    )
    bridges: tuple[str, ...] = declare(
        bridges(*BRIDGES), f"The routes it accepts: {', '.join(BRIDGES)}.", flag="bridge"
    )
    static_profiles: bool = declare(
        flag(), "Pages may choose profile ids themselves. For pages that you trust."
    )
    profiles: str = declare(
        choice("a way of keeping profiles", "shared", "per-source"),
        "Whether visitors are the same ones for the other sources of its group (shared), or for it"
        " alone (per-source).",
    )
    profile_group: str = declare(
        label(), "The sources that share profiles with it have the same group; by default none."
    )
    created_at: str
    validate_only: bool = declare(
        flag(), "Events are validated and answered, but not stored.", former="transitional"
    )
    rate_limit: int | None = declare(
        count(), "Events a minute. Senders of more are answered 429, and try again."
    )
    quota_mb: int | None = declare(
        count(),
        "Megabytes a minute, inflated, in place of the collector's --source-quota-mb. Senders of more"
        " are answered 429, and try again.",
    )
    ip_policy: str = declare(
        choice("an IP policy", "truncate", "full", "none"),
        "How client addresses are stored: truncate (/24, /48), full, or none.",
    )
    retention_days: int | None = declare(
        count(), "Days after which events are removed.", former="keep_days"
    )
    numbers: tuple[str, ...] = declare(
        numbers(),
        "Numeric properties whose count, sum, least and largest are reported, as type:property,"
        " e.g. purchase-order:price.",
        flag="number",
    )
    first_id: str | None = None  # what it was called at first, if it was rotated

    @property
    def profile_scope(self) -> str:
        """What its profiles are known to: sources of the same scope."""
        if self.profiles == "per-source":
            return f"source:{self.first_id or self.id}"
        return f"group:{self.profile_group}" if self.profile_group else ""

    def as_dict(self) -> dict[str, Any]:
        """The source as JSON-ready data."""
        return {
            name: list(value) if isinstance(value, tuple) else value
            for name, value in asdict(self).items()
            if name != "first_id"
        }


SOURCE_FIELDS: dict[str, SourceField] = {
    spec.name: spec.metadata["source_field"] for spec in fields(Source) if spec.metadata
}
_FORMER = {spec.former: name for name, spec in SOURCE_FIELDS.items() if spec.former}


def missing_columns(db: Database) -> list[str]:
    """The fields that have no column yet."""
    present = {column.name for column in db["sources"].columns}
    return [name for name in SOURCE_FIELDS if name not in present]


def add_columns(db: Database, names: list[str]) -> None:
    """Adds the columns of fields. One that gets another name needs a numbered migration instead."""
    for name in names:
        column = SOURCE_FIELDS[name].kind.column.format(name=name)
        db.execute(f"ALTER TABLE sources ADD COLUMN {name} {column}")


def source_from_row(row: Mapping[str, Any]) -> Source:
    """A row of `sources` as a Source."""
    values = {name: spec.kind.from_column(row[name]) for name, spec in SOURCE_FIELDS.items()}
    return Source(id=row["id"], created_at=row["created_at"], first_id=row["first_id"], **values)


def add_source(db: Database, name: str, **values: Any) -> Source:
    """Creates an event source with a random id. `values`: other fields than the name.

    Raises StoreError for a field that does not exist, or a value it cannot have.
    """
    source_id, columns = str(uuid.uuid4()), _columns({"name": name, **values})
    changes = {field: (None, _value(field, stored)) for field, stored in columns.items()}
    with transaction(db.conn):
        db.table("sources").insert({"id": source_id, "created_at": now(), **columns})
        add_entry(db.conn, "source.add", source_id, source_id=source_id, changes=changes)
    return get_source(db, source_id)


def update_source(db: Database, source_id: str, changes: Mapping[str, Any]) -> Source:
    """Changes some fields of a source. Running collectors notice within a second.

    Raises NotFound, and StoreError as `add_source` does.
    """
    with transaction(db.conn):
        before, columns = get_source(db, source_id).as_dict(), _columns(changes)
        changed = {
            name: (before[name], new)
            for name, stored in columns.items()
            if (new := _value(name, stored)) != before[name]
        }
        if changed:
            db.table("sources").update(source_id, columns)
            add_entry(db.conn, "source.set", source_id, source_id=source_id, changes=changed)
    return get_source(db, source_id)


def _value(name: str, stored: Any) -> Any:
    """A column as JSON-ready data."""
    value = SOURCE_FIELDS[name].kind.from_column(stored)
    return list(value) if isinstance(value, tuple) else value


def _columns(values: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of a source as columns. Raises StoreError."""
    columns = {}
    for given, value in values.items():
        name = _FORMER.get(given, given)
        if name not in SOURCE_FIELDS:
            raise StoreError(
                f"There is no field {given!r}. Choose from {', '.join(SOURCE_FIELDS)}."
            )
        columns[name] = SOURCE_FIELDS[name].kind.to_column(name, value)
    return columns


def list_sources(db: Database) -> list[Source]:
    """All event sources, oldest first."""
    return [source_from_row(row) for row in db["sources"].rows_where(order_by="created_at, id")]


def source_names(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    """Id and name of each source, oldest first."""
    rows = connection.execute("SELECT id, name FROM sources ORDER BY created_at, id")
    return [(id_, name) for id_, name in rows]


def get_source(db: Database, source_id: str) -> Source:
    """One event source. Raises NotFound."""
    for row in db["sources"].rows_where("id = ?", [source_id]):
        return source_from_row(row)
    raise NotFound(
        f"There is no event source {source_id!r}. `thamesthrive source list` lists them."
    )


def remove_source(db: Database, source_id: str, *, with_events: bool = False) -> int:
    """Removes a source, and its events only when asked to. Returns how many events were removed.

    It is disabled first, and its rows go in small transactions, so that the senders of other
    sources do not wait. It may be called again if it was interrupted. Raises NotFound, and InUse if
    it has events and `with_events` is false.
    """
    source = get_source(db, source_id)
    connection = db.conn
    key = source_key(connection, source.id)
    with transaction(connection):
        find = "SELECT EXISTS (SELECT 1 FROM event_rows WHERE source = ?)"
        if db.execute(find, [key]).fetchone()[0] and not with_events:
            (events,) = db.execute(
                "SELECT count(*) FROM event_rows WHERE source = ?", [key]
            ).fetchone()
            raise InUse(
                f"Source {source.id} has {events} events. Disable it to keep them"
                f" (`thamesthrive source disable {source.id}`),"
                " or remove them too with --with-events."
            )
        changes = {"name": (source.name, None)}
        entry = add_entry(
            connection, "source.remove", source.id, source_id=source.id, changes=changes
        )
        db.execute("UPDATE sources SET enabled = 0 WHERE id = ?", [source.id])
        remove_source_counts(connection, key)
    removed = looked_at = 0
    while True:
        with transaction(connection):
            requests, events = _remove_requests(connection, key)
            removed += events
        looked_at = looked_at if requests else _remove_sessions(connection, key, looked_at)
        with transaction(connection):
            is_empty = not requests and not _has_rows(connection, key, looked_at)
            if is_empty:
                # What comes from now on finds no source.
                remove_source_counts(connection, key)
                db.execute("DELETE FROM rejected_hours WHERE source = ?", [key])
                remove_sightings(connection, source.id)
                tokens = db.execute("DELETE FROM tokens WHERE source_id = ?", [source.id]).rowcount
                db.execute("DELETE FROM sources WHERE id = ?", [source.id])
                complete_entry(connection, entry, {"events": removed, "tokens": tokens})
                return removed


def _has_rows(connection: sqlite3.Connection, source: int, looked_at: int) -> bool:
    """Whether requests of a source have come, or sessions after number `looked_at`."""
    find = (
        "SELECT EXISTS (SELECT 1 FROM request_rows WHERE source = ?1)"
        " OR EXISTS (SELECT 1 FROM session_rows WHERE key > ?2 AND source = ?1)"
    )
    return bool(connection.execute(find, (source, looked_at)).fetchone()[0])


def _remove_requests(connection: sqlite3.Connection, source: int) -> tuple[int, int]:
    """Removes some requests of a source with their events, inside the caller's transaction. Returns
    how many of both."""
    find = "SELECT key, events FROM request_rows WHERE source = ? LIMIT ?"
    found = connection.execute(find, (source, CHUNK)).fetchall()
    events = 0
    for key, number in found:
        gone = connection.execute(
            "DELETE FROM event_rows WHERE seq BETWEEN ?1 AND ?1 + ?2 - 1 AND request = ?1",
            (key, number),
        )
        events += gone.rowcount
    connection.executemany("DELETE FROM request_rows WHERE key = ?", [(key,) for key, _ in found])
    return len(found), events


def _remove_sessions(connection: sqlite3.Connection, source: int, after: int) -> int:
    """Removes the sessions of a source that have a higher number than `after`, and the profiles
    that are left without one. Returns the highest number."""
    (last,) = connection.execute("SELECT coalesce(max(key), 0) FROM session_rows").fetchone()
    for start in range(after, last, SESSIONS):
        with transaction(connection):
            gone = connection.execute(
                "DELETE FROM session_rows WHERE key > ? AND key <= ? AND source = ?"
                " RETURNING profile",
                (start, min(start + SESSIONS, last), source),
            ).fetchall()
            connection.executemany(
                "DELETE FROM profile_rows WHERE key = ?"
                " AND NOT EXISTS (SELECT 1 FROM session_rows WHERE profile = profile_rows.key)",
                {(profile,) for (profile,) in gone},
            )
    return int(last)
