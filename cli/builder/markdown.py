"""Markdown → HTML, with highlighted code whose examples are known to parse."""

import posixpath
from collections.abc import Callable, MutableMapping, Sequence
from itertools import pairwise
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from ..errors import BuildError
from .documents import Document
from .javascript import JavaScriptError, check_html, check_javascript

PAGES = "../pages/index.html"  # the one page that is made of no file

_CHECKS: dict[str, Callable[[str], None]] = {
    "js": check_javascript,
    "javascript": check_javascript,
    "html": check_html,
}


def render_markdown(document: Document, snippets: dict[str, str]) -> str:
    """A document's body as HTML. A fence marked `snippet` or `snippet one-line` is filled from `snippets`.

    Raises BuildError with file and line for an example that does not parse, a language nobody can highlight, or a link that
    leads nowhere.
    """
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = parser.parse(document.body)
    for token in tokens:
        line = document.offset + (token.map[0] if token.map else 0) + 1
        if token.type == "fence":
            _prepare(token, line, document, snippets)
        for child in token.children or []:
            if child.type == "link_open":
                child.attrSet("href", _as_html(str(child.attrGet("href")), document, line))
    _add_anchors(tokens)
    parser.add_render_rule("fence", _render_fence)
    parser.add_render_rule("table_open", lambda *_: '<div class="scroll" tabindex="0" role="region" aria-label="Table"><table>\n')
    parser.add_render_rule("table_close", lambda *_: "</table></div>\n")
    return str(parser.renderer.render(tokens, parser.options, {}))


def _prepare(token: Token, line: int, document: Document, snippets: dict[str, str]) -> None:
    if token.info.startswith("snippet"):
        if token.info not in snippets:
            raise BuildError(f"{document.path}:{line}: there is no {token.info!r}, only {', '.join(snippets)}.")
        token.content, token.info = snippets[token.info] + "\n", "html"
    elif token.info in _CHECKS:
        try:
            _CHECKS[token.info](token.content)
        except JavaScriptError as error:
            raise BuildError(f"{document.path}:{line + error.line}: this example does not parse: {error}") from error
    try:
        get_lexer_by_name(token.info or "text")
    except ClassNotFound as error:
        raise BuildError(f"{document.path}:{line}: nobody can highlight {token.info!r}. Leave it out, or say `text`.") from error


def _as_html(href: str, document: Document, line: int) -> str:
    """A link between the sources (`http.md#reasons`, `../pages/basic.html`) as one between the pages made of them."""
    path, mark, anchor = href.partition("#")
    if not path or "://" in path or path.startswith("mailto:"):
        return href
    if not (document.path.parent / path).exists() and path != PAGES:
        raise BuildError(f"{document.path}:{line}: there is no {path} to link to.")
    target = posixpath.normpath(posixpath.join("docs", path.removesuffix(".md") + ".html" if path.endswith(".md") else path))
    target = "index.html" if target == "docs/index.html" else target
    return posixpath.relpath(target, "." if document.slug == "index" else "docs") + mark + anchor


def _add_anchors(tokens: list[Token]) -> None:
    for heading, inline in pairwise(tokens):
        if heading.type == "heading_open":
            words = "".join(c if c.isalnum() else " " for c in inline.content.lower()).split()
            heading.attrSet("id", "-".join(words))


def _render_fence(
    _: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    env: MutableMapping[str, Any],
) -> str:
    token = tokens[index]
    lexer = get_lexer_by_name(token.info or "text")
    # A region that scrolls must be reachable by keyboard, and have a name.
    code = highlight(token.content, lexer, HtmlFormatter(nowrap=True))
    return f'<pre class="code" tabindex="0" role="region" aria-label="Example: {lexer.name}"><code>{code}</code></pre>\n'
