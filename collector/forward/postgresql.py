"""PostgreSQL, 14 or later, as a destination.

A batch and the edge's cursor are one transaction. Events are copied right into their table, as hardly
any was sent before; if one was, they are copied into a temporary table and merged from there, which
takes half as long again. Sessions and profiles always are.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psycopg
from psycopg import errors, sql
from psycopg.conninfo import conninfo_to_dict

from ..store.forwarding import COLUMNS, Batch
from .destination import Refused, Unreachable, Unsuitable, pending
from .postgresql_tables import MIGRATIONS

MIN_VERSION = 140000
CONNECT_TIMEOUT = 5  # seconds
STATEMENT_TIMEOUT = 60  # seconds: a batch takes a tenth of one
LOCK = 7_226_315_011  # of migrations, any number that others do not use

_NONE = "\x02"  # stands for NULL until all else is escaped
_CONTROLS = bytes(range(32))
_CONTROL = re.compile(r"[\x01-\x1f]")
_KEYS = {
    "events": ("source_id", "id"),
    "sessions": ("source_id", "id", "edge"),
    "profiles": ("id", "scope", "edge"),
}
_ROWS = {"events": "event_rows", "sessions": "session_rows", "profiles": "profile_rows"}

# An escaped NUL, which PostgreSQL has no place for, behind an even number of backslashes.
_NUL = re.compile(r"(?<!\\)((?:\\\\)*)\\u0000")
_NO_NUL = r"\1\\ufffd"
# The fault is in the rows.
_REFUSALS = (
    errors.DataError,
    errors.IntegrityError,
    errors.ProgramLimitExceeded,
    errors.StatementTooComplex,
    UnicodeEncodeError,
)
_CHANGED = (errors.InvalidSchemaName, errors.UndefinedTable, errors.UndefinedColumn)


class PostgreSQL:
    """A database by its address, as `postgresql://user@host/database`. libpq's variables and password
    file count as well."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection[Any] | None = None

    def open(self) -> None:
        """Connects, and makes or migrates the tables. Raises Unreachable, Unsuitable."""
        with _explained():
            try:
                conninfo_to_dict(self._url)
            except psycopg.ProgrammingError:
                # What libpq says of it has the password in it.
                raise Unsuitable(
                    "libpq cannot read the address. Characters of the password that are not letters or"
                    " digits are written as % and two digits."
                ) from None
            connection = psycopg.connect(
                self._url,
                connect_timeout=CONNECT_TIMEOUT,
                application_name="thamesthrive",
                autocommit=True,
                keepalives_idle=10,
                keepalives_interval=5,
                keepalives_count=3,
                tcp_user_timeout=STATEMENT_TIMEOUT * 1000,
            )
            self._connection = connection
            if connection.info.server_version < MIN_VERSION:
                version = connection.info.parameter_status("server_version")
                raise Unsuitable(f"This is PostgreSQL {version}; 14 or later is needed.")
            connection.execute(f"SET statement_timeout = '{STATEMENT_TIMEOUT}s'".encode())
            connection.execute("SET lock_timeout = '10s'")
            _migrate(connection)
            for kind, columns in COLUMNS.items():
                _make_incoming(connection, kind, columns)

    def close(self) -> None:
        """Ends the connection."""
        connection, self._connection = self._connection, None
        if connection:
            with suppress(psycopg.Error):
                connection.close()

    @property
    def _opened(self) -> psycopg.Connection[Any]:
        if self._connection is None:
            raise Unreachable("not connected")
        return self._connection

    def cursor(self, edge: str) -> int | None:
        """The number of the last event of this edge that is in a committed batch."""
        with _explained():
            find = "SELECT cursor FROM thamesthrive.edges WHERE id = %s"
            row = self._opened.execute(find, [edge]).fetchone()
        return None if row is None else int(row[0])

    def send(self, batch: Batch) -> None:
        """Stores a batch in one transaction."""
        with _explained():
            try:
                self._send(batch, has_repeats=False)
            except errors.UniqueViolation:
                self._send(batch, has_repeats=True)

    def _send(self, batch: Batch, *, has_repeats: bool) -> None:
        with self._opened.transaction():
            cursor = self._opened.cursor()
            for kind, rows in batch.rows.items():
                if not rows:
                    continue
                if kind == "events" and not has_repeats:
                    with cursor.copy(_COPY_EVENTS) as copy:
                        copy.write(_as_text([(*row, batch.edge) for row in rows]))
                else:
                    with cursor.copy(_COPY[kind]) as copy:
                        copy.write(_as_text(rows))
                    cursor.execute(_MERGE[kind], [batch.edge])
            cursor.execute(
                "INSERT INTO thamesthrive.edges VALUES (%s, %s, now()) ON CONFLICT (id) DO UPDATE"
                " SET cursor = excluded.cursor, sent_at = excluded.sent_at",
                [batch.edge, batch.last],
            )

    def forget(self, profiles: Sequence[str]) -> None:
        """Removes all rows of these profiles, and the events of their sessions."""
        wanted = [list(profiles)]
        with _explained(), self._opened.transaction():
            self._opened.execute(
                "DELETE FROM thamesthrive.event_rows e USING thamesthrive.session_rows s"
                " WHERE s.profile_id = ANY(%s) AND e.source_id = s.source_id"
                " AND e.session_id = s.id",
                wanted,
            )
            for table, column in (
                ("event_rows", "profile_id"),
                ("session_rows", "profile_id"),
                ("profile_rows", "id"),
            ):
                self._opened.execute(
                    f"DELETE FROM thamesthrive.{table} WHERE {column} = ANY(%s)".encode(), wanted
                )

    def missing(self, ids: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these events, each by source and id, it does not have."""
        with _explained():
            found = self._opened.execute(
                "SELECT w.source_id, w.id FROM unnest(%s::text[], %s::text[]) AS w(source_id, id)"
                " WHERE NOT EXISTS (SELECT FROM thamesthrive.event_rows e"
                ' WHERE e.source_id = w.source_id COLLATE "C" AND e.id = w.id COLLATE "C")',
                [[source for source, _ in ids], [id_ for _, id_ in ids]],
            )
            return {(row[0], row[1]) for row in found}


def _migrate(connection: psycopg.Connection[Any]) -> None:
    """Brings the tables up to date, one edge at a time."""
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK])
        if not connection.execute("SELECT to_regclass('thamesthrive.migrations')").fetchone()[0]:  # type: ignore[index]
            if not connection.execute("SELECT to_regnamespace('thamesthrive')").fetchone()[0]:  # type: ignore[index]
                connection.execute("CREATE SCHEMA thamesthrive")
            connection.execute(
                "CREATE TABLE thamesthrive.migrations"
                " (number integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())"
            )
        row = connection.execute(
            "SELECT coalesce(max(number), 0) FROM thamesthrive.migrations"
        ).fetchone()
        version = int(row[0]) if row else 0
        for number, statements in pending(MIGRATIONS, version):
            for statement in statements:
                connection.execute(statement.encode())
            connection.execute("INSERT INTO thamesthrive.migrations (number) VALUES (%s)", [number])


def _make_incoming(connection: psycopg.Connection[Any], kind: str, columns: Sequence[str]) -> None:
    """The temporary table that rows of a kind are copied into, empty after each commit."""
    connection.execute(
        sql.SQL(
            "CREATE TEMPORARY TABLE {} ON COMMIT DELETE ROWS AS SELECT {} FROM {} WITH NO DATA"
        ).format(
            sql.Identifier(f"incoming_{kind}"),
            sql.SQL(", ").join(map(sql.Identifier, columns)),
            sql.Identifier("thamesthrive", _ROWS[kind]),
        )
    )


def _copy_statement(table: str, columns: Sequence[str]) -> str:
    return (
        f"COPY {table} ({', '.join(columns)}) FROM STDIN"
        f" (FORMAT text, DELIMITER E'\\x1f', NULL '\\N', ENCODING 'UTF8')"
    )


def _merge_statement(kind: str) -> str:
    """Events stay as they came first. Of a session or profile, an edge's own row is replaced. In the
    order of the key, so that two edges with the same events do not wait for each other in a
    circle."""
    columns, key = COLUMNS[kind], _KEYS[kind]
    names = ", ".join(columns)
    order = ", ".join(name for name in key if name != "edge")
    if kind == "events":
        conflict = "NOTHING"
    else:
        changes = [f"{name} = excluded.{name}" for name in columns if name not in key]
        conflict = f"UPDATE SET {', '.join(changes)}"
    return (
        f"INSERT INTO thamesthrive.{_ROWS[kind]} AS known ({names}, edge)"
        f" SELECT {names}, %s FROM incoming_{kind} ORDER BY {order}"
        f" ON CONFLICT ({', '.join(key)}) DO {conflict}"
    )


_COPY = {
    kind: _copy_statement(f"incoming_{kind}", columns).encode() for kind, columns in COLUMNS.items()
}
_COPY_EVENTS = _copy_statement(
    f"thamesthrive.{_ROWS['events']}", (*COLUMNS["events"], "edge")
).encode()
_MERGE = {kind: _merge_statement(kind).encode() for kind in COLUMNS}


def _as_text(rows: Sequence[tuple[Any, ...]]) -> bytes:
    """Rows as COPY reads them. Backslashes are all that has to be escaped, as in JSON and in ids there
    are no control characters; if there are, as in a database that others have written to, each value
    is escaped by itself, which takes ten times as long."""
    text = "\n".join(
        [
            "\x1f".join([_NONE if v is None else v if type(v) is str else str(v) for v in row])
            for row in rows
        ]
    )
    data = text.encode()
    nones = sum(row.count(None) for row in rows)
    if len(data) - len(data.translate(None, _CONTROLS)) != len(rows) * len(rows[0]) - 1 + nones:
        return "".join(["\x1f".join(map(_escaped, row)) + "\n" for row in rows]).encode()
    if b"\\" in data:
        if "\\u0000" in text:
            data = _NUL.sub(_NO_NUL, text).encode()
        data = data.replace(b"\\", b"\\\\")
    return data.replace(_NONE.encode(), b"\\N") + b"\n"


def _escaped(value: Any) -> str:
    if value is None:
        return "\\N"
    text = _NUL.sub(_NO_NUL, str(value)).replace("\\", "\\\\").replace("\x00", "\ufffd")
    return _CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


@contextmanager
def _explained() -> Iterator[None]:
    """Errors of PostgreSQL as those of destinations."""
    try:
        yield
    except _REFUSALS as error:
        raise Refused(_first_line(error)) from error
    except _CHANGED as error:
        raise Unsuitable(
            f"{_first_line(error)}. Somebody has changed the tables. Put them back, or drop the schema"
            " thamesthrive: then it is made and filled again."
        ) from error
    except errors.InsufficientPrivilege as error:
        raise Unsuitable(
            f"{_first_line(error)}. See the how-to on many machines for the rights that are needed."
        ) from error
    except psycopg.Error as error:
        raise Unreachable(_first_line(error)) from error


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
