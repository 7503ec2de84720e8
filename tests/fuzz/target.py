"""The collector that is fuzzed, and what must hold of it whatever it is sent."""

import contextlib
import json
import re
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

from collector import store
from collector.errors import REASONS

from ..support import Collector, wait_for

PATIENCE = 15.0  # seconds until an answer, the collector's own deadline included
REQUEST_SECONDS = 1  # so that what never becomes a request is soon ended
LAST = b"GET /health HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
# Ids that are the same in each run, so that an input that was kept means the same.
PLAIN, STRICT, LISTED, LIMITED, UNSTORED, OFF, REDIRECT = (
    f"f0000000-0000-4000-8000-00000000000{n}" for n in range(7)
)
SOURCES: dict[str, dict[str, Any]] = {
    PLAIN: {"bridges": ("rest", "webhook", "redirect")},
    STRICT: {
        "bridges": ("rest", "webhook"),
        "static_profiles": True,
        "ip_policy": "full",
        "retention_days": 2**31 - 1,
        "numbers": ("order:price", "a:n"),
    },
    LISTED: {"origins": ("https://*.example.com:*",), "ip_policy": "none"},
    LIMITED: {"rate_limit": 100, "bridges": ("rest", "webhook")},
    UNSTORED: {"validate_only": True},
    OFF: {"enabled": False},
}
SCHEMA = {
    "type": "object",
    "properties": {"price": {"type": "number", "minimum": 0}, "s": {"pattern": "^[a-z]*$"}},
    "additionalProperties": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "number"}]},
}  # fmt: skip
_TOKEN = b"@TOKEN@"
_WHOLE_TIME = (
    "[0-9][0-9][0-9][0-9]-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9].[0-9][0-9][0-9]Z"
)


class Problem(Exception):
    """Something that must not be. `data`: what was sent; empty if nobody knows."""

    def __init__(self, what: str, data: bytes = b"") -> None:
        super().__init__(what)
        self.data = data


class Silence(Problem):
    """No answer, or no end of it, for PATIENCE seconds."""


@dataclass
class Answer:
    """A response, with the names of its headers in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Its body. Raises ValueError."""
        return json.loads(self.body)


@dataclass
class Sent:
    """What was sent since the last check."""

    inputs: list[bytes] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)


