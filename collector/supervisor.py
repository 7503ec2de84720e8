"""The supervisor: starts the writer and the workers, and replaces those that end.

Sanic's own worker manager is not used: it does not replace a worker that was killed, and its
workers go on without it when it is killed itself, holding the port (seen with Sanic 25.12).
"""

import contextlib
import errno
import logging
import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPException
from types import FrameType
from typing import Any, NamedTuple
from urllib.request import urlopen

from . import cluster
from .aliased_bundle import aliased_files
from .cluster_secret import read_profile_ids
from .counters import share_memory
from .countries import Countries
from .database_file import DatabaseFile
from .descriptors import raise_limit
from .errors import SettingsError
from .ipc import Task, start_process
from .settings import Settings
from .store import migrate
from .targets import parse_targets, require_driver

log = logging.getLogger("collector")

BIND_TIMEOUT = 3.0  # seconds: a collector that was just killed may still hold the port
STOP_AGAIN = 1.0  # seconds between two signals
STOP_TIMEOUT = 5.0  # seconds a worker may take to finish what it has, several times what it needs
# Seconds the writer may take then. Whatever it does is a transaction that nobody waits for.
WRITER_STOP_TIMEOUT = 0.5
START_TIMEOUT = 30.0  # seconds until the first answer
BACKLOG = 1024
# Seconds before a process is replaced. The pause doubles while it keeps ending within `LONG_LIVED`.
MIN_PAUSE, MAX_PAUSE = 0.05, 5.0
LONG_LIVED = 1.5
LOOK = 0.1  # seconds between two looks at the children


def serve(settings: Settings, on_ready: Callable[[str], None] | None = None) -> None:
    """Listens and serves until SIGTERM or SIGINT, then finishes what was accepted and returns.

    `on_ready` is called with the address, from another thread, once the collector answers there.

    Raises SettingsError if the address cannot be had, or the secret is not that of the database;
    sqlite3.Error if the database cannot.
    """
    for name, wanted in (("site", settings.site), ("bundle", settings.bundle)):
        if wanted and not wanted.is_dir():
            raise SettingsError(f"{name}: there is no folder {wanted}.")
    settings = _for_tests(settings)
    _check_alias(settings)
    for target in parse_targets(settings.forward):
        require_driver(target)
    if settings.countries:
        Countries(settings.countries)  # raises SettingsError
    profile_ids = read_profile_ids(settings.cluster_secret)
    raise_limit()
    with _listen(settings) as public:
        migrate(settings.db)  # only now: who cannot listen leaves no empty database behind
        cluster.join(settings.db, profile_ids)
        # Workers put connections in at one end, the writer takes them out at the other. What a
        # killed writer has not taken out is there for the next.
        taken, put = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        # The same for the console.
        console_taken, console_put = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        with taken, put, console_taken, console_put:
            database = DatabaseFile.at(settings.db)
            doors = Doors(public, taken, put, console_taken, console_put)
            Supervisor(settings, database, doors).run(on_ready)


def _for_tests(settings: Settings) -> Settings:
    """With `qa` there is one worker: it knows of all requests of a run of tests."""
    if not settings.qa or settings.workers == 1:
        return settings
    log.info("--qa: one worker instead of %d, which sees all requests of a run", settings.workers)
    return replace(settings, workers=1)


def _check_alias(settings: Settings) -> None:
    """Raises SettingsError if the built tracker cannot be served under the aliases. Warns of names
    that blockers look for."""
    with contextlib.suppress(FileNotFoundError):  # not built, which workers say
        for alias in settings.aliases:
            aliased_files(settings.tracker_folder, alias, ())
    for alias in settings.aliases:
        if words := alias.listed_words():
            log.warning(
                "alias: blockers look for %s in addresses: choose other names for %s",
                " and ".join(words),
                alias.prefix,
            )


def url_of(sock: socket.socket) -> str:
    """The address a socket listens on, e.g. `http://127.0.0.1:8686`."""
    host, port = sock.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listen(settings: Settings) -> socket.socket:
    deadline = time.monotonic() + BIND_TIMEOUT
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    while True:
        try:
            return socket.create_server(
                (settings.host, settings.port), family=family, backlog=BACKLOG
            )
        except OSError as error:
            if time.monotonic() > deadline:
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


class Doors(NamedTuple):
    """Sockets that the supervisor holds and its children inherit: the public one, and for writer and
    console the end at which it takes connections and the end at which workers put them in."""

    public: socket.socket
    writer_takes: socket.socket
    writer: socket.socket
    console_takes: socket.socket
    console: socket.socket


@dataclass
class Child:
    """A process that is kept running."""

    task: Task
    process: subprocess.Popen[bytes]
    started: float  # monotonic seconds
    pause: float = MIN_PAUSE  # before it is replaced; doubles while it keeps ending at once
    due: float | None = None  # when another is started for it; None while it runs


