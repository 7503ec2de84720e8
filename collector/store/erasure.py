"""What a visitor may ask for: everything stored about them, and that it is forgotten."""

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

from ..errors import NotFound
from .audit import add_entry, complete_entry
from .connection import snapshot, transaction
from .edge import add_forgotten, forwards
from .rejected import remove_rejected
from .rollups import removing
from .rows import PAGE_ROWS, load_json
from .tombstones import add_profile_tombstone, add_tombstones

CHUNK = 200  # requests, or rejected events, removed in one transaction: no sender waits longer than that takes
PROFILE_TABLES = ("profiles", "sessions", "events", "rejected")  # in the order of an export
_KEYS = {
    "sessions": "SELECT s.key FROM profile_rows p JOIN session_rows s ON s.profile = p.key"
    " WHERE p.id = ? AND s.key > ? ORDER BY s.key LIMIT ?",
    "events": "SELECT seq FROM events WHERE profile_id = ? AND seq > ? ORDER BY seq LIMIT ?",
    "rejected": "SELECT seq FROM rejected WHERE profile_id = ? AND seq > ? ORDER BY seq LIMIT ?",
}
_ROW = {
    "sessions": "SELECT v.* FROM session_rows s JOIN source_keys k ON k.key = s.source"
    " JOIN sessions v ON v.id = s.id AND v.source_id IS nullif(k.id, '') WHERE s.key = ?",
    "events": "SELECT * FROM events WHERE seq = ?",
    "rejected": "SELECT * FROM rejected WHERE seq = ?",
}
_COUNTS = {
    "events": "SELECT count(*) FROM profile_rows p CROSS JOIN session_rows s ON s.profile = p.key"
    " CROSS JOIN request_rows r ON r.session = s.key CROSS JOIN event_rows e"
    " ON e.seq BETWEEN r.key AND r.key + r.events - 1 AND e.request = r.key WHERE p.id = ?",
    "rejected": "SELECT count(*) FROM rejected WHERE profile_id = ?",
    "sessions": "SELECT count(*) FROM profile_rows p CROSS JOIN session_rows s ON s.profile = p.key"
    " WHERE p.id = ?",
    "profiles": "SELECT count(*) FROM profile_rows WHERE id = ?",
}
_JSON = ("properties", "context", "options", "tags", "extra", "request", "first_utm", "last_utm")


class ProfileRow(NamedTuple):
    """A row of what is stored about a visitor. `key`: its number in the table, in whose order rows
    of a table come."""

    table: str
    key: int
    row: dict[str, Any]


def export_profile(
    connection: sqlite3.Connection, profile_id: str, after: tuple[str, int] | None = None
) -> Iterator[ProfileRow]:
    """Everything stored about a profile, read in small pieces.

    `after`: table and key of the last row that is known already. Raises NotFound before the first
    row.
    """
    found = connection.execute("SELECT * FROM profiles WHERE id = ?", [profile_id]).fetchone()
    if found is None:
        raise no_profile(profile_id)
    table, key = after or (PROFILE_TABLES[0], 0)
    for name in PROFILE_TABLES[PROFILE_TABLES.index(table) :]:
        last = key if name == table else 0
        if name != "profiles":
            yield from _rows_of(connection, name, profile_id, last)
        elif not last:
            yield ProfileRow(name, 1, _decoded(found))


def _rows_of(
    connection: sqlite3.Connection, table: str, profile_id: str, after: int
) -> Iterator[ProfileRow]:
    """The rows of a table that belong to a profile, one statement for each: none is open while the
    caller works with a row."""
    for keys in _keys_of(connection, table, profile_id, after):
        for key in keys:
            row = connection.execute(_ROW[table], [key]).fetchone()
            if row:  # nobody has removed it meanwhile
                yield ProfileRow(table, key, _decoded(row))


def _keys_of(
    connection: sqlite3.Connection, table: str, profile_id: str, after: int
) -> Iterator[list[int]]:
    while keys := [
        key
        for (key,) in connection.execute(_KEYS[table], [profile_id, after, PAGE_ROWS]).fetchall()
    ]:
        yield keys
        after = keys[-1]


def _decoded(row: sqlite3.Row) -> dict[str, Any]:
    return {
        key: load_json(row[key]) if key in _JSON and row[key] is not None else row[key]
        for key in row.keys()  # noqa: SIM118 - iterating a sqlite3.Row gives values
    }


