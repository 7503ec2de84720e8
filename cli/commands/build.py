"""`thamesthrive build …`: the tracker's bundle and the site."""

from pathlib import Path
from typing import Annotated

import typer

from collector.installed import default_bundle

from .. import paths
from ..builder.bundle import Bundle, build_bundle
from ..builder.example import EXAMPLE_API, EXAMPLE_SOURCE
from ..errors import Missing
from ..output import json_data, note, table
from .options import JsonOption

app = typer.Typer(invoke_without_command=True, help="Builds the tracker and the site; without a subcommand, both.")

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
def bundle(as_json: JsonOption = False) -> None:
    """Builds the tracker from `js/src/` into `js/dist/`, and shows its sizes. Fails when it has grown over its budget."""
    built = bundle_here()
    if as_json:
        json_data(built.as_dict())
    else:
        _show_bundle(built)


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
    if not paths.SOURCE_TREE:
        raise Missing("This is an installed copy: it carries the built tracker, and its sources are not here.")
    return build_bundle(paths.JS)


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