class Supervisor:
    """Keeps one writer, `settings.workers` workers and a forwarder for each destination running, and
    starts another for each that ends on its own."""

    def __init__(
        self,
        settings: Settings,
        database: DatabaseFile,
        doors: Doors,
    ) -> None:
        self._doors = doors
        self._settings = settings
        processes = settings.workers + 2
        self._counters = share_memory(processes)
        counters = self._counters.descriptor if self._counters else -1
        shared: dict[str, Any] = {
            "counters": counters,
            "processes": processes,
            "database": database,
        }
        public, writer = doors.public.fileno(), doors.writer.fileno()
        has_console = settings.console != "off"
        console = doors.console.fileno() if has_console else -1
        self._tasks = [
            Task("writer", settings, doors.writer_takes.fileno(), **shared),
            *(
                Task("worker", settings, public, writer, console, number=number, **shared)
                for number in range(1, processes - 1)
            ),
            *(
                Task("forwarder", settings, database=database, destination=target.name)
                for target in parse_targets(settings.forward)
            ),
        ]
        # It is started when it is asked for, and again when it has ended and is asked for.
        takes = doors.console_takes.fileno()
        self._console = (
            Task("console", settings, takes, writer, number=processes - 1, **shared)
            if has_console
            else None
        )
        self._children: list[Child] = []
        # A handler interrupts this process anywhere, and would wait for ever for a lock that is held
        # there, as an Event's is while somebody begins to wait for it. So it only writes a byte.
        self._signals, self._signaled = socket.socketpair()
        self._signaled.setblocking(False)
        self._stopping = threading.Event()

    def run(self, on_ready: Callable[[str], None] | None = None) -> None:
        """Blocks until a signal has come and every process has finished."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)
        self._children = [
            Child(task, start_process(task), time.monotonic()) for task in self._tasks
        ]
        arguments = (url_of(self._doors.public), on_ready)
        threading.Thread(target=self._announce, args=arguments, daemon=True).start()
        try:
            while not self._is_signaled(self._next_look()):
                for child in [*self._children]:
                    self._revive(child)
                self._start_console()
            self._take_signals()
            # Balancers see that /ready says no, and send their requests elsewhere; those that come
            # all the same are served.
            for child in self._children:
                if child.task.role == "worker":
                    child.process.send_signal(signal.SIGUSR1)
            if self._is_signaled(self._settings.drain_seconds):
                self._take_signals()  # another one ends the wait
        finally:
            # Who connects from now on is refused, and does not wait for nobody.
            self._doors.public.close()
            # Workers first: they finish what they accepted, and need the writer for that.
            others = [child for child in self._children if child.task.role != "writer"]
            _finish([child.process for child in others])
            _finish([child.process for child in self._children], WRITER_STOP_TIMEOUT)

    def _start_console(self) -> None:
        """Starts the console's process if somebody asks for it and it does not run."""
        child = next((child for child in self._children if child.task.role == "console"), None)
        if self._console is None or child:
            return
        if select.select([self._doors.console_takes], [], [], 0)[0]:
            process = start_process(self._console)
            self._children.append(Child(self._console, process, time.monotonic()))

    def _is_signaled(self, seconds: float) -> bool:
        """Whether SIGTERM or SIGINT has come, or comes within so many seconds."""
        return bool(select.select([self._signals], [], [], seconds)[0])

    def _take_signals(self) -> None:
        self._stopping.set()
        for number in set(self._signals.recv(1024)):
            log.info("%s: finishing what was accepted", signal.Signals(number).name)

    def _on_signal(self, number: int, _: FrameType | None) -> None:
        with contextlib.suppress(BlockingIOError):  # full of signals that came before
            self._signaled.send(bytes([number]))

    def _revive(self, child: Child) -> None:
        """Starts another process for one that has ended, after a pause in which others are seen to."""
        if child.process.poll() is None:
            return
        if child.task.role == "console":
            self._children = [other for other in self._children if other is not child]
            return
        now = time.monotonic()
        if child.due is None:
            if now - child.started > LONG_LIVED:
                child.pause = MIN_PAUSE
            log.warning(
                "%s %d ended (%s), starting another",
                child.task.role,
                child.process.pid,
                child.process.returncode,
            )
            if self._counters and child.task.counters >= 0:
                self._counters.clear_gauges(
                    child.task.number
                )  # nothing waits in it; its counts stay
            child.due = now + child.pause
            child.pause = min(child.pause * 2, MAX_PAUSE)
        elif now >= child.due:
            child.due = None
            child.process, child.started = start_process(child.task), now

    def _next_look(self) -> float:
        """Seconds until a child may have to be started."""
        dues = [child.due for child in self._children if child.due is not None]
        return max(0.0, min([LOOK, *(due - time.monotonic() for due in dues)]))

    def _announce(self, address: str, on_ready: Callable[[str], None] | None) -> None:
        """Says where the collector listens, once it answers there."""
        local = address.replace("0.0.0.0", "127.0.0.1").replace("[::]", "[::1]")  # noqa: S104 - the other way round
        deadline = time.monotonic() + START_TIMEOUT
        while time.monotonic() < deadline and not self._stopping.is_set():
            try:
                urlopen(f"{local}/health", timeout=START_TIMEOUT).close()  # noqa: S310 - our own address
            except (OSError, HTTPException):  # not there yet, or it ends already
                self._stopping.wait(0.05)
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


def _finish(processes: list[subprocess.Popen[bytes]], seconds: float = STOP_TIMEOUT) -> None:
    """Sends SIGTERM until all have ended: one that is still starting is deaf for a moment."""
    deadline = time.monotonic() + seconds
    left = [process for process in processes if process.poll() is None]
    while left and time.monotonic() < deadline:
        for process in left:
            process.terminate()
        until = time.monotonic() + STOP_AGAIN
        for process in left:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.0, until - time.monotonic()))
        left = [process for process in left if process.poll() is None]
    for process in left:
        log.error(
            "process %d did not finish in %s s, killing it; what was acknowledged is stored",
            process.pid,
            seconds,
        )
        process.kill()
        process.wait()
