"""`thamesthrive demo`: everything at once, to look at."""

import shutil
import webbrowser
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from collector.settings import default_bundle, load_settings

from .. import paths
from ..output import data, note
from .build import bundle_here
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

    It makes a database with one event source in `build/demo/`, new each time. Stop it with Ctrl-C.

    Examples:

    - `thamesthrive demo`
    - `thamesthrive demo --port 0 --open`
    """
    from collector import supervisor
    from collector.logs import log_to_stderr

    from ..builder.site import build_site
    from ..local import demo_source, shown_events, with_free_port

    settings = load_settings(
        {"host": host, "port": port, "db": FOLDER / "thamesthrive.db", "workers": 1, "qa": True}
    )
    # Notes say what matters here.
    settings = replace(
        with_free_port(settings), site=FOLDER / "site", bundle=None, log_level="warning"
    )
    note("Building the tracker …")
    bundle = bundle_here().folder if paths.SOURCE_TREE else default_bundle()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    source = demo_source(settings.db)
    address = f"http://{settings.host}:{settings.port}"
    note("Building the pages …")
    build_site(FOLDER / "site", source_id=source, api=address, bundle=bundle)
    log_to_stderr(settings)

    with shown_events(settings.db) as begin:

        def ready(_: str) -> None:
            note("The collector is up. Open this page; its events appear below. Ctrl-C stops.")
            data(f"{address}/pages/basic.html")
            begin.set()
            if open_:
                webbrowser.open(f"{address}/pages/basic.html")

        note("Starting the collector …")
        supervisor.serve(settings, ready)
    note("Stopped.")
