"""The Markdown parser and its HTML rules: blocks, tabs, headings, tables and code."""

from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from html import escape
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from mdit_py_plugins.attrs import attrs_plugin
from mdit_py_plugins.container import container_plugin
from mdit_py_plugins.footnote import footnote_plugin
from mdit_py_plugins.tasklists import tasklists_plugin

NOTES = {"note": "Note", "tip": "Tip", "warning": "Warning", "danger": "Danger"}
BLOCKS = (*NOTES, "tabs", "tab")


@lru_cache
def markdown_parser() -> MarkdownIt:
    """Returns the parser of all pages: CommonMark with tables, footnotes, task lists and blocks."""
    parser = MarkdownIt("commonmark").enable(["table", "strikethrough"])
    parser.use(footnote_plugin).use(tasklists_plugin, label=True).use(
        attrs_plugin, allowed=["id", "class"]
    )
    for name in BLOCKS:
        parser.use(container_plugin, name, render=_render_block)
    for rule, render in {
        "fence": _render_fence,
        "heading_close": _render_heading_close,
        "table_open": lambda *_: (
            '<div class="scroll" tabindex="0" role="group" aria-label="Table"><table>\n'
        ),
        "table_close": lambda *_: "</table></div>\n",
    }.items():
        parser.add_render_rule(rule, render)
    return parser


def _render_fence(
    _: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    env: MutableMapping[str, Any],
) -> str:
    return str(tokens[index].meta["html"])


def _render_heading_close(
    _: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    env: MutableMapping[str, Any],
) -> str:
    opening = next(token for token in reversed(tokens[:index]) if token.type == "heading_open")
    label = escape(f"Link to this section: {opening.meta['text']}")
    link = f'<a class="anchor" href="#{opening.attrs["id"]}" aria-label="{label}">#</a>'
    return f" {link}</{opening.tag}>\n"


def _render_block(
    _: RendererHTML,
    tokens: Sequence[Token],
    index: int,
    options: Any,
    env: MutableMapping[str, Any],
) -> str:
    token = tokens[index]
    name = token.type.removeprefix("container_").removesuffix("_open").removesuffix("_close")
    if token.nesting < 0:
        return "</div>\n"
    if name == "tabs":
        return _tabs_html(*token.meta["group"])
    title = token.info.strip().removeprefix(name).strip()
    if name == "tab":
        return f'<div class="panel" role="group" aria-label="{escape(title)}">\n'
    return (
        f'<div class="admonition {name}" role="note">'
        f'<p class="admonition-title">{escape(title or NOTES[name])}</p>\n'
    )


def _tabs_html(group: int, titles: list[str]) -> str:
    """Returns the start of a group of tabs: radio buttons switch them, without a script."""
    buttons = "".join(
        f'<input type="radio" name="tabs-{group}" id="tab-{group}-{number}"'
        f"{'' if number else ' checked'}>"
        f'<label for="tab-{group}-{number}">{escape(title)}</label>'
        for number, title in enumerate(titles)
    )
    label = escape(" or ".join(titles))
    return f'<div class="tabs" role="group" aria-label="{label}">{buttons}\n'


def group_tabs(tokens: list[Token]) -> None:
    """Gives each group of tabs its number and its tabs' titles, which are rendered before the first
    tab."""
    groups: list[tuple[int, list[str]]] = []
    count = 0
    for token in tokens:
        if token.type == "container_tabs_open":
            count += 1
            groups.append((count, []))
            token.meta["group"] = groups[-1]
        elif token.type == "container_tab_open" and groups:
            groups[-1][1].append(token.info.strip().removeprefix("tab").strip() or "Tab")
        elif token.type == "container_tabs_close" and groups:
            groups.pop()
