"""What tests stand on: a real collector as a process, its database, a web server for pages of
another origin."""

import asyncio
import contextlib
import functools
import os
import re
import resource
import select
import signal
import sqlite3
import ssl
import subprocess
import sys
import termios
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import httpx
import pytest
from httpx._transports import default
from sqlite_utils import Database

from collector import store

from .warm import WarmProcess, fits

ROOT = Path(__file__).parent.parent
PATIENCE = 20.0  # seconds a test waits for what must happen
COMMAND = [sys.executable, "-m", "cli.main"]

T = TypeVar("T")

_make_context = default.create_ssl_context  # type: ignore[attr-defined]


def _shared_context(**options: Any) -> ssl.SSLContext:
    return _context_for(os.environ.get("SSL_CERT_FILE"), **options)


@functools.cache
def _context_for(_: str | None, **options: Any) -> ssl.SSLContext:
    made: ssl.SSLContext = _make_context(**options)
    return made


# Each client reads the authorities that it trusts, which takes 50 ms. There are thousands here.
default.create_ssl_context = _shared_context  # type: ignore[assignment, attr-defined]


def run_async(work: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine to its end, in a thread: the main one may have the event loop of a
    browser."""
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def wait_for(look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """The first true value of `look`, polled; an assertion error that names `what` if there is none
    in time."""
    deadline = time.monotonic() + patience
    while True:
        value = look()
        if value:
            return value
        assert time.monotonic() < deadline, f"waited {patience} s for {what}, last seen: {value!r}"
        threading.Event().wait(0.02)


@contextlib.contextmanager
def descriptors(wanted: int) -> Iterator[None]:
    """Lets this process have so many, for a while. Skips the test where that is not allowed."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        pytest.skip(f"{wanted} descriptors are needed")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def run(
    *args: str | Path,
    cwd: Path | None = None,
    env: dict[str, str] | None = None,
    timeout: float = 120,
) -> subprocess.CompletedProcess[str]:
    """The command line, run to its end."""
    words = [*map(str, args)]
    if fits(words, env or {}):
        variables = {**os.environ, "PYTHONPATH": str(ROOT), **(env or {})}
        process = WarmProcess(words, cwd=cwd or Path.cwd(), env=variables)
        out, err = process.communicate(timeout)
        return subprocess.CompletedProcess([*COMMAND, *words], process.returncode or 0, out, err)
    return subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(env or {})},
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


def on_terminal(*args: str, until: str | None = None, columns: int = 80) -> str:
    """What the command line shows on a terminal, to its end, or until it has shown a text, when it
    is ended."""
    ours, theirs = os.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    shown = ""
    with subprocess.Popen(
        [*COMMAND, *args],
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env={**os.environ, "TERM": "xterm"},
    ) as process:
        os.close(theirs)
        # Reading fails when nobody has the other end any more.
        with contextlib.suppress(OSError):
            while until is None or until not in shown:
                shown += os.read(ours, 4096).decode(errors="replace")
            process.terminate()
            while True:
                shown += os.read(ours, 4096).decode(errors="replace")
    os.close(ours)
    return shown


