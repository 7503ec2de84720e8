"""The current ClickHouse engine in a separate process, behind as much of the HTTP interface as a
destination uses: `python -m tests.engines.clickhouse_server FOLDER PORT`.

The engine comes as a Python package without its server, and answers one query at a time.
"""

import gzip
import importlib
import importlib.util
import os
import signal
import subprocess
import sys
import threading
import time
from email import message_from_bytes
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest

from ..support import ROOT, wait_for
from .postgres_server import free_port

PATIENCE = 30.0  # seconds until it answers


class ClickHouseServer:
    """A server with a database for each test. Can be killed, and started again on the same port."""

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("chdb") is None:
            if os.environ.get("ENGINES") == "required":
                pytest.fail("There is no ClickHouse. Run: pip install chdb-core")
            pytest.skip("there is no ClickHouse: pip install chdb-core")
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def start(self) -> "ClickHouseServer":
        words = ["-m", "tests.engines.clickhouse_server", str(self._folder), str(self.port)]
        self._process = subprocess.Popen([sys.executable, *words], cwd=ROOT)
        wait_for(self._answers, "ClickHouse to answer", PATIENCE)
        return self

    def _answers(self) -> bool:
        try:
            return self.run("SELECT 1") == [1]
        except OSError:
            return False

    def stop(self, how: signal.Signals = signal.SIGKILL) -> None:
        process, self._process = self._process, None
        if process:
            process.send_signal(how)
            process.wait(PATIENCE)

    def url(self, database: str) -> str:
        return f"clickhouse://default@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, end: str = " FORMAT JSONCompactEachRow") -> list[Any]:
        """The rows of a query, each as a list; those of one column as values. Without an `end`, of
        any statement."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        try:
            connection.request("POST", "/", f"{statement}{end}".encode())
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        assert answer.status == 200, text
        rows = [msgspec.json.decode(line) for line in text.splitlines()]
        return [row[0] if len(row) == 1 else row for row in rows]

    def add_database(self) -> str:
        """The name of a new one, which is not made yet."""
        return f"t{time.monotonic_ns()}"


def serve(folder: str, port: int) -> None:
    """Answers until it is ended."""
    # Not everybody has it, whoever checks the types among them.
    refusal: type[Exception] = importlib.import_module("chdb").ChdbError
    engine: Any = importlib.import_module("chdb.session").Session(folder)
    one_at_a_time = threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            settings, query, parameters = self._read()
            with one_at_a_time:
                try:
                    for name, value in settings.items():
                        engine.query(f"SET {name} = '{value}'")
                    found = engine.query(query, "JSONCompactEachRow", params=parameters)
                    status, answer = 200, found.bytes() if found else b""
                except refusal as error:
                    status, answer = 500, str(error).encode()
            self._say(status, answer)

        def _read(self) -> tuple[dict[str, str], str, dict[str, str]]:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            settings = dict(parse_qsl(urlsplit(self.path).query))
            fields: dict[str, str] = {}
            kind = self.headers.get("Content-Type", "")
            if kind.startswith("multipart/form-data"):
                message = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body)
                for part in message.get_payload():
                    name = part.get_param("name", header="content-disposition")  # type: ignore[union-attr]
                    fields[str(name)] = part.get_payload(decode=True).decode()  # type: ignore[union-attr]
                body = fields.pop("query").encode()
            head = settings.pop("query", "")
            query = f"{head}\n{body.decode()}" if head else body.decode()
            values = {name.removeprefix("param_"): value for name, value in fields.items()}
            return settings, query, values

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], int(sys.argv[2]))
