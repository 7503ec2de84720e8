"""The check that each option of the tracker is read by its sources and shown by a test page."""

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from .. import paths
from ..errors import Problem
from .tracker_options import track_options, tracker_options, types_file


def check_option_use(bundle: Path, test_pages: Path) -> Iterator[Problem]:
    """Yields a problem for each option that no source of the tracker reads, or whose last name is
    neither in the snippet nor on one of the test pages in a folder. Yields none in an installed
    copy, which has no sources."""
    if not paths.SOURCE_TREE:
        return
    types = types_file(bundle)
    sources = _words(path for path in types.parent.glob("*.ts") if path != types)
    pages = _words([paths.TEMPLATES / "snippet.html", *test_pages.glob("*.html")])
    for option in (*tracker_options(bundle), *track_options(bundle)):
        name = option.name.rpartition(".")[2]
        if name not in sources:
            yield Problem(
                option.path,
                option.line,
                f"no source of the tracker reads the option {option.name!r}."
                " Read it in js/src, or remove it.",
            )
        elif name not in pages:
            yield Problem(
                option.path,
                option.line,
                f"no test page shows the option {option.name!r}. Set {name} in one of site/pages/.",
            )


def _words(files: Iterable[Path]) -> set[str]:
    return {word for path in files for word in re.findall(r"\w+", path.read_text(encoding="utf-8"))}
