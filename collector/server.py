"""Running the collector: a supervisor, one writer process, and the workers that speak HTTP.

Sanic's own worker manager is not used: it starts no worker anew that was killed, and its workers go
on without it when it is killed itself, holding the port (seen with Sanic 25.12).
"""

import contextlib
import errno
import faulthandler
import gc
import logging
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, cast
from urllib.error import URLError
from urllib.request import urlopen

import msgspec
from msgspec import Struct

from .errors import SettingsError
from .logs import log_to_stderr
from .settings import Settings
from .store import migrate

log = logging.getLogger("collector")

BIND_PATIENCE = 3.0  # seconds: a collector that was just killed may still hold the port
STOP_PATIENCE = 20.0  # seconds a process may take to finish what it has
START_PATIENCE = 30.0  # seconds until the first answer
BACKLOG = 1024
_PREFIX = "thamesthrive-"  # of the folder with a collector's inner socket and counts
MIN_PAUSE, MAX_PAUSE = (
    0.05,
    5.0,
)  # seconds before a process is replaced; the longer, the oftener it ended at once
LIVED = 1.5  # seconds after which a process did not end at once


def serve(settings: Settings, on_ready: Callable[[str], None] | None = None) -> None:
    """Listens and serves until SIGTERM or SIGINT, then finishes what was accepted and returns.

    `on_ready` is called with the address, from another thread, once the collector answers there.

    Raises SettingsError if the address cannot be had, sqlite3.Error if the database cannot.
    """
    for name, wanted in (("site", settings.site), ("bundle", settings.bundle)):
        if wanted and not wanted.is_dir():
            raise SettingsError(f"{name}: there is no folder {wanted}.")
    with (
        _listen(settings) as public,
        tempfile.TemporaryDirectory(prefix=f"{_PREFIX}{os.getpid()}-") as folder,
    ):
        migrate(settings.db)  # only now: who cannot listen leaves no empty database behind
        _sweep(Path(folder).parent)
        address = Path(folder) / "writer"
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as inner:
            inner.bind(str(address))
            inner.listen(BACKLOG)
            Supervisor(settings, public, inner, address).run(on_ready)


def _sweep(folder: Path) -> None:
    """Removes what collectors left that were killed."""
    for left in folder.glob(f"{_PREFIX}[0-9]*-*"):
        pid = left.name.removeprefix(_PREFIX).split("-")[0]
        if pid.isdigit() and not Path(f"/proc/{pid}").exists() and Path("/proc/self").exists():
            shutil.rmtree(left, ignore_errors=True)


def url_of(sock: socket.socket) -> str:
    """The address a socket listens on, e.g. `http://127.0.0.1:8686`."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(settings: Settings) -> socket.socket:
    patience = time.monotonic() + BIND_PATIENCE
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    while True:
        try:
            return socket.create_server(
                (settings.host, settings.port), family=family, backlog=BACKLOG
            )
        except OSError as error:
            if time.monotonic() > patience:
                reason = os.strerror(error.errno) if error.errno else str(error)
                cure = "Choose another --port, or --port 0 for a free one."
                if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
                    reason, cure = (
                        "this machine has no such address",
                        "Use --host 127.0.0.1, or 0.0.0.0 for all of its addresses.",
                    )
                raise SettingsError(
                    f"Cannot listen on {settings.host}:{settings.port}: {reason}. {cure}"
                ) from error
            time.sleep(0.05)


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    """What a child process is told, as JSON on its standard input."""

    role: str  # "writer" or "worker"
    settings: Settings
    # of the socket it serves: for a worker the public one, for the writer that which workers
    # connect to
    descriptor: int
    writer: str  # where workers find the writer


@dataclass
class Child:
    """A process that is kept running."""

    task: Task
    process: subprocess.Popen[bytes]
    started: float  # monotonic seconds
    pause: float = MIN_PAUSE  # before it is replaced; doubles while it keeps ending at once


class Supervisor:
    """Keeps one writer and `settings.workers` workers running, and starts another for each that
    ends on its own."""

    def __init__(
        self, settings: Settings, public: socket.socket, inner: socket.socket, address: Path
    ) -> None:
        self._public = public
        self._metrics = (
            address.parent / "metrics"
        )  # each process keeps its counts in a file of its own there
        self._metrics.mkdir()
        self._settings = settings
        self._tasks = [
            Task("writer", settings, inner.fileno(), str(address)),
            *[Task("worker", settings, public.fileno(), str(address))] * settings.workers,
        ]
        self._children: list[Child] = []
        self._stop = threading.Event()

    def run(self, on_ready: Callable[[str], None] | None = None) -> None:
        """Blocks until a signal has come and every process has finished."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._children = [Child(task, self._start(task), time.monotonic()) for task in self._tasks]
        threading.Thread(target=self._announce, args=(on_ready,), daemon=True).start()
        try:
            while not self._stop.wait(0.1):
                for child in self._children:
                    self._revive(child)
            # Balancers see that /ready says no, and send their requests elsewhere; those that come
            # all the same are served.
            for child in self._children:
                if child.task.role == "worker":
                    child.process.send_signal(signal.SIGUSR1)
            self._wait_or_second_signal(self._settings.drain_seconds)
        finally:
            # Workers first: they finish what they accepted, and need the writer for that.
            _finish([child.process for child in self._children if child.task.role == "worker"])
            _finish([child.process for child in self._children])

    def _wait_or_second_signal(self, seconds: float) -> None:
        self._stop.clear()
        self._stop.wait(seconds)

    def _start(self, task: Task) -> subprocess.Popen[bytes]:
        return _start(task, self._metrics)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        self._stop.set()
        log.info("%s: finishing what was accepted", signal.Signals(number).name)

    def _revive(self, child: Child) -> None:
        if child.process.poll() is None:
            return
        if time.monotonic() - child.started > LIVED:
            child.pause = MIN_PAUSE
        log.warning(
            "%s %d ended (%s), starting another",
            child.task.role,
            child.process.pid,
            child.process.returncode,
        )
        for left in self._metrics.glob(f"gauge_live*_{child.process.pid}.db"):
            left.unlink()  # what waited in it waits no more; its counts stay
        if not self._stop.wait(child.pause):
            child.pause = min(child.pause * 2, MAX_PAUSE)
            child.process, child.started = self._start(child.task), time.monotonic()

    def _announce(self, on_ready: Callable[[str], None] | None) -> None:
        """Says where the collector listens, once it answers there."""
        address = url_of(self._public)
        local = address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104 - the other way round
        deadline = time.monotonic() + START_PATIENCE
        while time.monotonic() < deadline and not self._stop.is_set():
            try:
                urlopen(f"{local}/health", timeout=START_PATIENCE).close()  # noqa: S310 - our own address
            except URLError:
                self._stop.wait(0.05)
            else:
                workers = self._settings.workers
                plural = "s" if workers > 1 else ""
                log.info(
                    "listening on %s, %d worker%s, database %s",
                    address,
                    workers,
                    plural,
                    self._settings.db,
                )
                if on_ready:
                    on_ready(address)
                return


