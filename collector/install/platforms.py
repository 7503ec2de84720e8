"""How the snippet goes into each platform, from guides.toml. Its texts are Markdown."""

import re
import tomllib
from dataclasses import dataclass
from functools import cache

from .files import guides_file

_FENCE = re.compile(r"(?ms)^```(\w+)([^\n]*)\n(.*?)^```$")
_TITLE = re.compile(r'title="([^"]*)"')
_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")
_MARKS = re.compile(r"\*+([^*`]+)\*+")


@dataclass(frozen=True)
class Block:
    """Code to copy. `language`: as in html, bash, php; `title`: the file that it belongs to, or what
    it is; empty for none."""

    language: str
    code: str
    title: str = ""


@dataclass(frozen=True)
class Platform:
    """One entry of guides.toml. Texts are sentences in which code is between backticks; `blocks`: how
    to track from there, with the example's source and address."""

    slug: str
    name: str
    place: str
    is_one_line: bool
    steps: tuple[str, ...]
    track: str
    blocks: tuple[Block, ...]
    notes: tuple[str, ...]


@cache
def platforms() -> dict[str, Platform]:
    """The platforms by their slugs."""
    entries = tomllib.loads(guides_file().read_text(encoding="utf-8"))["platform"]
    return {entry["slug"]: _platform(entry) for entry in entries}


def _platform(entry: dict[str, object]) -> Platform:
    texts = {name: str(entry[name]) for name in ("slug", "name", "place", "form", "track", "code")}
    lists = {name: entry[name] for name in ("steps", "notes")}
    steps, notes = (
        tuple(_plain(text) for text in found) if isinstance(found, list) else ()
        for found in lists.values()
    )
    blocks = tuple(
        Block(language, code.rstrip("\n"), title[1] if (title := _TITLE.search(options)) else "")
        for language, options, code in _FENCE.findall(texts["code"])
    )
    return Platform(
        texts["slug"],
        texts["name"],
        _plain(texts["place"]),
        "one-line" in texts["form"],
        steps,
        _plain(texts["track"]),
        blocks,
        notes,
    )


def _plain(markdown: str) -> str:
    """Without links and emphasis; code stays between backticks."""
    parts = _LINK.sub(r"\1", markdown).split("`")
    return "`".join(
        part if number % 2 else _MARKS.sub(r"\1", part) for number, part in enumerate(parts)
    )
