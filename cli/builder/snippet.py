"""The HTML a site owner pastes, checked by parsing it."""

from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

from collector.errors import BadAddress, NotBuilt
from collector.install import Snippet
from collector.install import render_snippet as render

from ..errors import BuildError, Missing, Usage


def render_snippet(source_id: str, api: str, bundle: Path, **options: Any) -> Snippet:
    """Renders the snippet of a source: see `collector.install.render_snippet`, which takes the same
    `options`. Raises Usage if `api` is not an address, and Missing if the tracker is not built."""
    from .javascript import JavaScriptError, check_html

    try:
        snippet = render(source_id, api, bundle, **options)
    except BadAddress as error:
        raise Usage(str(error)) from error
    except NotBuilt as error:
        raise Missing(str(error)) from error
    try:
        check_html(snippet.html)
    except JavaScriptError as error:
        cause = f"{error} (line {error.line})"
        raise BuildError(
            f"The snippet does not parse: {cause}. Is {bundle} from a finished build?"
        ) from error
    return snippet


def snippet_renderer(api: str, bundle: Path) -> Callable[[str, str], str]:
    """Returns a function that renders the snippet of a form and a source id, once each."""

    @cache
    def render_once(form: str, source_id: str) -> str:
        return render_snippet(source_id, api, bundle, one_line=form == "one-line").html

    return render_once
