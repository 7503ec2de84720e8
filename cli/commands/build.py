"""`thamesthrive build …`: the tracker's bundle and the site."""

import signal
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from collector.install.example_values import EXAMPLE_API, EXAMPLE_SOURCE_ID
from collector.settings import default_bundle

from .. import paths
from ..builder.bundle import BUDGETS, FEATURES, Bundle, build_bundle, check_features
from ..builder.sizes import describe_sizes, feature_sizes
from ..errors import BuildError, Missing
from ..output import delayed_progress, note, show, table
from .options import JsonOption

if TYPE_CHECKING:
    from ..builder.site import BuiltSite

app = typer.Typer(invoke_without_command=True)


SourceOption = Annotated[
    str, typer.Option("--source", help="The source id in the site's snippets.")
]
ApiOption = Annotated[
    str, typer.Option("--api", help="The collector's address in the site's snippets.")
]
UrlOption = Annotated[
    str | None,
    typer.Option(
        "--url",
        help="The site's public address, for its sitemap and canonical links.",
        show_default="`url` in `site.toml`",
    ),
]
OutOption = Annotated[Path, typer.Option("--out", help="The folder for the built site.")]
SiteDirOption = Annotated[
    Path | None,
    typer.Option(
        "--from",
        help="The folder of the site's files, with Markdown in `docs/`.",
        show_default="this program's own documentation",
    ),
]


@app.callback()
def build(
    context: typer.Context,
    source_id: SourceOption = EXAMPLE_SOURCE_ID,
    api: ApiOption = EXAMPLE_API,
    url: UrlOption = None,
    out: OutOption = Path("build/site"),
    as_json: JsonOption = False,
) -> None:
    """Builds the tracker into `js/dist/` and the site into `build/site/`; with a subcommand, one of
    them.

    Examples:

    - `thamesthrive build`
    - `thamesthrive build --source ID --api https://events.example.com`
    """
    if context.invoked_subcommand is not None:
        return
    built = bundle_here()
    site = _build_site(out, source_id, api, url, built.folder)

    def for_people() -> None:
        _show_bundle(built, hashes=False)
        note(_site_summary(site))

    show({**built.as_dict(), **_site_dict(site)}, for_people, as_json=as_json)


@app.command()
def bundle(
    features: Annotated[
        str | None,
        typer.Option(
            help=f"Only these, separated by commas, or `none`: {', '.join(FEATURES)}.",
            show_default="all",
        ),
    ] = None,
    sizes: Annotated[
        bool, typer.Option("--sizes", help="Shows what each feature adds; builds nothing.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Rebuilds when a source file changes, until Ctrl-C.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Builds the tracker from `js/src/` into `js/dist/`, and shows its sizes. Fails if a file is
    over its budget.

    Examples:

    - `thamesthrive build bundle`
    - `thamesthrive build bundle --features views,consent`
    - `thamesthrive build bundle --sizes`
    """
    wanted = [*FEATURES] if features is None else _split_features(features)
    if sizes:
        _show_sizes(feature_sizes(_js()), as_json=as_json)
    elif watch:
        _watch(check_features(wanted))
    else:
        built = build_bundle(_js(), wanted)
        show(built, lambda: _show_bundle(built, hashes=True), as_json=as_json)


def _split_features(text: str) -> list[str]:
    return [name for name in text.split(",") if name not in ("", "none")]


def _show_sizes(sizes: dict[str, int], *, as_json: bool) -> None:
    rows = [[name, f"+{size}", FEATURES[name]] for name, size in sizes.items()]
    columns = ["feature", "brotli", "what"]
    show(sizes, lambda: table(columns, rows, numbers=["brotli"]), as_json=as_json)


def _watch(features: list[str]) -> None:
    """Rebuilds at each change and prints a line for each build. After a mistake in the sources, it
    waits for the next change."""
    from watchfiles import watch

    folder = _js() / "src"
    # A shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    note(f"Watching {folder}. Stop with Ctrl-C.")
    # Watching starts before the first build, so that no change is missed.
    batches = watch(
        folder, step=10, debounce=20, rust_timeout=50, yield_on_timeout=True, raise_interrupt=True
    )
    sizes: dict[str, int] | None = None
    for changes in batches:
        if changes or sizes is None:
            sizes = _rebuild(features, sizes or {})


def _rebuild(features: list[str], before: dict[str, int]) -> dict[str, int]:
    """Builds once, and returns the sizes of the watched files; those of `before` if it failed."""
    started = perf_counter()
    try:
        built = build_bundle(_js(), features, types=False)
    except BuildError as error:
        note(str(error))
        return before
    milliseconds = (perf_counter() - started) * 1000
    sizes = {file.name: file.brotli for file in built.files if file.name in BUDGETS}
    note(f"Built in {milliseconds:.0f} ms: {describe_sizes(sizes, before)}")
    return sizes


@app.command()
def site(
    source_id: SourceOption = EXAMPLE_SOURCE_ID,
    api: ApiOption = EXAMPLE_API,
    url: UrlOption = None,
    out: OutOption = Path("build/site"),
    site_dir: SiteDirOption = None,
    as_json: JsonOption = False,
) -> None:
    """Builds the documentation and the test pages. Renders only what changed since the last build.

    Checks links, anchors, examples, and that the reference is complete. Reports each mistake with
    its file, its line and a cure, and then keeps the old site.

    Examples:

    - `thamesthrive build site`
    - `thamesthrive build site --source ID --api https://events.example.com --out build/ours`
    """
    built = _build_site(out, source_id, api, url, default_bundle(), site_dir)
    show(_site_dict(built), lambda: note(_site_summary(built)), as_json=as_json)


def _build_site(
    out: Path,
    source_id: str,
    api: str,
    url: str | None,
    bundle: Path,
    site_dir: Path | None = None,
) -> "BuiltSite":
    from ..builder.site import build_site

    with delayed_progress("Rendering pages") as report:
        return build_site(
            out,
            source_id=source_id,
            api=api,
            bundle=bundle,
            site_dir=site_dir,
            url=url,
            progress=report,
        )


def _site_dict(built: "BuiltSite") -> dict[str, object]:
    return {
        "site": str(built.out),
        "pages": len(built.pages),
        "written": len(built.written),
        "seconds": round(built.seconds, 3),
    }


def _site_summary(built: "BuiltSite") -> str:
    pages, written = len(built.pages), len(built.written)
    return f"{pages} pages in {built.out}: {written} files written in {built.seconds:.2f} s"


def bundle_here() -> Bundle:
    """Builds the bundle from the source tree. Raises Missing in an installed copy."""
    return build_bundle(_js())


def _js() -> Path:
    if not paths.SOURCE_TREE:
        raise Missing(
            "Building the tracker needs the source tree, which an installed copy does not have."
            " Clone the repository."
        )
    return paths.JS


def _show_bundle(built: Bundle, *, hashes: bool) -> None:
    columns = ["file", "raw", "gzip", "brotli", "budget", *(["integrity"] if hashes else [])]
    numbers = columns[1:5]
    rows = [
        [f.name, str(f.raw), str(f.gzip), str(f.brotli), str(f.budget or ""), f.integrity]
        for f in built.files
        if not f.name.endswith(".map")
    ]
    table(columns, [row[: len(columns)] for row in rows], numbers=numbers)
