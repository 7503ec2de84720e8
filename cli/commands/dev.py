"""`thamesthrive dev`: serves site and collector, and rebuilds what changes."""

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

from collector.settings import Settings, load_settings

from .. import paths
from ..builder.bundle import build_bundle
from ..errors import BuildError, CliError, Missing
from ..output import data, note
from .options import HostOption, PortOption

if TYPE_CHECKING:
    from ..live import LiveReload

FOLDER = Path("build/dev")
CONTEXT_LINES = 4  # shown before and after a mistake
_LOCATION = re.compile(r"(?m)^\W*(\S+?\.\w+):(\d+)")


def dev(
    host: HostOption = None,
    port: PortOption = None,
    open_: Annotated[
        bool, typer.Option("--open", help="Open the first page in the browser.")
    ] = False,
) -> None:
    """Serves the collector and the site, rebuilds what you save, and reloads open pages.

    Watches Markdown, templates, styles, test pages and TypeScript. A mistake is shown here and on
    top of the page until you fix it. Events are printed as they are stored. The database in
    `build/dev/` is kept from run to run. Stop it with Ctrl-C.

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

    settings = _dev_settings(host, port)
    FOLDER.mkdir(parents=True, exist_ok=True)
    live = LiveReload()
    with live.serve(settings.host), shown_events(settings.db) as begin:
        address = f"http://{settings.host}:{settings.port}"
        rebuilder = Rebuilder(live, demo_source(settings.db), address)
        rebuilder.start()
        log_to_stderr(settings)

        def ready(_: str) -> None:
            note("Open this page; it reloads when you save. Events appear below. Ctrl-C stops.")
            data(f"{address}/index.html")
            begin.set()
            if open_:
                webbrowser.open(f"{address}/index.html")

        try:
            supervisor.serve(settings, ready)
        finally:
            rebuilder.stop()
    note("Stopped.")


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


class Rebuilder:
    """Builds the tracker and the site in a thread, and rebuilds them after each change."""

    def __init__(self, live: "LiveReload", source_id: str, api: str) -> None:
        self._live, self._source_id, self._api = live, source_id, api
        self._out = FOLDER / "site"
        self._built, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def start(self) -> None:
        """Builds everything, starts to watch, and returns after the first build, even a failed
        one."""
        note("Building …")
        self._thread.start()
        self._built.wait()

    def stop(self) -> None:
        """Stops watching; returns when a running build has ended."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        from watchfiles import watch

        folders = [paths.JS / "src", paths.JS / "site", paths.SITE, paths.TEMPLATES]
        # Watching starts before the first build, so that no change is missed.
        batches = watch(
            *folders,
            step=10,
            debounce=30,
            rust_timeout=100,
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
        )
        for changes in batches:
            changed = {Path(name) for _, name in changes}
            if not self._built.is_set():
                self._build(bundle=True)
                if not self._out.is_dir():
                    self._write_placeholder()
                self._built.set()
            elif changed:
                self._build(bundle=any(path.suffix == ".ts" for path in changed), changed=changed)

    def _build(self, *, bundle: bool, changed: Iterable[Path] = ()) -> None:
        from ..builder.site import build_site

        started = time.perf_counter()
        try:
            built = (
                build_bundle(paths.JS, types=False, smallest=False).folder
                if bundle
                else paths.JS / "dist"
            )
            site = build_site(
                self._out,
                source_id=self._source_id,
                api=self._api,
                bundle=built,
                live_url=self._live.url,
            )
        except CliError as error:
            note(f"{error}")
            self._live.report_failure(str(error), *_locate(error))
            return
        milliseconds = (time.perf_counter() - started) * 1000
        names = ", ".join(sorted({_short_path(path) for path in changed})) or "everything"
        note(f"Built in {milliseconds:.0f} ms ({names} changed): {_summary(site.written)}")
        if site.written or bundle or self._live.status.error:
            only_css = all(name.endswith(".css") for name in site.written)
            self._live.report_success(css=bool(site.written) and only_css)

    def _write_placeholder(self) -> None:
        """Writes a home page that reloads as soon as a build succeeds."""
        self._out.mkdir(parents=True)
        script = paths.JS / "dist" / "site" / "live.js"
        live = ""
        if script.is_file():
            (self._out / "live.js").write_bytes(script.read_bytes())
            live = f'<script src="live.js" data-live="{escape(self._live.url)}" defer></script>'
        html = (
            f'<!doctype html><html lang="en"><title>Not built yet</title>{live}'
            "<p>The first build failed: see the terminal.</p></html>"
        )
        (self._out / "index.html").write_text(html, encoding="utf-8")


def _summary(written: list[str]) -> str:
    return f"{len(written)} files written" if len(written) != 1 else f"{written[0]} written"


def _short_path(path: Path) -> str:
    root = paths.SOURCE_TREE or path.parent
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _locate(error: CliError) -> tuple[str, int, list[tuple[int, str]]]:
    """Returns file, line and the lines around the first mistake; an empty path if the error has
    none."""
    if isinstance(error, BuildError) and error.problems:
        path, line = error.problems[0].path, error.problems[0].line
    elif found := _LOCATION.search(str(error)):
        path, line = Path(found[1]), int(found[2])
    else:
        return "", 0, []
    if not path.is_absolute() and not path.is_file():
        path = (paths.SOURCE_TREE or Path()) / path
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return _short_path(path), line, []
    first = max(1, line - CONTEXT_LINES)
    numbered = list(enumerate(lines, 1))
    return _short_path(path), line, numbered[first - 1 : line + CONTEXT_LINES]
