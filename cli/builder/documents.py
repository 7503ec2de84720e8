"""Site sources: files with TOML front matter between `+++` lines. Docs are Markdown, test pages are HTML."""

import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BuildError

FENCE = "+++"


@dataclass(frozen=True)
class Document:
    """A file's front matter and body. `offset`: lines before the body, so that an error can name the file's own line."""

    path: Path
    slug: str
    meta: dict[str, Any]
    body: str
    offset: int

    @property
    def title(self) -> str:
        return str(self.meta["title"])

    @property
    def summary(self) -> str:
        return str(self.meta["summary"])


@dataclass(frozen=True)
class ExpectedEvent:
    """An event that must be stored when a test page was opened. `context`: what must be in its context, among other things."""

    type: str
    properties: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Page:
    """A test page: what it does is its body, what must be stored is declared. The same file is a page to open by hand, a
    browser test, and an example in the docs.

    `source`: `demo`, or `unknown` for an id that no collector knows. `form`: which snippet it carries. `requests`: how many
    carry events. `console`: a text that the browser's console must show, None for silence. `session_has`, `session_lacks`,
    `context_lacks`: keys of the session's context and of each event's. `errors`: what the page itself throws.
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


def load_documents(folder: Path, suffix: str) -> list[Document]:
    """All documents of a folder, by their `order`, then by name. Raises BuildError with file and line."""
    documents = [load_document(path) for path in sorted(folder.glob(f"*{suffix}"))]
    return sorted(documents, key=lambda document: (document.meta.get("order", 1000), document.slug))


def load_document(path: Path) -> Document:
    """One document. Raises BuildError if the front matter is missing, is no TOML, or lacks title or summary."""
    text = path.read_text(encoding="utf-8")
    lines = text.split("\n")
    if lines[0] != FENCE or FENCE not in lines[1:]:
        raise BuildError(f"{path}:1: no front matter. Begin the file with {FENCE}, title = …, summary = …, and {FENCE} again.")
    end = lines.index(FENCE, 1)
    try:
        meta = tomllib.loads("\n".join(lines[1:end]))
    except tomllib.TOMLDecodeError as error:
        raise BuildError(f"{path}:1: the front matter is not TOML: {error}") from error
    for key in ("title", "summary"):
        if not isinstance(meta.get(key), str):
            raise BuildError(f"{path}:1: the front matter needs a {key}.")
    return Document(path, path.stem, meta, "\n".join(lines[end + 1 :]), end + 1)


def load_pages(folder: Path) -> list[Page]:
    """All test pages of a folder. Raises BuildError with file and line."""
    return [_page(document) for document in load_documents(folder, ".html")]


def _page(document: Document) -> Page:
    meta, expect = document.meta, document.meta.get("expect")
    if not isinstance(expect, dict) or not isinstance(expect.get("requests"), int):
        raise BuildError(
            f"{document.path}:1: say what must happen: [expect] with requests = N, and an [[expect.events]] for each row."
        )
    source, form = meta.get("source", "demo"), meta.get("form", "classic")
    if source not in ("demo", "unknown") or form not in ("classic", "one-line"):
        raise BuildError(f"{document.path}:1: source is demo or unknown, form is classic or one-line.")
    try:
        events = tuple(ExpectedEvent(**event) for event in expect.get("events", []))
    except TypeError as error:
        raise BuildError(f"{document.path}:1: an [[expect.events]] has a type, properties, context: {error}") from error
    lists = (tuple(expect.get(name, ())) for name in ("session_has", "session_lacks", "context_lacks", "errors"))
    return Page(document, source, form, expect["requests"], expect.get("console"), events, *lists)
