"""Connections, pragmas and transactions: how the database is opened, and how a change is made."""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

STATEMENTS = 1024  # prepared ones that stay; see rows.py
LOG_PAGES = 4000  # after so many, a commit moves the log into the file
LOG_SIZE = 32 * 1024 * 1024  # bytes that the write-ahead log keeps once it could be cleared
BUSY_TIMEOUT = 5.0  # seconds another SQLite client may hold the write lock
RELAXED_TIMEOUT = 0.25  # the same for changes that may be left out

C = TypeVar("C", bound=sqlite3.Connection)


def connect(path: Path) -> sqlite3.Connection:
    """Opens a connection that may write. A new file is for its user alone.

    `synchronous=FULL`: a commit returns when the write-ahead log is on the disk, which is what an
    answer promises.
    """
    return _open(path, sqlite3.Connection)


def _open(path: Path, kind: type[C]) -> C:
    is_new = create_private(path)
    connection = sqlite3.connect(
        path,
        timeout=BUSY_TIMEOUT,
        isolation_level=None,
        cached_statements=STATEMENTS,
        factory=kind,
    )
    if is_new:
        # Only a new file takes these, and only before the next line; another one is written to. A
        # group changes a row or two on each of many pages, and the log takes them whole: half the
        # size, a quarter less is written.
        connection.execute("PRAGMA page_size=2048")
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    # For what undoes a statement that fails halfway. Else it is a file for each commit.
    connection.execute("PRAGMA temp_store=MEMORY")
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute(f"PRAGMA wal_autocheckpoint={LOG_PAGES}")
    # The log grows while somebody reads for long, as a backup does. Then it shrinks again.
    connection.execute(f"PRAGMA journal_size_limit={LOG_SIZE}")
    return connection


def create_private(path: Path) -> bool:
    """Creates an empty file that only its user can read, unless there is a file. Returns whether
    the file is empty. SQLite gives the files beside a database the database's mode."""
    with contextlib.suppress(OSError):  # SQLite says what is wrong, in its own words
        with contextlib.suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        return not path.stat().st_size
    return False


class WatchfulConnection(sqlite3.Connection):
    """A connection whose transactions begin with a look at what others have changed meanwhile."""

    on_change: Callable[[sqlite3.Connection], None] | None = None
    _seen = -1

    def look(self) -> None:
        """Calls `on_change` if others have changed anything. Raises what it raises."""
        version = changes_of_others(self)
        if version != self._seen:
            if self.on_change:
                self.on_change(self)
            self._seen = version


def connect_writer(
    path: Path, on_change: Callable[[sqlite3.Connection], None] | None = None
) -> sqlite3.Connection:
    """Opens the writer's connection, which does not check references. `on_change`: called inside
    each transaction before which others have changed the database; it may raise.

    What a row refers to is written in the same transaction, or looked up in it (`renamed_sources`).
    Having SQLite look it up for each row again costs a tenth of the writer's time.
    """
    connection = _open(path, WatchfulConnection)
    connection.on_change = on_change
    connection.execute("PRAGMA foreign_keys=OFF")
    return connection


def connect_readonly(path: Path) -> sqlite3.Connection:
    """Opens a connection that reads only. In WAL mode readers and writers never wait for each other.

    Raises sqlite3.OperationalError if there is no such file.
    """
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", timeout=BUSY_TIMEOUT, isolation_level=None, uri=True
    )
    connection.row_factory = sqlite3.Row
    return connection


@contextmanager
def connect_relaxed(path: Path) -> Iterator[sqlite3.Connection]:
    """Opens a connection for changes that need not survive a power cut. They wait for no disk, so
    nobody waits for them; and rather fail than wait long for others themselves."""
    connection = sqlite3.connect(path, timeout=RELAXED_TIMEOUT, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=NORMAL")
        connection.execute("PRAGMA wal_autocheckpoint=0")  # which would wait for the disk
        yield connection
    finally:
        connection.close()


def set_busy_timeout(connection: sqlite3.Connection, seconds: float) -> None:
    """Sets how long statements wait for another client's lock."""
    connection.execute(f"PRAGMA busy_timeout={seconds * 1000:.0f}")


def changes_of_others(connection: sqlite3.Connection) -> int:
    """A number that changes when another connection has changed the database."""
    return int(connection.execute("PRAGMA data_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Commits what is done inside, or rolls it back if anything is raised."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if isinstance(connection, WatchfulConnection):
            connection.look()
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A full disk has rolled it back already.
        if connection.in_transaction:
            connection.rollback()
        raise


@contextmanager
def snapshot(connection: sqlite3.Connection) -> Iterator[None]:
    """Reads inside see the database as it is now, whatever is committed meanwhile."""
    connection.execute("BEGIN")
    try:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        yield
    finally:
        connection.rollback()


def path_of(connection: sqlite3.Connection) -> Path:
    """The file of a connection's database."""
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])
