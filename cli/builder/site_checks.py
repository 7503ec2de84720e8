"""Checks that need the whole site: links, aliases, and the templates that pages name."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from .. import paths
from ..errors import Problem
from .links import check_links
from .page import Link, PageMeta, page_url
from .testpages import TestPage

_HTML_LINK = re.compile(r"""\b(?:href|src)=["']([^"'{}#][^"'{}]*)["']""")
_TEMPLATE_LINK = re.compile(r"{{ root }}([\w./-]+)")
_EXTERNAL = re.compile(r"[a-z]+:|//|\?")
_LINKED_TYPES = (".html", ".js", ".css", ".png", ".svg", ".json")


def check_site(
    site_dir: Path, metas: dict[str, PageMeta], test_pages: list[TestPage], files: set[str]
) -> Iterator[Problem]:
    """Yields a problem for each broken link, taken alias and unknown template.

    `metas` are all Markdown pages by path; `files` are the URLs of everything else that can be
    linked to.
    """
    links = {page_path: meta.links for page_path, meta in metas.items()}
    links |= {f"pages/{page.parsed.path.name}": _find_links(page) for page in test_pages}
    anchors = {page_path: meta.anchors for page_path, meta in metas.items()}
    yield from check_links(site_dir, links, anchors, files)
    yield from _check_aliases(site_dir, metas, files)
    yield from _check_template_links({*files, "index.html"})
    yield from _check_template_names(site_dir, metas)


def _find_links(page: TestPage) -> list[Link]:
    """Returns the links in a test page's HTML, without those that scripts or templates build."""
    links = []
    for line, text in enumerate(page.parsed.body.split("\n"), page.parsed.body_offset + 1):
        for found in _HTML_LINK.finditer(text):
            href = found[1]
            path, _, anchor = href.partition("#")
            if not _EXTERNAL.match(path) and path.endswith(_LINKED_TYPES):
                links.append(Link(line, href, os.path.normpath(f"pages/{path}"), anchor))
    return links


def _check_aliases(
    site_dir: Path, metas: dict[str, PageMeta], files: set[str]
) -> Iterator[Problem]:
    taken = {page_url(page_path): page_path for page_path in metas} | {url: url for url in files}
    cure = 'Write the page\'s old address, as in aliases = ["docs/old-name.html"]'
    for page_path, meta in metas.items():
        for alias in meta.aliases:
            if alias in taken:
                why = f"is already the address of {taken[alias]}"
            elif not alias.endswith(".html") or alias.startswith("/"):
                why = "is not the address of a page"
            else:
                why = ""
            if why:
                yield Problem(site_dir / page_path, 1, f"the alias {alias!r} {why}. {cure}")
            taken[alias] = page_path


def _check_template_links(urls: set[str]) -> Iterator[Problem]:
    """Yields a problem for each link to a missing file in a template."""
    for path in sorted(paths.TEMPLATES.glob("*.html")):
        for line, text in enumerate(path.read_text(encoding="utf-8").split("\n"), 1):
            for name in _TEMPLATE_LINK.findall(text):
                if name not in urls and not name.startswith("pages/"):
                    cure = "Correct the name, or add the file."
                    message = f"the link target {name} does not exist. {cure}"
                    yield Problem(path, line, message)


def _check_template_names(site_dir: Path, metas: dict[str, PageMeta]) -> Iterator[Problem]:
    names = sorted(path.name for path in paths.TEMPLATES.glob("*.html"))
    for page_path, meta in metas.items():
        if meta.template not in names:
            message = f"unknown template {meta.template!r}. Use one of: {', '.join(names)}."
            yield Problem(site_dir / page_path, 1, message)
