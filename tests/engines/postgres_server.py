"""A PostgreSQL server for tests, with the system's programs, its own folder and its own port."""

import functools
import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import psycopg
import pytest

from ..support import wait_for

USER = "postgres"
PATIENCE = 30.0  # seconds until it answers


@functools.cache
def programs() -> Path | None:
    """The folder of `initdb` and `postgres`, the newest; None if there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: int(p.parts[4]))
    if found:
        return found[-1].parent
    path = shutil.which("initdb")
    return Path(path).resolve().parent if path else None


def require() -> Path:
    """The programs. Skips the test without them, or fails it where they were to be installed."""
    found = programs()
    if found is None:
        if os.environ.get("ENGINES") == "required":
            pytest.fail("There is no PostgreSQL. On Debian: apt-get install postgresql")
        pytest.skip("there is no PostgreSQL: apt-get install postgresql")
    return found


def _as_other_user() -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return []
    try:
        pwd.getpwnam(USER)
    except KeyError:
        return ["setpriv", "--reuid=nobody", "--clear-groups"]
    return ["setpriv", f"--reuid={USER}", "--clear-groups"]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as made:
        return int(made.getsockname()[1])


class PostgresServer:
    """A server with a database for each test. Can be killed, and started again on the same port."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self._programs = require()
        self._data = folder / "data"
        self._settings = {"fsync": "off", "max_connections": "30", "shared_buffers": "64MB"}
        self._settings |= settings
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()
        # The other user has to get there.
        for place in (folder, *folder.parents):
            if place.stat().st_uid == os.geteuid() and not place.stat().st_mode & 0o001:
                place.chmod(place.stat().st_mode | 0o011)
        self._data.mkdir()
        if os.geteuid() == 0:
            shutil.chown(self._data, _as_other_user()[1].partition("=")[2])
        self._run(
            "initdb", "-D", str(self._data), "-U", USER, "-A", "trust", "-N", "-E", "UTF8",
            "--locale=C",
        )  # fmt: skip

    def _run(self, name: str, *words: str) -> None:
        command = [*_as_other_user(), str(self._programs / name), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd="/")
        assert done.returncode == 0, done.stderr + done.stdout

    def start(self) -> "PostgresServer":
        given = {
            **self._settings,
            "port": str(self.port),
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": "",
        }
        words = [word for name, value in given.items() for word in ("-c", f"{name}={value}")]
        self._process = subprocess.Popen(
            [*_as_other_user(), str(self._programs / "postgres"), "-D", str(self._data), *words],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
        )
        wait_for(self._answers, "PostgreSQL to answer", PATIENCE)
        return self

    def _answers(self) -> bool:
        try:
            self.run("SELECT 1")
        except psycopg.OperationalError:
            return False
        return True

    def stop(self, how: signal.Signals = signal.SIGQUIT) -> None:
        """At once; SIGQUIT is as a crash, after which it recovers from its log."""
        process, self._process = self._process, None
        if process:
            process.send_signal(how)
            process.wait(PATIENCE)

    def pause(self) -> None:
        """It holds its connections, and says nothing any more."""
        assert self._process
        for pid in self._pids():
            os.kill(pid, signal.SIGSTOP)

    def resume(self) -> None:
        for pid in self._pids():
            os.kill(pid, signal.SIGCONT)

    def _pids(self) -> list[int]:
        assert self._process
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children")
        return [self._process.pid, *map(int, children.read_text().split())]

    def url(self, database: str = USER, user: str = USER) -> str:
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def run(self, statement: str, *values: Any, database: str = USER) -> list[Any]:
        """The rows of a statement, each as a tuple; those of one column as values."""
        with psycopg.connect(self.url(database), autocommit=True, connect_timeout=5) as connection:
            found = connection.execute(statement.encode(), values or None)
            rows = found.fetchall() if found.description else []
        return [row[0] if len(row) == 1 else row for row in rows]

    def add_database(self) -> str:
        """The name of a new, empty one."""
        name = f"t{time.monotonic_ns()}"
        self.run(f"CREATE DATABASE {name}")
        return name
