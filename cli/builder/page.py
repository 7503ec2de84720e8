"""What is known of a document: for the rest of the site, for the search, for the page around it."""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, field

from msgspec import Struct

from .code_fence import Script


class Link(Struct, frozen=True, array_like=True):
    """A link to another place of the site, or to a heading. `target`: a path below the site's
    folder, e.g. `docs/how-to/csp.md`."""

    line: int
    href: str
    target: str
    anchor: str


class Section(Struct, frozen=True, array_like=True):
    """What stands below a heading, for the search. `level` is 1 for what stands before the
    first."""

    level: int
    id: str
    heading: str
    text: str


class PageMeta(Struct, frozen=True, array_like=True):
    """What the rest of the site must know of a document. `scripts`: digests of its scripts, which
    are known to parse once it is remembered."""

    title: str
    summary: str
    order: int
    template: str
    aliases: list[str]
    anchors: list[str]
    links: list[Link]
    generated: list[str]
    scripts: list[str]


class RenderedPage(Struct, frozen=True):
    """A document that was rendered, but for the page around it."""

    facts: PageMeta
    html: str
    sections: list[Section]
    scripts: list[Script]


@dataclass(frozen=True)
class Includes:
    """What documents may contain besides their own words, made when one of them asks for it.
    `snippets`: name → HTML to paste; `generated`: name → Markdown made from the program itself."""

    snippets: dict[str, Callable[[], str]] = field(default_factory=dict)
    generated: dict[str, Callable[[], str]] = field(default_factory=dict)


def page_url(source: str) -> str:
    """Where a source goes: `docs/how-to/csp.md` → `docs/how-to/csp.html`; the first page of all is
    the site's own."""
    if source == "docs/index.md":
        return "index.html"
    return source.removesuffix(".md") + ".html" if source.endswith(".md") else source


def relative_url(target: str, page: str) -> str:
    """The way from one page of the site to another, for servers and for files alike."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")
