"""Page files: TOML front matter between `+++` lines, then Markdown or, in test pages, HTML."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import BuildError, Problem

FENCE = "+++"
PAGE_KEYS = {"title": str, "summary": str, "order": int, "template": str, "aliases": list}
_TYPE_NAMES = {str: "a string", int: "an integer", list: "an array", dict: "a table"}


@dataclass(frozen=True)
class ParsedPage:
    """A page file, split into front matter and body.

    `body_offset` is the number of lines before the body, so that errors name the file's own line.
    """

    path: Path
    front_matter: dict[str, Any]
    body: str
    body_offset: int

    @property
    def slug(self) -> str:
        return self.path.stem

    @property
    def title(self) -> str:
        return str(self.front_matter["title"])

    @property
    def summary(self) -> str:
        return str(self.front_matter.get("summary", ""))

    @property
    def order(self) -> int:
        return int(self.front_matter.get("order", 1000))


def parse_markdown_page(path: Path, text: str) -> ParsedPage:
    """Parses a Markdown page. Without front matter, its title is the `# Heading` it starts with.
    Raises BuildError."""
    if text.startswith(FENCE):
        return parse_page(path, text, PAGE_KEYS)
    heading = re.match(r"\s*#[ \t]+(.+?)[ \t#]*(?:\n|\Z)", text)
    if not heading:
        cure = f'Start it with {FENCE}, title = "…", summary = "…" and {FENCE} again, or # Title'
        raise BuildError(Problem(path, 1, f"this page has no title. {cure}"))
    end = heading.end()
    return ParsedPage(path, {"title": heading[1]}, text[end:], text.count("\n", 0, end))


def parse_page(path: Path, text: str, keys: Mapping[str, type]) -> ParsedPage:
    """Parses a file with front matter. `keys` maps the allowed keys to their types. Raises
    BuildError."""
    lines = text.split("\n")
    if lines[0] != FENCE or FENCE not in lines[1:]:
        cure = f"Start the file with {FENCE}, title = …, summary = …, and {FENCE} again."
        raise BuildError(Problem(path, 1, f"no front matter. {cure}"))
    end = lines.index(FENCE, 1)
    try:
        front_matter = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        found = re.search(r"line (\d+)", str(error))
        line = int(found[1]) + 1 if found else 1
        message = f"the front matter is not valid TOML: {error}. Put strings in quotes."
        raise BuildError(Problem(path, line, message)) from error
    _check_keys(path, lines, front_matter, keys)
    return ParsedPage(path, front_matter, "\n".join(lines[end + 1 :]), end + 1)


def _check_keys(
    path: Path, lines: list[str], front_matter: dict[str, Any], keys: Mapping[str, type]
) -> None:
    for key, value in front_matter.items():
        if key in keys and isinstance(value, keys[key]):
            continue
        if key in keys:
            message = (
                f"{key!r} in the front matter must be {_TYPE_NAMES[keys[key]]}, not {value!r}."
            )
        else:
            close = get_close_matches(key, keys, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Use one of: {', '.join(keys)}."
            message = f"unknown key {key!r} in the front matter. {hint}"
        raise BuildError(Problem(path, _line_of_key(lines, key), message))
    if not front_matter.get("title"):
        message = 'the front matter needs a title. Add a line: title = "…"'
        raise BuildError(Problem(path, 1, message))


def _line_of_key(lines: list[str], key: str) -> int:
    pattern = re.compile(rf"\[*{re.escape(key)}\b")
    return next((number for number, text in enumerate(lines, 1) if pattern.match(text)), 1)
