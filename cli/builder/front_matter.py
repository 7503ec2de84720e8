"""Site sources: files with TOML front matter between `+++` lines. Docs are Markdown, test pages are
HTML."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ..errors import BuildError

FENCE = "+++"
_DOC_KEYS = {"title": str, "summary": str, "order": int, "template": str, "aliases": list}
_PAGE_KEYS = {
    "title": str,
    "summary": str,
    "order": int,
    "source": str,
    "form": str,
    "expect": dict,
}
_WORDS = {str: "a text", int: "a whole number", list: "a list", dict: "a table"}


@dataclass(frozen=True)
class Document:
    """A file's front matter and body. `offset`: lines before the body, so that an error can name
    the file's own line."""

    path: Path
    meta: dict[str, Any]
    body: str
    offset: int

    @property
    def slug(self) -> str:
        return self.path.stem

    @property
    def title(self) -> str:
        return str(self.meta["title"])

    @property
    def summary(self) -> str:
        return str(self.meta.get("summary", ""))

    @property
    def order(self) -> int:
        return int(self.meta.get("order", 1000))


@dataclass(frozen=True)
class ExpectedEvent:
    """An event that must be stored when a test page was opened. `context`: what must be in its
    context, among other things."""

    type: str
    properties: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A test page: what it does is its body, what must be stored is declared. The same file is a
    page to open by hand, a browser test, and an example in the docs.

    `source`: `demo`, or `unknown` for an id that no collector knows. `form`: which snippet it
    carries. `requests`: how many carry events. `console`: a text that the browser's console must
    show, None for silence. `session_has`, `session_lacks`, `context_lacks`: keys of the session's
    context and of each event's. `errors`: what the page itself throws.
    """

    document: Document
    source: str
    form: str
    requests: int
    console: str | None
    events: tuple[ExpectedEvent, ...]
    session_has: tuple[str, ...]
    session_lacks: tuple[str, ...]
    context_lacks: tuple[str, ...]
    errors: tuple[str, ...]


def parse_doc(path: Path, text: str) -> Document:
    """A Markdown document. Without front matter its title is the `# Heading` that it begins with.
    Raises BuildError."""
    if not text.startswith(FENCE):
        heading = re.match(r"\s*#[ \t]+(.+?)[ \t#]*(?:\n|\Z)", text)
        if not heading:
            raise BuildError(
                f'{path}:1: this page has no title. Begin it with {FENCE}, title = "…", summary = "…" and {FENCE} again, '
                "or with a heading: # Title"
            )
        return Document(
            path, {"title": heading[1]}, text[heading.end() :], text.count("\n", 0, heading.end())
        )
    return _parse(path, text, _DOC_KEYS)


def _parse(path: Path, text: str, keys: Mapping[str, type]) -> Document:
    lines = text.split("\n")
    if lines[0] != FENCE or FENCE not in lines[1:]:
        raise BuildError(
            f"{path}:1: no front matter. Begin the file with {FENCE}, title = …, summary = …, and {FENCE} again."
        )
    end = lines.index(FENCE, 1)
    try:
        meta = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        raise BuildError(
            f"{path}:{int(place[1]) + 1 if place else 1}: the front matter is not TOML: {error}. Texts stand in quotes."
        ) from error
    _check_meta(path, lines, meta, keys)
    return Document(path, meta, "\n".join(lines[end + 1 :]), end + 1)


def _check_meta(
    path: Path, lines: list[str], meta: dict[str, Any], keys: Mapping[str, type]
) -> None:
    for key, value in meta.items():
        line = next(
            (n for n, text in enumerate(lines, 1) if re.match(rf"\[*{re.escape(key)}\b", text)), 1
        )
        if key not in keys:
            close = get_close_matches(key, keys, 1)
            hint = f" Did you mean {close[0]!r}?" if close else f" There are: {', '.join(keys)}."
            raise BuildError(f"{path}:{line}: the front matter has no {key!r}.{hint}")
        if not isinstance(value, keys[key]):
            raise BuildError(
                f"{path}:{line}: {key!r} in the front matter is {_WORDS[keys[key]]}, not {value!r}."
            )
    if not meta.get("title"):
        raise BuildError(f'{path}:1: the front matter needs a title. Add a line: title = "…"')


def load_pages(folder: Path) -> list[Page]:
    """All test pages of a folder, by their `order`, then by name. Raises BuildError with file and
    line."""
    documents = [
        _parse(path, path.read_text(encoding="utf-8"), _PAGE_KEYS)
        for path in sorted(folder.glob("*.html"))
    ]
    return [
        _page(document)
        for document in sorted(documents, key=lambda document: (document.order, document.slug))
    ]


def _page(document: Document) -> Page:
    meta, expect = document.meta, document.meta.get("expect")
    if not document.summary:
        raise BuildError(
            f'{document.path}:1: the front matter of a test page needs a summary. Add a line: summary = "…"'
        )
    if not isinstance(expect, dict) or not isinstance(expect.get("requests"), int):
        raise BuildError(
            f"{document.path}:1: say what must happen: [expect] with requests = N, and an [[expect.events]] for each row."
        )
    source, form = meta.get("source", "demo"), meta.get("form", "classic")
    if source not in ("demo", "unknown") or form not in ("classic", "one-line"):
        raise BuildError(
            f"{document.path}:1: source is demo or unknown, form is classic or one-line."
        )
    try:
        events = tuple(ExpectedEvent(**event) for event in expect.get("events", []))
    except TypeError as error:
        raise BuildError(
            f"{document.path}:1: an [[expect.events]] has a type, properties, context: {error}"
        ) from error
    lists = (
        tuple(expect.get(name, ()))
        for name in ("session_has", "session_lacks", "context_lacks", "errors")
    )
    return Page(document, source, form, expect["requests"], expect.get("console"), events, *lists)
