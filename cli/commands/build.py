"""`thamesthrive build …`: the tracker's bundle and the site."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from collector.installed import default_bundle

from .. import paths
from ..builder.bundle import FEATURES, Bundle, build_bundle, check_features, feature_sizes
from ..builder.example_values import EXAMPLE_API, EXAMPLE_SOURCE
from ..errors import BuildError, Missing
from ..output import json_data, note, progress, table
from .options import JsonOption

if TYPE_CHECKING:
    from ..builder.site import BuiltSite

app = typer.Typer(invoke_without_command=True)

WATCHED = (
    "loader.min.js",
    "tracker.min.js",
    "page.min.js",
)  # whose sizes a build says while watching
QUIET_SECONDS = 1.0  # a build that is done by then shows no progress

SiteSource = Annotated[str, typer.Option("--source", help="The source id in the site's snippets.")]
SiteApi = Annotated[
    str, typer.Option("--api", help="The collector's address in the site's snippets.")
]
SiteOut = Annotated[Path, typer.Option("--out", help="Where the site goes.")]
SiteFrom = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="A folder of site sources, with its Markdown in `docs/`.",
        show_default="this program's own documentation",
    ),
]


@app.callback()
def both(
    context: typer.Context,
    source: SiteSource = EXAMPLE_SOURCE,
    api: SiteApi = EXAMPLE_API,
    out: SiteOut = Path("build/site"),
    as_json: JsonOption = False,
) -> None:
    """Builds the tracker into `js/dist/` and the site into `build/site/`; with a subcommand, one of
    them.

    Examples:

    - `thamesthrive build`
    - `thamesthrive build --source ID --api https://events.example.com`
    """
    if context.invoked_subcommand is None:
        built = bundle_here()
        made = _site(out, source, api, built.folder, None)
        if as_json:
            json_data({**built.as_dict(), **_told(made)})
        else:
            _show_bundle(built)
            note(_sentence(made))


@app.command()
def bundle(
    features: Annotated[
        str | None,
        typer.Option(
            help=f"Only these, with commas between, or `none`: {', '.join(FEATURES)}.",
            show_default="all",
        ),
    ] = None,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Shows what each feature adds, and builds nothing.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Builds again whenever a source changes, until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Builds the tracker from `js/src/` into `js/dist/`, and shows its sizes. Fails when it has
    grown over its budget.

    Examples:

    - `thamesthrive build bundle`
    - `thamesthrive build bundle --features views,consent`
    - `thamesthrive build bundle --sizes`
    """
    wanted = (
        [name for name in (features or "").split(",") if name not in ("", "none")]
        if features is not None
        else [*FEATURES]
    )
    if sizes:
        _show_sizes(feature_sizes(_js()), as_json=as_json)
    elif watch:
        _watch(check_features(wanted))
    else:
        built = build_bundle(_js(), wanted)
        if as_json:
            json_data(built.as_dict())
        else:
            _show_bundle(built)


def _show_sizes(found: dict[str, int], *, as_json: bool) -> None:
    if as_json:
        json_data(found)
    else:
        table(
            ["feature", "brotli", "what"],
            [[name, f"+{size}", FEATURES[name]] for name, size in found.items()],
            numbers=["brotli"],
        )


def _watch(features: list[str]) -> None:
    """One line for each build; a mistake in the sources is shown, and the next change builds
    again."""
    from watchfiles import watch as changes

    source = _js() / "src"
    before: dict[str, int] | None = None
    signal.signal(
        signal.SIGINT, signal.default_int_handler
    )  # also where it was started in the background, with that ignored
    note(f"Watching {source}. Ctrl-C ends it.")
    # It watches before the first build begins, so that nothing is missed.
    looks = changes(
        source, step=10, debounce=20, rust_timeout=50, yield_on_timeout=True, raise_interrupt=True
    )
    for changed in looks:
        if before is not None and not changed:
            continue
        started = perf_counter()
        try:
            built = build_bundle(_js(), features, types=False)
        except BuildError as error:
            note(str(error))
            before = before or {}
            continue
        took = (perf_counter() - started) * 1000
        now = {f.name: f.brotli for f in built.files if f.name in WATCHED}
        parts = [
            f"{name} {size} B ({size - (before or now).get(name, size):+d})"
            for name, size in now.items()
        ]
        note(f"Built in {took:.0f} ms: {', '.join(parts)}")
        before = now


@app.command()
def site(
    source: SiteSource = EXAMPLE_SOURCE,
    api: SiteApi = EXAMPLE_API,
    out: SiteOut = Path("build/site"),
    sources: SiteFrom = None,
    as_json: JsonOption = False,
) -> None:
    """Renders documentation and test pages. What did not change since the last time is not rendered
    again.

    Links, anchors, examples and the completeness of the reference are checked; each mistake is told
    with file, line and cure, and then the old site stays as it was.

    Examples:

    - `thamesthrive build site`
    - `thamesthrive build site --source ID --api https://events.example.com --out build/ours`
    """
    made = _site(out, source, api, default_bundle(), sources)
    if as_json:
        json_data(_told(made))
    else:
        note(_sentence(made))


def _site(out: Path, source: str, api: str, bundle: Path, sources: Path | None) -> "BuiltSite":
    from ..builder.site import build_site

    with _shown_late() as step:
        return build_site(out, source=source, api=api, bundle=bundle, site=sources, progress=step)


@contextmanager
def _shown_late() -> "Iterator[_Late]":
    late = _Late()
    try:
        yield late
    finally:
        late.end()


class _Late:
    """Progress of a build, shown when it takes longer than a moment."""

    def __init__(self) -> None:
        self._begun = perf_counter()
        self._bar = progress("Rendering pages")
        self._step: object = None

    def __call__(self, done: int, total: int) -> None:
        if self._step is None and perf_counter() - self._begun > QUIET_SECONDS:
            self._step = self._bar.__enter__()
        if callable(self._step):
            self._step(done, total)

    def end(self) -> None:
        if self._step is not None:
            self._bar.__exit__(None, None, None)


def _told(made: "BuiltSite") -> dict[str, object]:
    return {
        "site": str(made.out),
        "pages": len(made.pages),
        "written": len(made.written),
        "seconds": round(made.seconds, 3),
    }


def _sentence(made: "BuiltSite") -> str:
    return f"{len(made.pages)} pages in {made.out}: {len(made.written)} files written in {made.seconds:.2f} s"


def bundle_here() -> Bundle:
    """The bundle, built from the source tree that this program runs from. Raises Missing if it was
    installed without one."""
    return build_bundle(_js())


def _js() -> Path:
    if not paths.SOURCE_TREE:
        raise Missing(
            "This is an installed copy: it carries the built tracker, and its sources are not here."
        )
    return paths.JS


def _show_bundle(built: Bundle) -> None:
    table(
        ["file", "raw", "gzip", "brotli", "budget", "integrity"],
        [
            [f.name, str(f.raw), str(f.gzip), str(f.brotli), str(f.budget or ""), f.integrity]
            for f in built.files
            if not f.name.endswith(".map")
        ],
        numbers=["raw", "gzip", "brotli", "budget"],
    )
