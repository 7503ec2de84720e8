"""`thamesthrive build …`: the tracker's bundle and the site."""

import signal
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from collector.installed import default_bundle

from .. import paths
from ..builder.bundle import FEATURES, Bundle, build_bundle, check_features, feature_sizes
from ..builder.example import EXAMPLE_API, EXAMPLE_SOURCE
from ..errors import BuildError, Missing
from ..output import json_data, note, table
from .options import JsonOption

app = typer.Typer(invoke_without_command=True, help="Builds the tracker and the site; without a subcommand, both.")

WATCHED = ("loader.min.js", "tracker.min.js", "page.min.js")  # whose sizes a build says while watching

SiteSource = Annotated[str, typer.Option("--source", help="The source id in the site's snippets.")]
SiteApi = Annotated[str, typer.Option("--api", help="The collector's address in the site's snippets.")]
SiteOut = Annotated[Path, typer.Option("--out", help="Where the site goes.")]


@app.callback()
def both(
    context: typer.Context,
    source: SiteSource = EXAMPLE_SOURCE,
    api: SiteApi = EXAMPLE_API,
    out: SiteOut = Path("build/site"),
    as_json: JsonOption = False,
) -> None:
    """Builds the tracker into `js/dist/` and the site into `build/site/`."""
    if context.invoked_subcommand is None:
        built = bundle_here()
        from ..builder.site import build_site

        written = build_site(out, source=source, api=api, bundle=built.folder)
        if as_json:
            json_data({**built.as_dict(), "site": str(out), "pages": len(written)})
        else:
            _show_bundle(built)
            note(f"Site: {len(written)} pages in {out}")


@app.command()
def bundle(
    features: Annotated[
        str | None, typer.Option(help=f"Only these, with commas between, or `none`: {', '.join(FEATURES)}.", show_default="all")
    ] = None,
    sizes: Annotated[bool, typer.Option("--sizes", help="Shows what each feature adds, and builds nothing.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Builds again whenever a source changes, until Ctrl-C.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Builds the tracker from `js/src/` into `js/dist/`, and shows its sizes. Fails when it has grown over its budget.

    Examples: `thamesthrive build bundle --features views,consent`; `thamesthrive build bundle --watch`.
    """
    wanted = [name for name in (features or "").split(",") if name not in ("", "none")] if features is not None else [*FEATURES]
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
    """One line for each build; a mistake in the sources is shown, and the next change builds again."""
    from watchfiles import watch as changes

    source = _js() / "src"
    before: dict[str, int] | None = None
    signal.signal(signal.SIGINT, signal.default_int_handler)  # also where it was started in the background, with that ignored
    note(f"Watching {source}. Ctrl-C ends it.")
    # It watches before the first build begins, so that nothing is missed.
    looks = changes(source, step=10, debounce=20, rust_timeout=50, yield_on_timeout=True, raise_interrupt=True)
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
        parts = [f"{name} {size} B ({size - (before or now).get(name, size):+d})" for name, size in now.items()]
        note(f"Built in {took:.0f} ms: {', '.join(parts)}")
        before = now


@app.command()
def site(
    source: SiteSource = EXAMPLE_SOURCE,
    api: SiteApi = EXAMPLE_API,
    out: SiteOut = Path("build/site"),
    as_json: JsonOption = False,
) -> None:
    """Renders docs and test pages. Every JavaScript example in them is parsed; a syntax error fails the build."""
    from ..builder.site import build_site

    written = build_site(out, source=source, api=api, bundle=default_bundle())
    if as_json:
        json_data({"site": str(out), "pages": len(written)})
    else:
        note(f"{len(written)} pages in {out}")


def bundle_here() -> Bundle:
    """The bundle, built from the source tree that this program runs from. Raises Missing if it was installed without one."""
    return build_bundle(_js())


def _js() -> Path:
    if not paths.SOURCE_TREE:
        raise Missing("This is an installed copy: it carries the built tracker, and its sources are not here.")
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
