"""The command line in processes that have imported it already.

A command spends a third of a second on imports, a run of all tests a thousand times that. So each process
of the tests has a helper that has imported the command line once, and forks for each command: a
process as any other, with its own streams, directory, environment and exit code. A collector that is
started so forks for its writer and its workers, too.
"""

import atexit
import contextlib
import ctypes
import importlib
import inspect
import json
import os
import selectors
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any, NoReturn

import coverage

ROOT = Path(__file__).parent.parent
MAX_JOB = 64 * 1024  # bytes
# Whatever else may count while Python starts, or a module is imported.
_SAFE = "THAMESTHRIVE_"
IMPORTED = (
    "collector.child",
    "collector.console.app",
    "collector.store",
    "collector.supervisor",
    "collector.worker.app",
    "collector.writer.server",
)
# What the process list shows of a fork is written over this.
_ROOM = "-" * 1000


def fits(args: Sequence[str], env: Mapping[str, str]) -> bool:
    """Whether a command with these arguments, and these variables besides ours, may be run by a
    fork."""
    size = sum(len(text.encode(errors="surrogateescape")) for text in (*args, *env.values()))
    return size < MAX_JOB // 4 and all(name.startswith(_SAFE) for name in env)


class WarmProcess:
    """A command that runs in a fork: what the tests use of `subprocess.Popen`."""

    def __init__(
        self, args: Sequence[str], *, cwd: Path, env: Mapping[str, str], own_session: bool = False
    ) -> None:
        out, theirs_out = os.pipe()
        err, theirs_err = os.pipe()
        status, theirs_status = os.pipe()
        job = {"args": [*args], "cwd": str(cwd), "env": dict(env), "own_session": own_session}
        theirs = [theirs_out, theirs_err, theirs_status]
        socket.send_fds(_helper(), [json.dumps(job).encode()], theirs)
        for descriptor in theirs:
            os.close(descriptor)
        self.args = [*args]
        self.stdout: IO[str] = os.fdopen(out, encoding="utf-8")
        self.stderr: IO[str] = os.fdopen(err, encoding="utf-8")
        self.returncode: int | None = None
        self._status = status
        self._lock = threading.Lock()
        self.pid = int.from_bytes(os.read(status, 4), "big")

    def poll(self) -> int | None:
        with self._lock:
            return self._look(0)

    def wait(self, timeout: float | None = None) -> int:
        deadline = time.monotonic() + timeout if timeout is not None else None
        while True:
            with self._lock:
                rest = 0.05 if deadline is None else min(0.05, deadline - time.monotonic())
                code = self._look(max(rest, 0))
            if code is not None:
                return code
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired(self.args, timeout or 0)

    def _look(self, seconds: float) -> int | None:
        if self.returncode is None:
            with selectors.DefaultSelector() as selector:
                selector.register(self._status, selectors.EVENT_READ)
                if selector.select(seconds):
                    answer = os.read(self._status, 4)
                    os.close(self._status)
                    self.returncode = int.from_bytes(answer, "big", signed=True)
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float) -> tuple[str, str]:
        """All that it has written, once it has ended. Kills it after `timeout` seconds."""
        found: dict[str, str] = {}

        def read(name: str, stream: IO[str]) -> None:
            with stream:
                found[name] = stream.read()

        streams = {"out": self.stdout, "err": self.stderr}
        readers = [
            threading.Thread(target=read, args=item, daemon=True) for item in streams.items()
        ]
        for reader in readers:
            reader.start()
        try:
            self.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        for reader in readers:
            reader.join()
        return found["out"], found["err"]


_helpers: dict[int, socket.socket] = {}  # by the process that uses it
_starting = threading.Lock()


def _helper() -> socket.socket:
    with _starting:
        if os.getpid() not in _helpers:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            # What it imports is measured elsewhere; each fork is measured by itself.
            env = {name: value for name, value in os.environ.items() if "COVERAGE" not in name}
            with theirs:
                helper = subprocess.Popen(
                    [sys.executable, "-m", "tests.warm", str(theirs.fileno()), _ROOM],
                    cwd=ROOT,
                    env=env,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    pass_fds=[theirs.fileno()],
                    start_new_session=True,
                )
            _helpers[os.getpid()] = ours
            atexit.register(_end, helper, ours)
        return _helpers[os.getpid()]


def _end(helper: "subprocess.Popen[bytes]", ours: socket.socket) -> None:
    ours.close()
    helper.wait()


