"""ClickHouse, 23.8 or later, as a destination, over HTTP.

An insert is one block of each table. What is sent again replaces itself, and the views show one row
of an id, see clickhouse_tables.py.
"""

import gzip
import json
import re
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException, HTTPSConnection, RemoteDisconnected
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

import msgspec

from ..store.forwarding import COLUMNS, EVENT_COLUMNS, Batch
from .clickhouse_tables import MIGRATIONS
from .destination import Refused, Unreachable, Unsuitable, pending

MIN_VERSION = (23, 8)
PORTS = {"clickhouse": 8123, "clickhouses": 8443}
TIMEOUT = 60  # seconds for an answer
# Ids with another time in them are sorted as those without one: senders choose ids, and would
# choose how many partitions there are.
EARLIEST, LATEST = 1_577_836_800, 4_102_444_800  # 2020 and 2100, seconds since 1970
_UUID7 = re.compile(r"[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-7[0-9a-fA-F]{3}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}")
_ID = EVENT_COLUMNS.index("id")
_TABLES = {"events": "event_rows", "sessions": "session_rows", "profiles": "profile_rows"}
_ERROR = re.compile(r"Code: (\d+)\. DB::Exception: (.*)", re.DOTALL)
# Codes of ClickHouse by what is at fault: the rows, or what the user may do.
_ROWS = {6, 26, 27, 33, 38, 41, 53, 72, 117, 131, 321, 469}
_RIGHTS = {60, 81, 164, 497}
_INSERT = {
    "async_insert": "0",
    "date_time_input_format": "best_effort",
    "input_format_parallel_parsing": "0",
    "max_partitions_per_insert_block": "0",
    "insert_deduplicate": "0",  # its windows prove nothing, and the key does
}
_encode = msgspec.json.Encoder().encode_lines


