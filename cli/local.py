"""What `demo` and `dev` have in common: a collector for one person on this machine, with its events
in the terminal."""

import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

from sqlite_utils import Database

from collector import store
from collector.settings import Settings

from .commands.events import POLL, line
from .output import data, note

SOURCE = "Demo"


def with_free_port(settings: Settings) -> Settings:
    """The wanted port, or another one if somebody has it: this has to start."""
    for port in (settings.port, 0):
        try:
            with socket.create_server((settings.host, port)) as taken:
                free: int = taken.getsockname()[1]
                return replace(settings, port=free)
        except OSError:
            note(f"Port {port} is in use, taking a free one.")
    return settings


def demo_source(db: Path) -> str:
    """The id of the source that the pages' snippets name, made if it is not there."""
    store.migrate(db)
    with closing(store.connect(db)) as connection:
        database = Database(connection)
        known = next(
            (source.id for source in store.list_sources(database) if source.name == SOURCE), None
        )
        return known or store.add_source(database, SOURCE).id


@contextmanager
def shown_events(db: Path) -> Iterator[threading.Event]:
    """Prints events as they are stored, from when the event that it gives is set until the end."""
    begin, stop = threading.Event(), threading.Event()
    follower = threading.Thread(target=_follow, args=(db, begin, stop), daemon=True)
    follower.start()
    try:
        yield begin
    finally:
        stop.set()
        begin.set()


def _follow(db: Path, begin: threading.Event, stop: threading.Event) -> None:
    begin.wait()
    connection: sqlite3.Connection = store.connect_readonly(db)
    last = store.last_seq(connection)
    while not stop.wait(POLL):
        for event in store.iter_events(connection, after=last):
            data(line(event))
            last = event.seq
