"""`thamesthrive snippet`."""

from typing import Annotated
from urllib.parse import urlsplit

import typer

from collector import store
from collector.settings import load_settings

from ..errors import Usage
from ..output import data, note, show
from .options import (
    AliasOption,
    ApiOption,
    BundleOption,
    DbOption,
    SourceArgument,
    address_of,
    open_database,
)


def snippet(
    source_id: SourceArgument,
    api: ApiOption = None,
    one_line: Annotated[
        bool, typer.Option("--one-line", help="A single script tag, nothing inline.")
    ] = False,
    global_free: Annotated[
        bool,
        typer.Option(
            "--global-free",
            help="Put the classic snippet in a block: its `options` is no global of the page.",
        ),
    ] = False,
    integrity: Annotated[
        bool,
        typer.Option(
            "--integrity", help="With --one-line: pin the tracker's exact bytes by their hash."
        ),
    ] = False,
    nonce: Annotated[str | None, typer.Option(help="A CSP nonce for the script tags.")] = None,
    alias: AliasOption = None,
    no_alias: Annotated[
        bool, typer.Option("--no-alias", help="Use the default names, whatever the setting says.")
    ] = False,
    bundle: BundleOption = None,
    db: DbOption = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="Print JSON: the HTML, and the hash of its inline script."),
    ] = False,
) -> None:
    """Prints the HTML that goes into the page's header, and nothing else.

    The classic snippet declares a global, `options`. If the page's own scripts declare one too, or
    if the page has a snippet of another source, the browser says "Identifier 'options' has already
    been declared" and skips the second script. `--global-free` and `--one-line` declare none.

    Where the setting `alias` has names of your own, the snippet has them.

    Examples:

    - `thamesthrive snippet ID --api https://events.example.com > snippet.html`
    - `thamesthrive snippet ID --global-free`
    - `thamesthrive snippet ID --one-line --integrity`
    """
    if integrity and not one_line:
        raise Usage(
            "--integrity goes with --one-line: the classic snippet loads the tracker by itself,"
            " and cannot pin it."
        )
    if global_free and one_line:
        raise Usage("--global-free is for the classic snippet. Omit it: --one-line has no global.")
    if alias and no_alias:
        raise Usage("--alias and --no-alias exclude each other. Omit one.")
    settings = load_settings({"db": db, "bundle": bundle, "alias": alias})
    aliases = () if no_alias else settings.aliases
    with open_database(db) as database:
        source = store.get_source(database, source_id)
    address = address_of(settings, api)
    from ..builder.snippet import render_snippet

    rendered = render_snippet(
        source.id,
        address,
        settings.tracker_folder,
        one_line=one_line,
        global_free=global_free,
        integrity=integrity,
        nonce=nonce,
        aliases=aliases,
    )
    show(
        {"html": rendered.html, "csp_hash": rendered.csp_hash},
        lambda: data(rendered.html),
        as_json=as_json,
    )
    if one_line:
        note(
            'Track with (window.tracker ||= []).push(["page-view", {}]), which works before the script'
            " is there as well."
        )
    if aliases and (words := aliases[0].listed_words()):
        note(
            f"Blockers look for {' and '.join(words)} in addresses."
            " Choose other names in the setting alias."
        )
    if not source.enabled:
        note(
            f"Source {source.id} is disabled: its events are refused."
            f" Enable it: thamesthrive source enable {source.id}"
        )
    if "rest" not in source.bridges:
        note(
            f"Source {source.id} does not accept the bridge rest, which pages use:"
            " its events are refused."
        )
    if rendered.csp_hash and not nonce:
        parts = urlsplit(address)
        origin = f"{parts.scheme}://{parts.netloc}"  # a path would stand for that one file
        note(
            "If your pages have a Content-Security-Policy, add:"
            f" script-src '{rendered.csp_hash}' {origin}; connect-src {origin}"
        )