class ClickHouse:
    """A database by its address, as `clickhouse://user:password@host:8123/database`; clickhouses://
    for TLS."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._secure = parts.scheme == "clickhouses"
        self._host = parts.hostname or "127.0.0.1"
        self._port = parts.port or PORTS[parts.scheme]
        self._database = unquote(parts.path.strip("/")) or "thamesthrive"
        self._headers = {
            "X-ClickHouse-User": unquote(parts.username or "default").encode(),
            "X-ClickHouse-Key": unquote(parts.password or "").encode(),
        }
        self._connection: HTTPConnection | None = None
        self._answers = 0  # on this connection

    def open(self) -> None:
        """Connects, and makes or migrates the tables. Raises Unreachable, Unsuitable."""
        self._connect()
        version = self._ask("SELECT version()")[0][0]
        numbers = tuple(int(part) for part in version.split(".")[:2])
        if numbers < MIN_VERSION:
            raise Unsuitable(f"This is ClickHouse {version}; 23.8 or later is needed.")
        self._migrate()

    def _connect(self) -> None:
        self.close()
        kind = HTTPSConnection if self._secure else HTTPConnection
        self._answers = 0
        self._connection = kind(self._host, self._port, timeout=TIMEOUT)

    def close(self) -> None:
        """Ends the connection."""
        connection, self._connection = self._connection, None
        if connection:
            connection.close()

    def _migrate(self) -> None:
        """Brings the tables up to date. Two edges may do so at once: each step may be done twice."""
        name = self._quoted
        if not self._ask(
            "SELECT name FROM system.databases WHERE name = {name:String}", name=self._database
        ):
            self._run(f"CREATE DATABASE IF NOT EXISTS {name}")
        self._run(
            f"CREATE TABLE IF NOT EXISTS {name}.migrations (number UInt32, applied_at DateTime)"
            " ENGINE = ReplacingMergeTree ORDER BY number"
        )
        version = int(self._ask(f"SELECT max(number) FROM {name}.migrations")[0][0])
        for number, statements in pending(MIGRATIONS, version):
            for statement in statements:
                self._run(statement.replace("{database}", name))
            self._run(f"INSERT INTO {name}.migrations VALUES ({number}, now())")

    @property
    def _quoted(self) -> str:
        escaped = self._database.replace("\\", "\\\\").replace("`", "\\`")
        return f"`{escaped}`"

    def cursor(self, edge: str) -> int | None:
        """The number of the last event of this edge that was inserted."""
        rows = self._ask(
            f"SELECT cursor FROM {self._quoted}.edges FINAL WHERE id = {{edge:String}}", edge=edge
        )
        return int(rows[0][0]) if rows else None

    def send(self, batch: Batch) -> None:
        """Inserts a block into each table, events first."""
        for kind, rows in batch.rows.items():
            if not rows:
                continue
            columns = [*COLUMNS[kind], "edge"]
            extra: tuple[Any, ...] = (batch.edge,)
            if kind == "events":
                columns.append("id_at")
                lines = [(*row, *extra, id_time(row[_ID])) for row in rows]
            else:
                lines = [(*row, *extra) for row in rows]
            try:
                body = _encode(lines)
            except UnicodeEncodeError as error:
                raise Refused(str(error)) from error
            self._insert(_TABLES[kind], columns, body)
        # Later than what is there in any case: a clock may have been ahead.
        self._run(
            f"INSERT INTO {self._quoted}.edges SELECT {{edge:String}}, {batch.last},"
            " greatest(now64(3), max(sent_at) + INTERVAL 1 MILLISECOND)"
            f" FROM {self._quoted}.edges WHERE id = {{edge:String}}",
            edge=batch.edge,
        )

    def _insert(self, table: str, columns: Sequence[str], lines: bytes) -> None:
        query = (
            f"INSERT INTO {self._quoted}.{table} ({', '.join(columns)}) FORMAT JSONCompactEachRow"
        )
        _require_nothing(
            self._request({"query": query, **_INSERT}, gzip.compress(lines, 1), gzipped=True)
        )

    def forget(self, profiles: Sequence[str]) -> None:
        """Removes all rows of these profiles, and the events of their sessions."""
        name, wanted = self._quoted, json.dumps(list(profiles))
        mine = "JSONExtract({profiles:String}, 'Array(String)')"
        self._run(
            f"DELETE FROM {name}.event_rows WHERE has({mine}, profile_id)"
            f" OR (source_id, session_id) IN (SELECT source_id, id FROM {name}.session_rows"
            f" WHERE has({mine}, profile_id))",
            profiles=wanted,
        )
        self._run(f"DELETE FROM {name}.session_rows WHERE has({mine}, profile_id)", profiles=wanted)
        self._run(f"DELETE FROM {name}.profile_rows WHERE has({mine}, id)", profiles=wanted)

    def missing(self, ids: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these events, each by source and id, it does not have."""
        found = self._ask(
            f"SELECT source_id, id FROM {self._quoted}.event_rows WHERE (source_id, id) IN"
            " (SELECT w.1, w.2 FROM (SELECT arrayJoin(JSONExtract({ids:String},"
            " 'Array(Tuple(String, String))')) AS w))"
            " AND id_at IN (SELECT toDateTime(arrayJoin(JSONExtract({times:String},"
            " 'Array(UInt32)'))))",
            ids=json.dumps(list(ids)),
            times=json.dumps(sorted({id_time(id_) for _, id_ in ids})),
        )
        return set(ids) - {(row[0], row[1]) for row in found}

    def _ask(self, query: str, **values: str) -> list[list[Any]]:
        body = self._query(f"{query} FORMAT JSONCompactEachRow", **values)
        try:
            return [json.loads(line) for line in body.splitlines()]
        except json.JSONDecodeError as error:
            raise _no_clickhouse(body) from error

    def _run(self, statement: str, **values: str) -> None:
        """Runs a statement that has no rows. `values`: of its {name:Type} places."""
        _require_nothing(self._query(statement, **values))

    def _query(self, query: str, **values: str) -> str:
        # Values are read as a field of a tab-separated file.
        parameters = {
            f"param_{name}": value.replace("\\", "\\\\").replace("\t", "\\t").replace("\n", "\\n")
            for name, value in values.items()
        }
        return self._request({"mutations_sync": "1"}, query.encode(), parameters=parameters)

    def _request(
        self,
        settings: dict[str, str],
        body: bytes,
        *,
        parameters: dict[str, str] | None = None,
        gzipped: bool = False,
    ) -> str:
        headers: dict[str, str | bytes] = {
            **self._headers,
            **({"Content-Encoding": "gzip"} if gzipped else {}),
        }
        if parameters:
            # As a form: an address has no room for thousands of ids.
            body, kind = _form({"query": body.decode(), **parameters})
            headers["Content-Type"] = kind
        path = f"/?{urlencode(settings)}"
        try:
            try:
                status, text = self._post(path, body, headers)
            except (ConnectionError, RemoteDisconnected):
                if not self._answers:
                    raise
                # Servers end connections that were idle. What is sent again does no harm.
                self._connect()
                status, text = self._post(path, body, headers)
        except (UnicodeError, ValueError) as error:
            self.close()
            raise Unsuitable(
                "Its host, user or password has characters that HTTP has none for."
            ) from error
        except (OSError, HTTPException) as error:
            self.close()
            reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise Unreachable(f"{self._host}:{self._port}: {reason}") from error
        if status != HTTPStatus.OK:
            raise _error_of(status, text)
        return text

    def _post(self, path: str, body: bytes, headers: Mapping[str, str | bytes]) -> tuple[int, str]:
        if self._connection is None:
            raise Unreachable("not connected")
        self._connection.request("POST", path, body, headers)
        answer = self._connection.getresponse()
        self._answers += 1
        return answer.status, answer.read().decode("utf-8", "replace")


def id_time(event_id: str) -> int:
    """The time in an id that is a UUIDv7, in seconds since 1970; 0 for others."""
    if not _UUID7.fullmatch(event_id):
        return 0
    seconds = int(event_id[:8] + event_id[9:13], 16) // 1000
    return seconds if EARLIEST <= seconds < LATEST else 0


def _require_nothing(body: str) -> None:
    """What changes something is answered with nothing: a text is somebody else's, as of a proxy."""
    if body.strip():
        raise _no_clickhouse(body)


def _no_clickhouse(body: str) -> Unreachable:
    start = " ".join(body.split())[:60]
    return Unreachable(f"Something else than ClickHouse answers, a proxy perhaps: {start}")


def _form(fields: dict[str, str]) -> tuple[bytes, str]:
    """A multipart form, and its content type."""
    boundary = "----thamesthrive-7f3c1d2b9a"
    parts = [
        f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    body = "".join([*parts, f"--{boundary}--\r\n"]).encode()
    return body, f"multipart/form-data; boundary={boundary}"


def _error_of(status: int, text: str) -> Exception:
    found = _ERROR.search(text)
    if not found:
        return Unreachable(f"status {status}: {text.strip()[:200]}")
    code, message = int(found[1]), found[2].split("\n")[0].strip()
    if code in _ROWS:
        return Refused(message)
    return (Unsuitable if code in _RIGHTS else Unreachable)(message)
