"""`thamesthrive demo`: everything at once, to look at."""

import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from collector.settings import Settings, default_bundle, load_settings

from .. import paths
from ..output import data, note
from .build import bundle_here
from .console import make_link
from .options import HostOption, PortOption

FOLDER = Path("build/demo")


def demo(
    host: HostOption = None,
    port: PortOption = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Open the test page in the browser.")
    ] = False,
) -> None:
    """Builds everything, starts a collector, and shows events arriving from a test page.

    It makes a database with one event source in `build/demo/`, new each time; a second demo beside
    it takes `build/demo-2/`. Stop it with Ctrl-C.

    Examples:

    - `thamesthrive demo`
    - `thamesthrive demo --port 0 --open`
    """
    from collector.logs import log_to_stderr

    from ..local import unshared_folder, with_free_port

    given = {"host": host, "port": port, "workers": 1, "qa": True}
    settings = with_free_port(load_settings(given))
    note("Building the tracker …")
    bundle = bundle_here().folder if paths.SOURCE_TREE else default_bundle()
    with unshared_folder(FOLDER) as folder:
        settings = replace(
            settings,
            db=folder / "thamesthrive.db",
            site=folder / "site",
            bundle=None,
            log_level="warning",  # notes say what matters here
        )
        log_to_stderr(settings)
        _run(settings, folder / "site", bundle, open_=open_)
    note("Stopped.")


def _run(settings: Settings, site: Path, bundle: Path, *, open_: bool) -> None:
    """Builds the pages, and serves them until the signal to stop."""
    from collector import supervisor

    from ..builder.site import build_site
    from ..local import demo_source, shown_events

    address = f"http://{settings.host}:{settings.port}"
    source = demo_source(settings.db)
    note("Building the pages …")
    build_site(site, source_id=source, api=address, bundle=bundle)
    with shown_events(settings.db) as begin:

        def ready(_: str) -> None:
            note("The collector is up. Open this page; its events appear below. Ctrl-C stops.")
            data(f"{address}/pages/basic.html")
            note(
                "This is the console, where you see what comes in. The link is good once, for a minute:"
            )
            note(make_link(settings, address))
            note(f"Another one: thamesthrive console --db {settings.db} --url {address}")
            begin.set()
            if open_:
                webbrowser.open(f"{address}/pages/basic.html")

        note("Starting the collector …")
        supervisor.serve(settings, ready)