def require_profile(connection: sqlite3.Connection, profile_id: str) -> None:
    """Raises NotFound if nothing is stored of a profile."""
    known = "SELECT 1 FROM profile_rows WHERE id = ?1 UNION SELECT 1 FROM rejected WHERE profile_id = ?1"
    if not connection.execute(known, [profile_id]).fetchone():
        raise no_profile(profile_id)


def require_forgettable(connection: sqlite3.Connection, profile_id: str) -> None:
    """Raises NotFound if nothing can be stored of a profile, here or in stores that get the events as
    well: those may have what has expired here."""
    if not forwards(connection):
        require_profile(connection, profile_id)


def no_profile(profile_id: str) -> NotFound:
    """What to say of a profile of which nothing is stored."""
    return NotFound(
        f"There is no profile {profile_id!r}. `thamesthrive events list --json` shows the profile_id"
        " of each event."
    )


def count_profile(connection: sqlite3.Connection, profile_id: str) -> dict[str, int]:
    """How many rows of each table `forget_profile` would remove now. Raises NotFound."""
    with snapshot(connection):
        require_forgettable(connection, profile_id)
        return {
            table: connection.execute(count, [profile_id]).fetchone()[0]
            for table, count in _COUNTS.items()
        }


def forget_profile(connection: sqlite3.Connection, profile_id: str) -> dict[str, int]:
    """Removes a profile and all that belongs to it. Returns the removed rows per table.

    It works in small transactions and may be called again if it was interrupted. Tombstones of the
    events remain, so that a repeat that is still on its way does not store them again; and one of an
    id that verifies (profile_ids.py), so that a browser that still names it does not bring it back.
    Raises NotFound.
    """
    require_forgettable(connection, profile_id)
    removed = dict.fromkeys(_COUNTS, 0)
    entry = 0
    more = True
    while more:
        with transaction(connection):
            # Without the id, and any hash of it: who it was is what must be forgotten.
            entry = entry or add_entry(connection, "profile.forget")
            add_profile_tombstone(connection, profile_id)
            more = _forget_some(connection, profile_id, removed)
            if not more:
                if forwards(connection):
                    add_forgotten(connection, profile_id)
                complete_entry(connection, entry, removed)
    return removed


def _forget_some(connection: sqlite3.Connection, profile_id: str, removed: dict[str, int]) -> bool:
    """Removes some of a profile's rows, inside the caller's transaction. Returns whether there may
    be more."""
    # Looked up each time: between two transactions somebody else may have forgotten it.
    # Several scopes may have one of this id.
    find = "SELECT key FROM profile_rows WHERE id = ? LIMIT 1"
    row = connection.execute(find, [profile_id]).fetchone()
    profile = row[0] if row else 0
    requests = _forget_requests(connection, profile, removed) if profile else 0
    rejected = _forget_rejected(connection, profile_id)
    removed["rejected"] += rejected
    if CHUNK in (requests, rejected):
        return True
    if profile:
        tables = (("sessions", "session_rows", "profile"), ("profiles", "profile_rows", "key"))
        for name, table, column in tables:
            gone = connection.execute(f"DELETE FROM {table} WHERE {column} = ?", [profile])
            removed[name] += gone.rowcount
    return connection.execute(find, [profile_id]).fetchone() is not None


def _forget_requests(connection: sqlite3.Connection, profile: int, removed: dict[str, int]) -> int:
    """Removes some of a profile's requests, with their events. Returns how many requests."""
    requests = connection.execute(
        f"""SELECT r.key, r.events FROM session_rows s JOIN request_rows r ON r.session = s.key
        WHERE s.profile = ? LIMIT {CHUNK}""",
        [profile],
    ).fetchall()
    with removing(connection, [key for key, _ in requests]):
        for key, events in requests:
            gone = connection.execute(
                "DELETE FROM event_rows WHERE seq BETWEEN ?1 AND ?1 + ?2 - 1 AND request = ?1"
                " RETURNING (SELECT id FROM source_keys WHERE key = source), id",
                (key, events),
            ).fetchall()
            add_tombstones(connection, [(row[0], row[1]) for row in gone])
            removed["events"] += len(gone)
        connection.executemany(
            "DELETE FROM request_rows WHERE key = ?", [(key,) for key, _ in requests]
        )
    return len(requests)


def _forget_rejected(connection: sqlite3.Connection, profile_id: str) -> int:
    some = f"SELECT seq FROM rejected WHERE profile_id = ? LIMIT {CHUNK}"
    gone = remove_rejected(connection, f"seq IN ({some})", [profile_id])
    add_tombstones(connection, gone)
    return len(gone)
