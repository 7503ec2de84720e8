"""Headings: their anchors, their plain text, and the sections below them."""

import re
from collections.abc import Iterator

from markdown_it.token import Token

from .page import Section

_ANCHOR = re.compile(r"\s*\{#([\w.-]+)\}$")
_MAX_CODE = 1000  # characters of a code block that the search indexes


def slug(text: str) -> str:
    """Returns the anchor of a heading: its words in lower case, joined by dashes."""
    return "-".join("".join(c if c.isalnum() else " " for c in text.lower()).split())


def plain_text(inline: Token) -> str:
    """Returns the text of an inline token without its markup."""
    parts = (
        child.content if child.type in ("text", "code_inline") else " "
        for child in inline.children or []
    )
    return " ".join("".join(parts).split())


def take_anchor(inline: Token) -> tuple[str, str]:
    """Returns a heading's anchor and text, and removes a written anchor from the heading.

    An anchor is written as in `## Words {#anchor}` or ``## `word`{#anchor}``; without one, it is
    the slug of the text.
    """
    text = plain_text(inline)
    children = inline.children or []
    for child in children:
        if "id" in child.attrs:
            return str(child.attrs.pop("id")), text
    if children and (found := _ANCHOR.search(children[-1].content)):
        children[-1].content = children[-1].content[: found.start()]
        return found[1], plain_text(inline)
    return slug(text), text


def split_sections(tokens: list[Token]) -> Iterator[Section]:
    """Yields the section below each heading, beginning with the text before the first one."""
    level, anchor, heading = 1, "", ""
    words: list[str] = []
    for index, token in enumerate(tokens):
        if token.type == "heading_open":
            yield Section(level, anchor, heading, " ".join(words))
            level, anchor, heading = int(token.tag[1]), str(token.attrs["id"]), token.meta["text"]
            words = []
        elif token.type == "inline" and tokens[index - 1].type != "heading_open":
            words.append(plain_text(token))
        elif token.type == "fence" and not token.info.startswith("html"):
            words.append(" ".join(token.content[:_MAX_CODE].split()))
    yield Section(level, anchor, heading, " ".join(words))
