"""Checks that every link has a target: pages, their anchors, and other files."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path

from ..errors import Problem
from .page import Link, relative_url


def check_links(
    site_dir: Path, links: dict[str, list[Link]], anchors: dict[str, list[str]], files: set[str]
) -> Iterator[Problem]:
    """Yields a problem for each broken link, with what was probably meant.

    `links` and `anchors` are keyed by page path (`docs/how-to/csp.md`); `files` are the paths below
    the site that can be linked to besides pages.
    """
    anchor_sets = {page_path: frozenset(names) for page_path, names in anchors.items()}
    for page_path, page_links in links.items():
        for link in page_links:
            names = anchor_sets.get(link.target)
            if names is None and link.target not in files:
                message = _missing_target(link, page_path, [*anchor_sets, *files])
                yield Problem(site_dir / page_path, link.line, message)
            elif names is not None and link.anchor and link.anchor not in names:
                message = _missing_anchor(link, anchors[link.target])
                yield Problem(site_dir / page_path, link.line, message)


def _missing_target(link: Link, page_path: str, targets: list[str]) -> str:
    path, mark, anchor = link.href.partition("#")
    name = link.target.rpartition("/")[2]
    # Most often the right file in the wrong folder, then a typing error.
    close = (
        [target for target in targets if target.rpartition("/")[2] == name]
        or get_close_matches(link.target, targets, 1, 0.7)
        or _close_names(name, targets)
    )
    hint = (
        f"Did you mean {relative_url(close[0], page_path)}{mark}{anchor}?"
        if close
        else "Correct the path, or add the page."
    )
    return f"the link target {path} does not exist. {hint}"


def _close_names(name: str, targets: list[str]) -> list[str]:
    names = {target.rpartition("/")[2]: target for target in targets}
    return [names[found] for found in get_close_matches(name, names, 1)]


def _missing_anchor(link: Link, anchors: list[str]) -> str:
    target = link.href.partition("#")[0] or "this page"
    close = get_close_matches(link.anchor, anchors, 1, 0.5)
    if close:
        hint = f"Did you mean #{close[0]}?"
    else:
        names = ", ".join(f"#{name}" for name in anchors[:8])
        hint = f"It has: {names or 'no headings'}."
    return f"{target} has no heading #{link.anchor}. {hint}"