def main() -> None:
    """The helper: forks for each job that comes, until nobody is left who sends any."""
    import cli.main

    cli.main.application()
    for name in IMPORTED:
        importlib.import_module(name)
    jobs = socket.socket(fileno=int(sys.argv[1]))
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for those below
    while True:
        message, descriptors, _, _ = socket.recv_fds(jobs, MAX_JOB, 3)
        if not message:
            return
        if os.fork() == 0:
            jobs.close()
            _keep(json.loads(message), descriptors)
        for descriptor in descriptors:
            os.close(descriptor)


def _keep(job: dict[str, object], descriptors: list[int]) -> NoReturn:
    """Runs a job in a process, and tells its id and its exit code."""
    out, err, status = descriptors
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    ready, go = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(status)
        os.close(go)
        os.read(ready, 1)  # nobody signals it before its id is known
        os.close(ready)
        _run(job, out, err)
    os.close(out)
    os.close(err)
    os.write(status, child.to_bytes(4, "big"))
    os.close(ready)
    os.close(go)
    _, result = os.waitpid(child, 0)
    with contextlib.suppress(BrokenPipeError):
        os.write(status, os.waitstatus_to_exitcode(result).to_bytes(4, "big", signed=True))
    os._exit(0)


def _run(job: dict[str, object], out: int, err: int) -> NoReturn:
    import cli.main
    import collector.ipc

    if job["own_session"]:
        os.setsid()
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.closerange(3, max(out, err) + 1)
    os.environ.clear()
    os.environ.update(job["env"])  # type: ignore[call-overload]
    os.chdir(job["cwd"])  # type: ignore[arg-type]
    # By these two the name in its help is found out.
    sys.modules["__main__"].__package__ = "cli"
    sys.argv = [str(ROOT / "cli" / "main.py"), *job["args"]]  # type: ignore[misc]
    collector.ipc.subprocess = SimpleNamespace(Popen=_Fork, PIPE=subprocess.PIPE)  # type: ignore[attr-defined, assignment]
    _end_with(cli.main.main)


def _end_with(main: Callable[[], None]) -> NoReturn:
    """Does what Python does between its start and its end."""
    if os.environ.get("COVERAGE_PROCESS_CONFIG"):
        coverage.process_startup(force=True)
    code = 0
    try:
        main()
    except SystemExit as ended:
        if isinstance(ended.code, str):
            sys.stderr.write(f"{ended.code}\n")
        code = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001 - as Python does at its end
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError):
            stream.flush()
    os._exit(code)


class _Fork(subprocess.Popen[bytes]):
    """A Python program whose modules this process has imported, in a fork of it."""

    def _execute_child(self, *given: Any) -> None:
        named = dict(zip(_GIVEN, given, strict=False))
        self.pid = os.fork()
        if self.pid == 0:
            _become(**named)
        self._child_created = True
        self._close_pipe_fds(*given[10:16])  # type: ignore[attr-defined]


_GIVEN = tuple(inspect.signature(subprocess.Popen._execute_child).parameters)[1:]  # type: ignore[attr-defined]


def _become(
    args: list[str],
    pass_fds: tuple[int, ...],
    env: dict[str, str],
    p2cread: int,
    c2pwrite: int,
    **_: object,
) -> NoReturn:
    os.setpgid(0, 0)
    os.dup2(p2cread, 0)
    if c2pwrite != -1:
        os.dup2(c2pwrite, 1)
    for descriptor in [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]:
        if descriptor not in {0, 1, 2, *pass_fds}:
            with contextlib.suppress(OSError):  # that of the folder, which is closed
                os.close(descriptor)
    sys.stdin = os.fdopen(0)
    os.environ.clear()
    os.environ.update(env)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    atexit._clear()
    if current := coverage.Coverage.current():
        current.stop()
    _entitle(args)
    sys.argv = args[2:]
    _end_with(importlib.import_module(args[3]).main)


def _entitle(args: list[str]) -> None:
    """Has the process list show this command line."""
    begin, end = map(int, Path("/proc/self/stat").read_text().rpartition(")")[2].split()[45:47])
    title = "\0".join(args).encode()
    assert len(title) < end - begin, "more room is needed"
    ctypes.memset(begin, 0, end - begin)
    ctypes.memmove(begin, title, len(title))


if __name__ == "__main__":
    main()
