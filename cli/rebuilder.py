"""What `thamesthrive dev` does when a file is saved: it builds again, checks, or starts itself
again."""

import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from html import escape
from pathlib import Path

from . import paths
from .builder.bundle import build_bundle
from .builder.sizes import describe_sizes, shipped_sizes
from .builder.typescript import check_types
from .errors import BuildError, CliError, Problem
from .live import LiveReload
from .output import note

CONTEXT_LINES = 4  # shown before and after a mistake
_LOCATION = re.compile(r"(?m)^\W*(\S+?\.\w+):(\d+)")
_TRACEBACK_PLACE = re.compile(r'(?m)^ *File "(.+?)", line (\d+)')
# What every process of a collector and this program import.
_MODULES = (
    "cli.commands.dev",
    "cli.builder.site",
    "collector.child",
    "collector.writer.server",
    "collector.worker.app",
)
_IMPORT = (
    f"import sys, {', '.join(_MODULES)}\n"
    "for path in sys.argv[1:]: compile(open(path, encoding='utf-8').read(), path, 'exec')"
)


class Rebuilder:
    """Builds the tracker and the site in a thread, and rebuilds them after each change.

    After a change in Python it has this process interrupted; `restart` is then true.
    """

    def __init__(self, live: LiveReload, out: Path, source_id: str, api: str) -> None:
        self.restart = False
        self._live, self._out, self._source_id, self._api = live, out, source_id, api
        self._built, self._stopping = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._checks = ThreadPoolExecutor(1)
        self._bundles = 0  # built so far; what is found out about an earlier one is not shown
        self._wrong_types: BuildError | None = None
        self._sizes: dict[str, int] = {}

    def start(self) -> None:
        """Builds everything, starts to watch, and returns after the first build, even a failed
        one. Raises BuildError if a folder of sources is missing."""
        if missing := [str(folder) for folder in _watched() if not folder.is_dir()]:
            raise BuildError(f"Missing: {', '.join(missing)}. Is this a whole checkout?")
        note("Building …")
        self._thread.start()
        self._built.wait()

    def stop(self) -> None:
        """Stops watching; returns when a running build has ended."""
        self._stopping.set()
        self._thread.join()
        self._checks.shutdown(cancel_futures=True)

    def _watch(self) -> None:
        from watchfiles import watch

        code = _code()
        # Watching starts before the first build, so that no change is missed.
        batches = watch(
            *_watched(),
            step=10,
            debounce=30,
            rust_timeout=100,
            yield_on_timeout=True,
            stop_event=self._stopping,
            raise_interrupt=False,
        )
        for changes in batches:
            changed = {Path(name) for _, name in changes}
            python = {path for path in changed if path.suffix == ".py"}
            if not self._built.is_set():
                self._build(bundle=True)
                if not self._out.is_dir():
                    self._write_placeholder()
                self._built.set()
            elif python:
                self._restart(python)
            elif changed := {path for path in changed if not _is_in(path, code)}:
                self._build(
                    bundle=any(paths.JS in path.parents for path in changed), changed=changed
                )

    def _build(self, *, bundle: bool, changed: Iterable[Path] = ()) -> None:
        from .builder.site import build_site

        started = time.perf_counter()
        if bundle:
            self._bundles += 1
            self._wrong_types = None
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
            self._fail(error)
            return
        except OSError as error:  # as when a folder is gone, or the disk is full
            self._fail(BuildError(f"{error}. Save a file to try again."))
            return
        milliseconds = (time.perf_counter() - started) * 1000
        names = _names(changed) or "everything"
        note(f"Built in {milliseconds:.0f} ms ({names} changed): {_summary(site.written)}")
        if site.written or bundle or self._live.status.error:
            only_css = all(name.endswith(".css") for name in site.written)
            self._live.report_success(css=bool(site.written) and only_css)
        if bundle:
            self._checks.submit(self._check, self._bundles)
        elif self._wrong_types:
            self._live.report_failure(str(self._wrong_types), *_locate(self._wrong_types))

    def _check(self, bundle: int) -> None:
        """Finds out what a build does not wait for: mistakes in types, which open pages show, and
        what the tracker would weigh."""
        try:
            check_types(paths.JS)
            sizes = shipped_sizes(paths.JS)
        except BuildError as error:
            if bundle == self._bundles:
                self._wrong_types = error
                self._fail(error)
        except (CliError, OSError) as error:
            note(str(error))
        else:
            if sizes != self._sizes:
                note(f"Minified, brotli: {describe_sizes(sizes, self._sizes or sizes)}")
            self._sizes = sizes

    def _restart(self, changed: set[Path]) -> None:
        """Interrupts this process, if what is to start in its place can be imported."""
        command = [sys.executable, "-c", _IMPORT, *(str(path) for path in changed if path.exists())]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            self._fail(_python_error(done.stderr))
            return
        if self._stopping.is_set():  # by somebody, meanwhile
            return
        note(f"Starting again ({_names(changed)} changed) …")
        self.restart = True
        self._stopping.set()
        os.kill(os.getpid(), signal.SIGINT)

    def _fail(self, error: CliError) -> None:
        note(str(error))
        self._live.report_failure(str(error), *_locate(error))

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


def _code() -> list[Path]:
    root = paths.SOURCE_TREE or Path()
    return [root / "cli", root / "collector"]


def _watched() -> list[Path]:
    scripts = [paths.JS / name for name in ("src", "site", "console")]
    return [*scripts, paths.SITE, paths.TEMPLATES, *_code()]


def _is_in(path: Path, folders: Iterable[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in folders)


def _names(changed: Iterable[Path]) -> str:
    return ", ".join(sorted({_short_path(path) for path in changed}))


def _summary(written: list[str]) -> str:
    return f"{len(written)} files written" if len(written) != 1 else f"{written[0]} written"


def _short_path(path: Path) -> str:
    root = paths.SOURCE_TREE or path.parent
    return str(path.relative_to(root)) if path.is_relative_to(root) else path.name


def _python_error(traceback: str) -> BuildError:
    """What a traceback says, with the place in this repository where it happened."""
    message = traceback.strip().rpartition("\n")[2]
    places = [(Path(name), int(line)) for name, line in _TRACEBACK_PLACE.findall(traceback)]
    ours = [place for place in places if _short_path(place[0]) != place[0].name]
    if not ours:
        return BuildError(message)
    return BuildError(Problem(Path(_short_path(ours[-1][0])), ours[-1][1], message))


def _locate(error: CliError) -> tuple[str, int, list[tuple[int, str]]]:
    """Returns file, line and the lines around the first mistake; an empty path if the error has
    none."""
    if isinstance(error, BuildError) and error.problems:
        path, line = error.problems[0].path, error.problems[0].line
    elif found := _LOCATION.search(str(error)):
        path, line = Path(found[1]), int(found[2])
    else:
        return "", 0, []
    path = path.resolve() if path.is_file() else (paths.SOURCE_TREE or Path()) / path
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, UnicodeDecodeError):
        return _short_path(path), line, []
    first = max(1, line - CONTEXT_LINES)
    numbered = list(enumerate(lines, 1))
    return _short_path(path), line, numbered[first - 1 : line + CONTEXT_LINES]
