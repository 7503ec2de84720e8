"""Does every link lead somewhere? Pages, their anchors, and files beside them."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from ..errors import Problem
from .page import Link, relative_url


def check_links(
    site: Path, links: dict[str, list[Link]], anchors: dict[str, list[str]], files: set[str]
) -> Iterator[Problem]:
    """A problem for each link to nothing, with what was probably meant.

    `links` and `anchors` by source (`docs/how-to/csp.md`); `files`: what else can be linked to, by
    path below the site.
    """
    known = {source: frozenset(names) for source, names in anchors.items()}
    for source, found in links.items():
        for link in found:
            names = known.get(link.target)
            if names is None and link.target not in files:
                yield Problem(site / source, link.line, _no_page(link, source, [*known, *files]))
            elif (
                names is not None
                and link.anchor
                and link.anchor not in names
                and not link.target.startswith("pages/")
            ):
                yield Problem(site / source, link.line, _no_anchor(link, anchors[link.target]))


def _no_page(link: Link, source: str, known: list[str]) -> str:
    path, mark, anchor = link.href.partition("#")
    name = link.target.rpartition("/")[2]
    # The same file in another folder is what is meant most often; after that, a name with a typing
    # error.
    moved = [other for other in known if other.rpartition("/")[2] == name]
    close = moved or get_close_matches(link.target, known, 1, 0.7) or _by_name(name, known)
    hint = (
        f" Did you mean {relative_url(close[0], source)}{mark}{anchor}?"
        if close
        else " Correct the path, or add the page."
    )
    return f"there is no {path} to link to.{hint}"


def _by_name(name: str, known: list[str]) -> list[str]:
    names = {other.rpartition("/")[2]: other for other in known}
    return [names[found] for found in get_close_matches(name, names, 1)]


def _no_anchor(link: Link, anchors: list[str]) -> str:
    close = get_close_matches(link.anchor, anchors, 1, 0.5)
    where = link.href.partition("#")[0] or "this page"
    hint = (
        f"Did you mean #{close[0]}?"
        if close
        else f"It has: {', '.join('#' + name for name in anchors[:8]) or 'no headings'}."
    )
    return f"{where} has no heading #{link.anchor}. {hint}"
