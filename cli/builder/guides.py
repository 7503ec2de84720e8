"""Platform guides: pages made from one template and the entries of `guides.toml`."""

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, TemplateError

from .. import paths
from ..errors import BuildError
from .config import toml_problem
from .templates import raise_template_error

FILE, TEMPLATE = "guides.toml", "guide.md"


@dataclass(frozen=True)
class Guide:
    """A page without a Markdown file: its page path and Markdown, and the file and line that it was
    made from."""

    page_path: str
    path: Path
    line: int
    text: str


def load_guides(site_dir: Path) -> list[Guide]:
    """Renders the Markdown of a site's guides; a site may have none. Raises BuildError with file
    and line."""
    path = site_dir / FILE
    try:
        text = path.read_text(encoding="utf-8")
        entries = tomllib.loads(text)["platform"]
    except FileNotFoundError:
        return []
    except tomllib.TOMLDecodeError as error:
        raise BuildError(toml_problem(path, error)) from error
    lines = [
        text.count("\n", 0, found.start()) + 1
        for found in re.finditer(r"(?m)^\[\[platform\]\]", text)
    ]
    environment = Environment(  # noqa: S701 - Markdown must not be escaped
        loader=FileSystemLoader(paths.TEMPLATES),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    try:
        template = environment.get_template(TEMPLATE)
        return [
            Guide(f"docs/how-to/install-{entry['slug']}.md", path, line, template.render(**entry))
            for line, entry in zip(lines, entries, strict=True)
        ]
    except TemplateError as error:
        raise_template_error(error, path, paths.TEMPLATES)