class Collector:
    """`thamesthrive serve` on a database of its own. Can be killed and started again, on the same
    port."""

    running: ClassVar["set[Collector]"] = set()
    command: ClassVar[list[str]] = COMMAND

    def __init__(
        self,
        folder: Path,
        *,
        workers: int = 1,
        options: tuple[str, ...] = (),
        env: dict[str, str] | None = None,
        prefix: tuple[str, ...] = (),
    ) -> None:
        """`prefix`: a command that runs the rest of its line in place of itself, with a limit."""
        self.db = folder / "events.db"
        self.workers = workers
        self.options = options
        self.env = env or {}
        self.prefix = prefix
        self.port = 0
        self.url = ""
        self.log: list[str] = []
        self.process: subprocess.Popen[str] | WarmProcess | None = None

    def start(self) -> "Collector":
        words = [
            "serve",
            "--db",
            str(self.db),
            "--port",
            str(self.port),
            "--workers",
            str(self.workers),
            "--drain-seconds",
            "0",
            "--log-format",
            "text",
            *self.options,
        ]
        variables = {**os.environ, **self.env}
        if self.command is COMMAND and not self.prefix and fits(words, self.env):
            self.process = WarmProcess(words, cwd=ROOT, env=variables, own_session=True)
            self.process.stdout.close()
        else:
            self.process = subprocess.Popen(
                [*self.prefix, *self.command, *words],
                cwd=ROOT,
                env=variables,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        Collector.running.add(self)
        self.log = []
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        found = wait_for(self._listening, "the collector to listen", 40)
        self.url = found
        self.port = int(found.rpartition(":")[2])
        return self

    def _read(self, process: "subprocess.Popen[str] | WarmProcess") -> None:
        assert process.stderr
        with process.stderr as lines:
            for line in lines:
                self.log.append(line.rstrip())

    def _listening(self) -> str:
        assert self.process
        assert self.process.poll() is None, "\n".join(self.log)
        return next(
            (
                found[1]
                for line in self.log
                if (found := re.search(r"listening on (http://\S+?),", line))
            ),
            "",
        )

    def stop(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.process
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(19)
        except subprocess.TimeoutExpired as error:
            raise AssertionError(f"it does not stop\n{self.explain()}") from error

    def children(self, role: str = "collector.child") -> list[int]:
        """Process ids of the writer and the workers, or of one of the two roles."""
        assert self.process
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    stat = (entry / "stat").read_text().rpartition(")")[2].split()
                    if (
                        int(stat[1]) == self.process.pid
                        and stat[0] != "Z"
                        and role in (entry / "cmdline").read_text()
                    ):
                        found.append(int(entry.name))
        return sorted(found)

    def kill(self) -> None:
        """kill -9 of everything at once, as a power cut would. Returns when all of them have
        ended."""
        assert self.process
        handles = []
        for victim in [*self.children(), self.process.pid]:
            with contextlib.suppress(ProcessLookupError):
                handles.append(os.pidfd_open(victim))
                signal.pidfd_send_signal(handles[-1], signal.SIGKILL)
        for handle in handles:
            assert select.select([handle], [], [], PATIENCE)[0], "a killed process does not end"
            os.close(handle)
        self.process.wait(10)

    def explain(self) -> str:
        """The log, and where each of its processes is at: what to read when a test has failed."""
        for child in self.children():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGUSR2)
            threading.Event().wait(0.2)  # for what it writes; nothing says when it has
        return "\n".join(self.log[-200:])

    def end(self) -> None:
        """Leaves nothing behind, whatever became of the test."""
        Collector.running.discard(self)
        if self.process and self.process.poll() is None:
            self.stop()

    def settled_log(self) -> list[str]:
        """The log with all that its only worker has written until now. A line may come later than
        the answer; the stacks that SIGUSR2 asks for come after it, and are left out."""
        stack = re.compile(r"Current thread |Thread 0x|  File |$")
        (worker,) = self.children("collector.child\0worker")
        before = len(self.log)
        os.kill(worker, signal.SIGUSR2)
        wait_for(
            lambda: any(line.startswith("Current thread ") for line in self.log[before:]),
            "the worker to say where it is at",
        )
        return [line for line in self.log if not stack.match(line)]

    def add_source(self, **options: Any) -> str:
        with self.database() as database:
            return store.add_source(database, "Test", **options).id

    @contextlib.contextmanager
    def database(self) -> Iterator[Database]:
        store.migrate(self.db)
        connection = store.connect(self.db)
        try:
            yield Database(connection)
        finally:
            connection.close()

    def rows(self, sql: str, *values: Any) -> list[dict[str, Any]]:
        """A query on the database, on a connection of its own, as any SQLite client would."""
        connection = sqlite3.connect(f"file:{self.db}?mode=ro", uri=True)
        connection.row_factory = sqlite3.Row
        try:
            return [dict(row) for row in connection.execute(sql, values)]
        finally:
            connection.close()

    def events(self, source: str) -> list[dict[str, Any]]:
        """The stored events of a source, in the order of storing."""
        return self.rows("SELECT * FROM events WHERE source_id = ? ORDER BY seq", source)

    def wait_for_events(self, source: str, count: int) -> list[dict[str, Any]]:
        """The events of a source once there are at least `count`."""
        return wait_for(
            lambda: found if len(found := self.events(source)) >= count else [],
            f"{count} events of {source}",
        )

    def counts(self) -> dict[str, int]:
        """Rows per table: what "nothing was written" is proved with."""
        tables = ("events", "rejected", "sessions", "profiles")
        return {table: self.rows(f"SELECT count(*) AS n FROM {table}")[0]["n"] for table in tables}

    def post(self, body: Any, **options: Any) -> httpx.Response:
        """POST /track. A dict goes as JSON, anything else as it is."""
        content = {"json": body} if isinstance(body, dict) else {"content": body}
        return httpx.post(f"{self.url}/track", **content, **{"timeout": PATIENCE, **options})


class QuietServer(ThreadingHTTPServer):
    """A server to which a browser that hangs up is nothing to report."""

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass


@contextlib.contextmanager
def running(server: ThreadingHTTPServer) -> Iterator[int]:
    """Serves beside the test; gives the port."""
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


class _Pages(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        pass

    def send_header(self, keyword: str, value: str) -> None:
        if keyword != "Last-Modified":  # a page may change twice in a second
            super().send_header(keyword, value)

    def end_headers(self) -> None:
        # "no-store" would keep pages out of the back/forward cache.
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()


@contextlib.contextmanager
def web_server(folder: Path) -> Iterator[str]:
    """Serves a folder on a free port; gives its origin."""
    with running(
        QuietServer(("127.0.0.1", 0), functools.partial(_Pages, directory=str(folder)))
    ) as port:
        yield f"http://127.0.0.1:{port}"