class Target:
    """A collector with two workers."""

    def __init__(self, folder: Path) -> None:
        self.collector = Collector(
            folder,
            workers=2,
            options=("--request-seconds", str(REQUEST_SECONDS), "--proxies", "1", "--qa"),
        )
        with self.collector.database() as database:
            for source_id, fields in SOURCES.items():
                made = store.add_source(database, "Fuzz", **fields)
                database.execute("UPDATE sources SET id = ? WHERE id = ?", [source_id, made.id])
            for event_type in ("order", "a"):
                store.set_schema(database, STRICT, event_type, json.dumps(SCHEMA))
            redirect = store.add_redirect(database, PLAIN, "https://example.com/", "click")
            database.execute("UPDATE redirects SET id = ? WHERE id = ?", [REDIRECT, redirect.id])
            _, self.token = store.create_token(database, "fuzz")
            database.conn.commit()
        self.collector.start()
        address = urlsplit(self.collector.url)
        self._address = address.hostname, address.port
        self._processes = self.collector.children()
        self._lines = 0  # of the log that were looked at
        self._stored = self._rows = 0
        self._seen = 0  # the last row that was looked at
        self.sent = Sent()
        self.requests = 0
        self.statuses: dict[int, int] = {}

    # Sending

    def exchange(self, pieces: Sequence[bytes]) -> list[Answer]:
        """Sends bytes in these pieces, and a last request; all answers. Raises Problem."""
        data = b"".join(pieces)
        self.sent.inputs.append(data)
        answers = list(_parse(self._talk(pieces, data), data))
        self.requests += len(answers)
        for answer in answers:
            self.statuses[answer.status] = self.statuses.get(answer.status, 0) + 1
            self._judge(answer, data)
        return answers

    def _talk(self, pieces: Sequence[bytes], data: bytes) -> bytes:
        got = b""
        with socket.create_connection(self._address, timeout=PATIENCE) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            try:
                # The other side may hang up before all is sent, and may have answered.
                with contextlib.suppress(ConnectionError):
                    for piece in (*pieces, LAST):
                        connection.sendall(piece)
                while part := self._receive(connection):
                    got += part
            except TimeoutError as error:
                raise Silence(f"no end after {PATIENCE} s, but {got[:200]!r}", data) from error
            except ConnectionError:
                return got
        if not got:
            raise Problem("closed without an answer", data)
        return got

    @staticmethod
    def _receive(connection: socket.socket) -> bytes:
        """What comes next. Asks once more after a silence: a body that lacked as many bytes as the
        last request has was given them, and then the connection is well and idle."""
        connection.settimeout(REQUEST_SECONDS + 4)
        try:
            return connection.recv(65536)
        except TimeoutError:
            with contextlib.suppress(ConnectionError):
                connection.sendall(LAST)
            connection.settimeout(PATIENCE)
            return connection.recv(65536)

    def _judge(self, answer: Answer, data: bytes) -> None:
        if answer.status >= 500 and answer.status != 503:
            raise Problem(f"status {answer.status}: {answer.body[:200]!r}", data)
        reason = answer.headers.get("x-collector-reason", "stored")
        if reason not in REASONS or reason == "internal":
            raise Problem(f"reason {reason}", data)
        if not answer.body or "json" not in answer.headers.get("content-type", ""):
            return
        try:
            told = answer.json()
        except ValueError as error:
            raise Problem(f"not JSON: {answer.body[:200]!r}", data) from error
        if isinstance(told, dict) and "task" in told and "not kept" not in str(told["warnings"]):
            self.sent.acknowledged |= set(told["events"])

    # Checking

    def check(self, *, counted: bool = True) -> None:
        """Raises Problem if something is wrong with the collector or its database.

        `counted`: nothing but what was sent by `exchange` has stored or removed events since the
        last check.
        """
        self._check_processes()
        metrics = httpx.get(f"{self.collector.url}/metrics", timeout=PATIENCE).text
        if re.search(r'reason="internal".*\} [1-9]', metrics):
            raise Problem("an internal error is counted")
        stored = sum(
            int(float(number))
            for number in re.findall(r'events_total\{reason="stored",.*\} (\S+)', metrics)
        )
        (found,) = self.collector.rows("SELECT count(*) AS n, max(seq) AS seq FROM events")
        if counted and (added := stored - self._stored) != found["n"] - self._rows:
            raise Problem(f"{added} events were counted, {found['n'] - self._rows} were stored")
        self._stored, self._rows = stored, found["n"]
        if counted and (lost := self._lost()):
            raise Problem(f"acknowledged, but not stored: {sorted(lost)[:5]}")
        self._check_rows(found["seq"] or 0)
        self.sent = Sent()

    def _check_processes(self) -> None:
        lines = self.collector.log[self._lines :]
        self._lines += len(lines)
        bad = [
            line
            for line in lines
            if "Traceback" in line or re.search(r"(?i)\b(error|critical)\b +", line[:60])
        ]
        if bad:
            raise Problem("in the log: " + "\n".join(lines[lines.index(bad[0]) :][:60]))
        if self.collector.children() != self._processes:
            raise Problem("a process has ended: " + "\n".join(lines[-20:]))

        def ready() -> bool:
            url = f"{self.collector.url}/ready"
            return all(httpx.get(url, timeout=PATIENCE).status_code == 200 for _ in range(4))

        try:
            wait_for(ready, "/ready to answer 200")
        except AssertionError as error:
            raise Problem(str(error)) from error

    def _lost(self) -> set[str]:
        wanted = json.dumps(sorted(self.sent.acknowledged))
        found = self.collector.rows(
            "SELECT id FROM events WHERE id IN (SELECT value FROM json_each(?))", wanted
        )
        return self.sent.acknowledged - {row["id"] for row in found}

    def _check_rows(self, last: int) -> None:
        """What is stored can be read: times in their one form, JSON that is JSON."""
        first, self._seen = self._seen, last
        wrong = self.collector.rows(
            f"SELECT id, occurred_at, received_at FROM events WHERE seq > {first}"
            f" AND (occurred_at NOT GLOB '{_WHOLE_TIME}' OR julianday(occurred_at) IS NULL"
            " OR NOT json_valid(properties) OR NOT json_valid(context)"
            " OR NOT json_valid(coalesce(options, '{}')) OR NOT json_valid(coalesce(tags, '[]'))"
            " OR NOT json_valid(coalesce(extra, '{}')) OR NOT json_valid(coalesce(request, '{}')))"
            " LIMIT 5"
        )
        if wrong:
            raise Problem(f"rows that nobody can read: {wrong}")
        wrong = self.collector.rows(
            "SELECT id FROM sessions WHERE NOT json_valid(context) OR length(context) > 70000 LIMIT 5"
        )
        if wrong:
            raise Problem(f"contexts that nobody can read: {wrong}")

    def check_database(self) -> None:
        """`thamesthrive db check`. Raises Problem."""
        with contextlib.closing(store.connect_readonly(self.collector.db)) as connection:
            problems = store.check_database(connection)
        if problems:
            raise Problem(f"db check: {problems[:5]}")

    def forget(self) -> None:
        """Takes the collector as it is for what the next check compares with."""
        self._lines = len(self.collector.log)
        self._processes = self.collector.children()
        self.sent = Sent()
        with contextlib.suppress(Problem):
            self.check(counted=False)

    def restart(self) -> None:
        """Ends the collector in order, and starts it again. Raises Problem."""
        if code := self.collector.stop():
            raise Problem(f"exit code {code}: " + "\n".join(self.collector.log[-20:]))
        self._lines = 0
        self.collector.start()
        self._processes = self.collector.children()
        self._stored = 0
        self._rows = self.collector.counts()["events"]

    # Inputs that are kept

    def hide(self, data: bytes) -> bytes:
        """An input without the token, which is another one in each run."""
        return data.replace(self.token.encode(), _TOKEN)

    def reveal(self, data: bytes) -> bytes:
        """The reverse of `hide`."""
        return data.replace(_TOKEN, self.token.encode())


def _parse(got: bytes, data: bytes) -> Iterator[Answer]:
    while got:
        head, end, got = got.partition(b"\r\n\r\n")
        line = re.fullmatch(rb"HTTP/1\.[01] (\d{3}) [ -~]*", head.split(b"\r\n", 1)[0])
        if not end or line is None:
            raise Problem(f"not an answer: {head[:200]!r}", data)
        headers = {
            name.strip().lower(): value.strip()
            for name, _, value in (
                text.partition(":") for text in head.decode("latin-1").split("\r\n")[1:]
            )
        }
        length = int(headers.get("content-length", 0))
        status = int(line[1])
        if status == 100:
            continue
        # An answer to HEAD has the length of what it leaves out.
        body = b"" if status in (204, 304) or got.startswith(b"HTTP/1.1 ") else got[:length]
        got = got[len(body) :]
        yield Answer(status, headers, body)


@contextlib.contextmanager
def target(folder: Path) -> Iterator[Target]:
    """A collector to be fuzzed, in a folder of its own."""
    made = Target(folder)
    try:
        yield made
    finally:
        made.collector.end()
