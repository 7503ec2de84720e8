"""`thamesthrive dev`: what a contributor leaves running all day."""

import re
import threading
import time
import webbrowser
from collections.abc import Iterable
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector.settings import load_settings

from .. import paths
from ..builder.bundle import build_bundle
from ..errors import BuildError, CliError, Missing
from ..output import data, note
from .options import HostOption, PortOption

if TYPE_CHECKING:
    from ..live import Live

FOLDER = Path("build/dev")
AROUND = 4  # lines shown before and after a mistake
_PLACE = re.compile(r"(?m)^\W*(\S+?\.\w+):(\d+)")


def dev(
    host: HostOption = None,
    port: PortOption = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Open the first page in the browser.")
    ] = False,
) -> None:
    """Runs collector, site and bundle, and builds again whatever you save: open pages follow by
    themselves.

    Markdown, templates, styles, test pages and TypeScript are watched. A mistake is shown here, and
    in the browser over the page, until it is corrected. Events appear here as they are stored. The
    database in `build/dev/` stays from run to run. Stop it with Ctrl-C.

    Examples:

    - `thamesthrive dev`
    - `thamesthrive dev --open`
    """
    if not paths.SOURCE_TREE:
        raise Missing(
            "This is an installed copy: the sources that `dev` watches are not here. Clone the repository."
        )
    from collector import supervisor
    from collector.logs import log_to_stderr

    from ..live import Live
    from ..local import demo_source, shown_events, with_free_port

    settings = load_settings(
        {"host": host, "port": port, "db": FOLDER / "thamesthrive.db", "workers": 1, "qa": True}
    )
    settings = replace(
        with_free_port(settings),
        site=FOLDER / "site",
        bundle=paths.JS / "dist",
        log_level="warning",
        drain_seconds=0.0,
    )
    FOLDER.mkdir(parents=True, exist_ok=True)
    live = Live()
    with live.served(settings.host), shown_events(settings.db) as begin:
        address = f"http://{settings.host}:{settings.port}"
        workshop = Workshop(live, demo_source(settings.db), address)
        workshop.start()
        log_to_stderr(settings)

        def ready(_: str) -> None:
            note("Open this; it follows what you save, and events appear below. Ctrl-C stops.")
            data(f"{address}/index.html")
            begin.set()
            if open_:
                webbrowser.open(f"{address}/index.html")

        try:
            supervisor.serve(settings, ready)
        finally:
            workshop.stop()
    note("Stopped.")


class Workshop:
    """Builds at first, and again after each change."""

    def __init__(self, live: "Live", source: str, api: str) -> None:
        self._live, self._source, self._api = live, source, api
        self._out = FOLDER / "site"
        self._begun, self._over = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Builds everything, and begins to watch. A mistake in the sources keeps nothing from
        starting."""
        note("Building …")
        self._thread.start()
        self._begun.wait()

    def stop(self) -> None:
        """Returns when the last build has ended."""
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        from watchfiles import watch

        folders = [paths.JS / "src", paths.JS / "site", paths.SITE, paths.TEMPLATES]
        # It watches before the first build begins, so that nothing is missed.
        looks = watch(
            *folders,
            step=10,
            debounce=30,
            rust_timeout=100,
            yield_on_timeout=True,
            stop_event=self._over,
            raise_interrupt=False,
        )
        for changes in looks:
            names = {Path(name) for _, name in changes}
            if not self._begun.is_set():
                self._build(bundle=True)
                if not self._out.is_dir():
                    self._apologise()
                self._begun.set()
            elif names:
                self._build(bundle=any(name.suffix == ".ts" for name in names), because=names)

    def _build(self, *, bundle: bool, because: Iterable[Path] = ()) -> None:
        started = time.perf_counter()
        from ..builder.site import build_site

        try:
            built = build_bundle(paths.JS, types=False).folder if bundle else paths.JS / "dist"
            site = build_site(
                self._out, source=self._source, api=self._api, bundle=built, live=self._live.url
            )
        except CliError as error:
            note(f"{error}")
            self._live.failed(str(error), *_place(error))
            return
        names = ", ".join(sorted({_short(name) for name in because})) or "everything"
        note(
            f"Built in {(time.perf_counter() - started) * 1000:.0f} ms after a change of {names}: {_told(site.written)}"
        )
        if site.written or bundle or self._live.build.error:
            self._live.succeeded(
                css=bool(site.written) and all(name.endswith(".css") for name in site.written)
            )

    def _apologise(self) -> None:
        """There is no site yet, so there is a page that waits for it."""
        self._out.mkdir(parents=True)
        script = paths.JS / "dist" / "site" / "live.js"
        live = ""
        if script.is_file():
            (self._out / "live.js").write_bytes(script.read_bytes())
            live = f'<script src="live.js" data-live="{escape(self._live.url)}" defer></script>'
        html = f'<!doctype html><html lang="en"><title>Not built yet</title>{live}<p>The first build failed: see the terminal.</p></html>'
        (self._out / "index.html").write_text(html, encoding="utf-8")


def _told(written: list[str]) -> str:
    return f"{len(written)} files written" if len(written) != 1 else f"{written[0]} written"


def _short(path: Path) -> str:
    root = paths.SOURCE_TREE or path.parent
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _place(error: CliError) -> tuple[str, int, list[tuple[int, str]]]:
    """File, line, and the lines around it; of the first mistake, if there are several."""
    if isinstance(error, BuildError) and error.problems:
        path, line = error.problems[0].path, error.problems[0].line
    elif found := _PLACE.search(str(error)):
        path, line = Path(found[1]), int(found[2])
    else:
        return "", 0, []
    if not path.is_absolute() and not path.is_file():
        path = (paths.SOURCE_TREE or Path()) / path
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return _short(path), line, []
    first = max(1, line - AROUND)
    return _short(path), line, list(enumerate(lines, 1))[first - 1 : line + AROUND]
