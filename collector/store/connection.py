"""How a database is opened: the one place that sets pragmas."""

import sqlite3
from pathlib import Path

STATEMENTS = 1024  # prepared ones that stay; see rows.py
BUSY_TIMEOUT = 5.0  # seconds another SQLite client may hold the write lock


def connect(path: Path) -> sqlite3.Connection:
    """A connection that may write.

    `synchronous=FULL`: a commit returns when the write-ahead log is on the disk, which is what an
    answer promises.
    """
    connection = sqlite3.connect(
        path, timeout=BUSY_TIMEOUT, isolation_level=None, cached_statements=STATEMENTS
    )
    connection.execute(
        "PRAGMA auto_vacuum=INCREMENTAL"
    )  # taken by a new file only, and only before the next line
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA foreign_keys=ON")
    connection.execute(
        "PRAGMA temp_store=MEMORY"
    )  # what undoes a statement that fails halfway, else a file for each commit
    connection.execute("PRAGMA cache_size=-65536")
    connection.execute("PRAGMA wal_autocheckpoint=2000")
    return connection


def connect_readonly(path: Path) -> sqlite3.Connection:
    """A connection that reads only. In WAL mode it never waits for a writer, nor a writer for it.

    Raises sqlite3.OperationalError if there is no such file.
    """
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode=ro", timeout=BUSY_TIMEOUT, isolation_level=None, uri=True
    )
    connection.row_factory = sqlite3.Row
    return connection
