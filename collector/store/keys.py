"""The integers that stand for sources and event types in rows."""

import sqlite3

MAX_KNOWN = 10_000  # keys in memory


class Keys:
    """Keys by name, kept in memory. Names that a transaction adds count once it is committed."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], int] = {}
        self._added: dict[tuple[str, str], int] = {}

    def source(self, connection: sqlite3.Connection, source_id: str) -> int:
        """The key of a source's id, inside the caller's transaction."""
        return self._key(connection, "source_keys", "id", source_id)

    def type(self, connection: sqlite3.Connection, name: str) -> int:
        """The key of an event type, inside the caller's transaction."""
        return self._key(connection, "event_types", "name", name)

    def _key(self, connection: sqlite3.Connection, table: str, column: str, name: str) -> int:
        key = self._known.get((table, name)) or self._added.get((table, name))
        if key is None:
            found = connection.execute(f"SELECT key FROM {table} WHERE {column} = ?", (name,))
            row = found.fetchone()
            if row is None:
                insert = f"INSERT INTO {table} ({column}) VALUES (?)"
                key = int(connection.execute(insert, (name,)).lastrowid or 0)
            else:
                key = int(row[0])
            self._added[table, name] = key
        return key

    def commit(self) -> None:
        """The transaction was committed."""
        if len(self._known) > MAX_KNOWN:  # somebody invents types
            self._known.clear()
        self._known |= self._added
        self._added.clear()

    def rollback(self) -> None:
        """The transaction was rolled back."""
        self._added.clear()


def source_key(connection: sqlite3.Connection, source_id: str) -> int:
    """The key of a source's id; 0 if nothing of it was ever stored."""
    row = connection.execute("SELECT key FROM source_keys WHERE id = ?", (source_id,)).fetchone()
    return int(row[0]) if row else 0
