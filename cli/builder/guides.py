"""Guides for platforms: one template, one entry of `guides.toml` for each."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from .. import paths
from ..errors import BuildError, Problem
from .templates import explain

FILE, TEMPLATE = "guides.toml", "guide.md"


@dataclass(frozen=True)
class Guide:
    """A document that stands in no file of its own: its Markdown, and the place that it was made
    from."""

    source: str
    path: Path
    line: int
    text: str


def load_guides(site: Path) -> list[Guide]:
    """The guides of a site, none if it has none. Raises BuildError with file and line."""
    path = site / FILE
    try:
        text = path.read_text(encoding="utf-8")
        entries = tomllib.loads(text)["platform"]
    except FileNotFoundError:
        return []
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        raise BuildError(
            Problem(
                path,
                int(place[1]) if place else 1,
                f"this is not TOML: {error}. Texts stand in quotes.",
            )
        ) from error
    lines = [
        text.count("\n", 0, found.start()) + 1
        for found in re.finditer(r"(?m)^\[\[platform\]\]", text)
    ]
    # Markdown, not HTML: nothing is escaped.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(paths.TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    guides = []
    try:
        template = environment.get_template(TEMPLATE)
        for line, entry in zip(lines, entries, strict=True):
            guides.append(
                Guide(
                    f"docs/how-to/install-{entry['slug']}.md", path, line, template.render(**entry)
                )
            )
    except TemplateError as error:
        explain(error, path, paths.TEMPLATES)
    return guides
