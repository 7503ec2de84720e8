"""`thamesthrive demo`: everything at once, to look at."""

import shutil
import socket
import sqlite3
import threading
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from sqlite_utils import Database

from collector import store
from collector.installed import default_bundle
from collector.logs import log_to_stderr
from collector.settings import Settings, load_settings

from .. import paths
from ..output import data, note
from .build import bundle_here
from .events import POLL, line
from .options import HostOption, PortOption

FOLDER = Path("build/demo")


def demo(
    host: HostOption = None,
    port: PortOption = None,
    open_: Annotated[bool, typer.Option("--open", help="Open the test page in the browser.")] = False,
) -> None:
    """Builds everything, starts a collector, and shows events arriving from a test page.

    It makes a database with one event source in `build/demo/`, new each time. Stop it with Ctrl-C.
    """
    settings = _free_port(load_settings({"host": host, "port": port, "db": FOLDER / "thamesthrive.db", "workers": 1, "qa": True}))
    settings = replace(settings, site=FOLDER / "site", bundle=None, log_level="warning")  # notes say what matters here
    note("Building the tracker …")
    bundle = bundle_here().folder if paths.SOURCE_TREE else default_bundle()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    source = _make_source(settings.db)
    address = f"http://{settings.host}:{settings.port}"
    note("Building the pages …")
    from ..builder.site import build_site

    build_site(FOLDER / "site", source=source, api=address, bundle=bundle)
    log_to_stderr(settings)
    stop = threading.Event()
    follower = threading.Thread(target=_follow, args=(settings.db, stop), daemon=True)

    def ready(_: str) -> None:
        note("The collector is up. Open this page; its events appear below. Ctrl-C stops.")
        data(f"{address}/pages/basic.html")
        follower.start()
        if open_:
            webbrowser.open(f"{address}/pages/basic.html")

    note("Starting the collector …")
    from collector import server

    server.serve(settings, ready)
    stop.set()
    note("Stopped.")


def _free_port(settings: Settings) -> Settings:
    """The wanted port, or another one if somebody has it: a demo has to start."""
    for port in (settings.port, 0):
        try:
            with socket.create_server((settings.host, port)) as taken:
                free: int = taken.getsockname()[1]
                return replace(settings, port=free)
        except OSError:
            note(f"Port {port} is in use, taking a free one.")
    return settings


def _make_source(db: Path) -> str:
    store.migrate(db)
    connection = store.connect(db)
    try:
        return store.add_source(Database(connection), "Demo").id
    finally:
        connection.close()


def _follow(db: Path, stop: threading.Event) -> None:
    connection: sqlite3.Connection = store.connect_readonly(db)
    last = 0
    while not stop.wait(POLL):
        for event in store.list_events(connection, after=last, limit=1000):
            data(line(event))
            last = event.seq
