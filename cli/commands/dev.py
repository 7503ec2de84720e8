"""`thamesthrive dev`: serves site and collector, and rebuilds what changes."""

import fcntl
import os
import sys
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from collector.settings import Settings, load_settings

from .. import paths
from ..errors import CliError, Missing
from ..output import data, note
from .options import HostOption, PortOption

FOLDER = Path("build/dev")
# What one that starts again in the place of another goes on with: "PORT DESCRIPTOR".
_CONTINUES = "_THAMESTHRIVE_DEV"


def dev(
    host: HostOption = None,
    port: PortOption = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Open the first page in the browser.")
    ] = False,
) -> None:
    """Serves the collector and the site, rebuilds what you save, and reloads open pages.

    Watches Markdown, templates, styles, test pages, TypeScript and Python; after a change in Python
    it starts again. A mistake, in types as well, is shown here and on top of the page until you fix
    it. Events are printed as they are stored, and so is what the tracker weighs after each change.
    The database in `build/dev/` is kept from run to run. Stop it with Ctrl-C.

    Examples:

    - `thamesthrive dev`
    - `thamesthrive dev --open`
    """
    if not paths.SOURCE_TREE:
        raise Missing(
            "`dev` needs the source tree, which an installed copy does not have."
            " Clone the repository."
        )
    from collector import supervisor
    from collector.logs import log_to_stderr

    from ..live import LiveReload
    from ..local import demo_source, shown_events
    from ..rebuilder import Rebuilder

    before = os.environ.pop(_CONTINUES, None)
    chosen, descriptor = map(int, before.split()) if before else (port, None)
    settings = _dev_settings(host, chosen)
    FOLDER.mkdir(parents=True, exist_ok=True)
    with (
        _alone(),
        LiveReload(settings.host, descriptor) as live,
        shown_events(settings.db) as begin,
    ):
        address = f"http://{settings.host}:{settings.port}"
        rebuilder = Rebuilder(live, FOLDER / "site", demo_source(settings.db), address)
        rebuilder.start()
        log_to_stderr(settings)

        def ready(_: str) -> None:
            live.serve()  # only now: pages that reload at its messages find a collector
            begin.set()
            if before:
                note("Started again.")
                return
            note("Open this page; it reloads when you save. Events appear below. Ctrl-C stops.")
            data(f"{address}/index.html")
            if open_:
                webbrowser.open(f"{address}/index.html")

        try:
            supervisor.serve(settings, ready)
        finally:
            rebuilder.stop()
        if rebuilder.restart:
            os.environ[_CONTINUES] = f"{settings.port} {live.keep()}"
            os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - our own arguments
    note("Stopped.")


@contextmanager
def _alone() -> Iterator[None]:
    """Raises CliError if this runs here already: two would build into the same folders."""
    # The lock ends with this process, however it ends, also when another takes its place.
    with (FOLDER / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CliError(
                "`thamesthrive dev` runs in this folder already. Use that one, or stop it with Ctrl-C."
            ) from error
        yield


def _dev_settings(host: str | None, port: int | None) -> Settings:
    from ..local import with_free_port

    settings = load_settings(
        {"host": host, "port": port, "db": FOLDER / "thamesthrive.db", "workers": 1, "qa": True}
    )
    return replace(
        with_free_port(settings),
        site=FOLDER / "site",
        bundle=paths.JS / "dist",
        log_level="warning",
        drain_seconds=0.0,
    )
