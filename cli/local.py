"""What `demo` and `dev` have in common: a collector for one person on this machine, with its events
in the terminal."""

import errno
import fcntl
import shutil
import socket
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from pathlib import Path

from sqlite_utils import Database

from collector import store
from collector.errors import SettingsError
from collector.settings import Settings

from .commands.events import POLL, line
from .output import data, note

SOURCE = "Demo"


def with_free_port(settings: Settings) -> Settings:
    """The settings with a port that is free: the one that was chosen, or else the usual one or any.

    Raises SettingsError if the one that was chosen is in use.
    """
    is_chosen = settings.port != Settings.port
    for port in (settings.port, 0):
        try:
            with socket.create_server((settings.host, port)) as free:
                return replace(settings, port=free.getsockname()[1])
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                break  # the supervisor says what is wrong with the address
            if is_chosen:
                raise SettingsError(
                    f"Port {port} is in use. Stop what listens there, or choose another port with"
                    " --port; --port 0 takes a free one."
                ) from error
            note(f"Port {port} is in use, taking a free one. --port chooses one.")
    return settings


@contextmanager
def unshared_folder(wanted: Path) -> Iterator[Path]:
    """An empty folder that nobody else gets within the context: the wanted one, or that with `-2`,
    `-3` and so on in its name."""
    wanted.parent.mkdir(parents=True, exist_ok=True)
    for number in count(1):
        folder = wanted if number == 1 else wanted.with_name(f"{wanted.name}-{number}")
        # The lock ends with this process, however it ends. It is beside the folder, which people
        # may remove.
        with folder.with_name(f"{folder.name}.lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            yield folder
            return


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