def _start(task: Task, metrics: Path) -> subprocess.Popen[bytes]:
    # Its standard input ends when this process does, however it ends. Its own process group keeps a
    # terminal's Ctrl-C from it: the supervisor alone decides when it finishes.
    process = subprocess.Popen(
        [sys.executable, "-m", "collector.child", task.role],
        pass_fds=[task.descriptor],
        stdin=subprocess.PIPE,
        process_group=0,
        env={**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(metrics)},
    )
    pipe = cast("IO[bytes]", process.stdin)
    with contextlib.suppress(BrokenPipeError):  # it ended already; that is for _revive to see
        pipe.write(msgspec.json.encode(task, enc_hook=str) + b"\n")
        pipe.flush()
    return process


def _finish(processes: list[subprocess.Popen[bytes]]) -> None:
    for process in processes:
        process.terminate()
    deadline = time.monotonic() + STOP_PATIENCE
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            log.error("process %d did not finish in %d s, killing it", process.pid, STOP_PATIENCE)
            process.kill()
            process.wait()


def run_child() -> None:
    """The body of a process that the supervisor started."""
    line = sys.stdin.buffer.readline()
    if not line:
        sys.exit("collector.child is started by `thamesthrive serve`, not by hand.")
    task = msgspec.json.decode(line, type=Task, dec_hook=lambda kind, value: kind(value))
    threading.Thread(target=_die_with_parent, daemon=True).start()
    faulthandler.register(
        signal.SIGUSR2
    )  # where a process that seems to hang is at, on standard error
    log_to_stderr(task.settings)
    {"writer": _write, "worker": _work}[task.role](task)


def _write(task: Task) -> None:
    from .writer import Loop, Writer

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    writer = Writer(task.settings.db)
    _collect_seldom()
    Loop(writer, socket.socket(fileno=task.descriptor)).run()
    writer.close()


def _work(task: Task) -> None:
    from sanic import Sanic

    from .app import create_app

    app = create_app(task.settings, Path(task.writer))
    _collect_seldom()
    app.prepare(
        sock=socket.socket(fileno=task.descriptor),
        single_process=True,
        motd=False,
        access_log=False,
    )
    Sanic.serve_single(app)


def _collect_seldom() -> None:
    # What a request makes goes by itself when it ends; to search it for cycles as often as Python
    # does takes a twentieth of the time.
    gc.freeze()
    gc.set_threshold(50_000)


def _die_with_parent() -> None:
    """Ends at once when the supervisor was killed: an orphan would hold the port, and what was
    answered is on disk."""
    while os.read(0, 1):
        pass
    os._exit(1)
