"""The types that describe a page: for the rest of the site, for the search, for its template."""

import posixpath
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from msgspec import Struct

from .code_checks import Script

HOME = "docs/index.md"


class Link(Struct, frozen=True, array_like=True):
    """A link to another page or file of the site, or to a heading.

    `line` is its line in the file, `href` what was written there, `target` a path below the site's
    folder (`docs/how-to/csp.md`), `anchor` what followed `#`.
    """

    line: int
    href: str
    target: str
    anchor: str


class TocEntry(Struct, frozen=True, array_like=True):
    """A heading in the table of contents."""

    level: int
    id: str
    title: str


class Section(Struct, frozen=True, array_like=True):
    """The plain text below a heading, for the search. Text before the first heading has an empty
    `id` and `heading`, and level 1."""

    level: int
    id: str
    heading: str
    text: str


class PageMeta(Struct, frozen=True, array_like=True):
    """What the rest of the site needs to know about a page.

    `generated` names its generated blocks. `scripts` are the fingerprints of the scripts in its
    examples; once the page is cached, those are known to parse.
    """

    title: str
    summary: str
    order: int
    template: str
    aliases: list[str]
    anchors: list[str]
    links: list[Link]
    generated: list[str]
    scripts: list[str]


class PageBody(Struct, frozen=True):
    """What a template shows of a page: its HTML and its table of contents."""

    html: str
    toc: list[TocEntry]


class RenderedPage(Struct, frozen=True):
    """A page that was rendered from Markdown, without the template around it."""

    meta: PageMeta
    body: PageBody
    sections: list[Section]
    scripts: list[Script]


@dataclass(frozen=True)
class Includes:
    """Functions that fill `snippet` and `generated` fences, called when a page has one.

    `snippets` maps a fence's info to HTML, `generated` a block's name to Markdown.
    """

    snippets: Mapping[str, Callable[[], str]] = field(default_factory=dict)
    generated: Mapping[str, Callable[[], str]] = field(default_factory=dict)


def page_url(page_path: str) -> str:
    """Returns where a page goes in the built site: `docs/how-to/csp.md` → `docs/how-to/csp.html`.

    The home page goes to `index.html`; other files keep their path.
    """
    if page_path == HOME:
        return "index.html"
    if page_path.endswith(".md"):
        return page_path.removesuffix(".md") + ".html"
    return page_path


def relative_url(target: str, page: str) -> str:
    """Returns a link from `page` to `target` that works on a server and from a file."""
    return posixpath.relpath(target, posixpath.dirname(page) or ".")
