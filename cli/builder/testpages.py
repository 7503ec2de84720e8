"""Test pages: HTML files that declare which events must be stored when they are opened."""

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from ..errors import BuildError, Problem
from .front_matter import ParsedPage, parse_page

TEST_PAGE_KEYS = {
    "title": str,
    "summary": str,
    "order": int,
    "source": str,
    "form": str,
    "expect": dict,
}


@dataclass(frozen=True)
class ExpectedEvent:
    """An event that must be stored when a test page is opened. `context` is the part of its context
    that is compared."""

    type: str
    properties: dict[str, Any] = field(default_factory=dict)
    context: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class TestPage:
    """A test page: a page to open by hand, a browser test, and an example in the docs.

    `source` is `demo`, or `unknown` for an id that no collector knows. `form` is the form of the
    snippet. `requests` is the number of requests that carry events. `console` is a text that the
    browser's console must show; None if it must stay silent. `session_has`, `session_lacks` and
    `context_lacks` are keys of the session's context and of each event's. `errors` are the
    exceptions that the page itself throws.
    """

    __test__: ClassVar[bool] = False  # pytest would collect it for its name

    parsed: ParsedPage
    source: str
    form: str
    requests: int
    console: str | None
    events: tuple[ExpectedEvent, ...]
    session_has: tuple[str, ...]
    session_lacks: tuple[str, ...]
    context_lacks: tuple[str, ...]
    errors: tuple[str, ...]

    @property
    def slug(self) -> str:
        return self.parsed.slug

    @property
    def title(self) -> str:
        return self.parsed.title

    @property
    def summary(self) -> str:
        return self.parsed.summary

    @property
    def url(self) -> str:
        return f"pages/{self.slug}.html"

    @property
    def expected(self) -> dict[str, Any]:
        """What the page's own script compares with what was stored."""
        return {
            "requests": self.requests,
            "console": self.console,
            "events": [asdict(event) for event in self.events],
        }


def load_test_pages(folder: Path) -> list[TestPage]:
    """Loads all test pages of a folder, sorted by `order`, then by name. Raises BuildError with
    file and line."""
    pages = [
        parse_page(path, path.read_text(encoding="utf-8"), TEST_PAGE_KEYS)
        for path in sorted(folder.glob("*.html"))
    ]
    return [_test_page(page) for page in sorted(pages, key=lambda page: (page.order, page.slug))]


def _test_page(parsed: ParsedPage) -> TestPage:
    expect = parsed.front_matter.get("expect")
    if not parsed.summary:
        raise _error(parsed, 'a test page needs a summary. Add a line: summary = "…"')
    if not isinstance(expect, dict) or not isinstance(expect.get("requests"), int):
        cure = "Add [expect] with requests = N, and an [[expect.events]] for each stored event."
        raise _error(parsed, f"the front matter does not say what to expect. {cure}")
    source = parsed.front_matter.get("source", "demo")
    form = parsed.front_matter.get("form", "classic")
    if source not in ("demo", "unknown") or form not in ("classic", "one-line"):
        raise _error(parsed, "source must be demo or unknown, and form classic or one-line.")
    try:
        events = tuple(ExpectedEvent(**event) for event in expect.get("events", []))
    except TypeError as error:
        message = f"an [[expect.events]] may have a type, properties and context: {error}"
        raise _error(parsed, message) from error
    return TestPage(
        parsed=parsed,
        source=source,
        form=form,
        requests=expect["requests"],
        console=expect.get("console"),
        events=events,
        session_has=tuple(expect.get("session_has", ())),
        session_lacks=tuple(expect.get("session_lacks", ())),
        context_lacks=tuple(expect.get("context_lacks", ())),
        errors=tuple(expect.get("errors", ())),
    )


def _error(parsed: ParsedPage, message: str) -> BuildError:
    return BuildError(Problem(parsed.path, 1, message))
