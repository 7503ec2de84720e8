"""What follows the opening of a fenced code block: a language and options."""

import re
from dataclasses import dataclass
from difflib import get_close_matches

OPTIONS = {
    "title": "a title above the code",
    "stores": "the types of the events that running it stores, separated by commas",
    "opens": "a page that the tests open in a browser afterwards",
    "clicks": "a selector of what the tests click, as a visitor does, once the page is ready",
    "norun": "why the tests do not run it",
    "background": "the tests leave it running for the examples after it",
}
_OPTION = re.compile(r"""([\w-]+)(?:=("[^"]*"|[^\s"]+))?\s*""")


class CodeError(Exception):
    """A mistake in a code block. `line` counts from 1 within the code; 0 is the line that opens
    it."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class FenceInfo:
    """The language and options of a fenced code block."""

    language: str
    options: dict[str, str]


def parse_info(text: str) -> FenceInfo:
    """Parses e.g. `js stores=page-view title="A page"`. Raises CodeError for an unknown option."""
    language, _, rest = text.strip().partition(" ")
    options: dict[str, str] = {}
    position = 0
    while position < len(rest):
        found = _OPTION.match(rest, position)
        if not found:
            example = f'{language} title="A title"'
            raise CodeError(f"{rest[position:]!r} is not an option. Write options as in: {example}")
        name, value = found[1], (found[2] or "").strip('"')
        if name not in OPTIONS:
            close = get_close_matches(name, OPTIONS, 1)
            hint = f"Did you mean {close[0]!r}?" if close else f"Use one of: {', '.join(OPTIONS)}."
            raise CodeError(f"unknown code option {name!r}. {hint}")
        options[name] = value
        position = found.end()
    return FenceInfo(language, options)
