"""Fenced code: its options, whether it parses, its colours."""

import json
import re
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from html import escape

from pygments.formatters import HtmlFormatter
from pygments.lexer import Lexer
from pygments.lexers import get_lexer_by_name
from pygments.style import Style
from pygments.token import (
    STANDARD_TYPES,
    Comment,
    Error,
    Generic,
    Keyword,
    Name,
    Number,
    Operator,
    String,
    Token,
)
from pygments.util import ClassNotFound

OPTIONS = {
    "title": "a name above the code",
    "stores": "the types of events that running it stores, with commas between",
    "opens": "a page that the tests open in a browser after it",
    "norun": "why the tests do not run it",
    "background": "the tests leave it running for the examples after it",
}
TOGETHER = 200  # scripts that are parsed in one call
_OPTION = re.compile(r"""([\w-]+)(?:=("[^"]*"|[^\s"]+))?\s*""")


class CodeError(Exception):
    """What is wrong with a piece of code. `line` counts from 1 within it, 0 is the line that opens
    it."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True)
class Info:
    """What stands behind the opening of a fence: a language and options."""

    language: str
    options: dict[str, str]


def parse_info(text: str) -> Info:
    """E.g. `js stores=page-view title="A page"`. Raises CodeError for an option that there is
    not."""
    language, _, rest = text.strip().partition(" ")
    options: dict[str, str] = {}
    position = 0
    while position < len(rest):
        found = _OPTION.match(rest, position)
        if not found:
            raise CodeError(
                f'{rest[position:]!r} is no option. Write them as in: {language} title="A name"'
            )
        name, value = found[1], (found[2] or "").strip('"')
        if name not in OPTIONS:
            close = get_close_matches(name, OPTIONS, 1)
            raise CodeError(
                f"code has no option {name!r}. "
                + (f"Did you mean {close[0]!r}?" if close else f"There are: {', '.join(OPTIONS)}.")
            )
        options[name] = value
        position = found.end()
    return Info(language, options)


@dataclass(frozen=True)
class Script:
    """JavaScript or HTML to be parsed. `line`: where it begins in its file."""

    language: str
    code: str
    line: int


def check_code(language: str, code: str) -> bool:
    """Raises CodeError if code of a language that can be parsed here does not parse. False if it
    has scripts that `check_scripts` must see: a call of esbuild costs more than all the rest of a
    page, so it sees many at once."""
    check = _CHECKS.get(language)
    if check:
        check(code)
    return language not in ("js", "javascript", "html") or (
        language == "html" and "<script" not in code
    )


def check_scripts(scripts: list[Script]) -> Iterator[tuple[Script, CodeError]]:
    """What does not parse, and why."""
    from .javascript import JavaScriptError, check_html, check_javascript, parses_together

    plain = [script for script in scripts if script.language != "html"]
    for begin in range(0, len(plain), TOGETHER):
        some = plain[begin : begin + TOGETHER]
        if not parses_together([script.code for script in some]):
            for script in some:
                try:
                    check_javascript(script.code)
                except JavaScriptError as error:
                    yield script, CodeError(str(error), error.line)
    for script in scripts:
        if script.language == "html":
            try:
                check_html(script.code)
            except JavaScriptError as error:
                yield script, CodeError(str(error), error.line)


def _json(code: str) -> None:
    try:
        json.loads(code)
    except json.JSONDecodeError as error:
        raise CodeError(error.msg, error.lineno) from error


def _toml(code: str) -> None:
    try:
        tomllib.loads(code)
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        raise CodeError(str(error), int(place[1]) if place else 1) from error


def _python(code: str) -> None:
    try:
        compile(code, "example", "exec")
    except SyntaxError as error:
        raise CodeError(error.msg, error.lineno or 1) from error


_CHECKS: dict[str, Callable[[str], None]] = {
    "json": _json,
    "toml": _toml,
    "python": _python,
}


@lru_cache
def lexer_of(language: str) -> Lexer:
    """Raises CodeError for a language that nobody can highlight."""
    try:
        return get_lexer_by_name(language or "text")
    except ClassNotFound as error:
        raise CodeError(
            f"nobody can highlight {language!r}. Leave it out, or say `text`."
        ) from error


_FORMATTER: "HtmlFormatter[str]" = HtmlFormatter(nowrap=True)


def render_code(info: Info, code: str) -> str:
    """Highlighted code with a name and a copy button."""
    from pygments import highlight

    lexer = lexer_of(info.language)
    colored = highlight(code, lexer, _FORMATTER)
    title = info.options.get("title", "")
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    # A region that scrolls must be reachable by keyboard, and have a name.
    return (
        f'<figure class="example">{caption}<pre class="code" tabindex="0" role="group" aria-label="{escape(title or lexer.name)}">'
        f'<code data-language="{escape(info.language or "text")}">{colored}</code></pre></figure>\n'
    )


def render_chart(info: Info, code: str) -> str:
    """Lines of `name | value | what is said of it` as bars, the longest of them as wide as there is
    room. Raises CodeError."""
    rows: list[tuple[str, float, str]] = []
    for number, line in enumerate(code.strip().splitlines(), 1):
        name, *rest = (part.strip() for part in line.split("|"))
        try:
            rows.append((name, float(rest[0]), rest[1] if len(rest) > 1 else rest[0]))
        except (IndexError, ValueError) as error:
            raise CodeError(f"{line!r} is no bar. Write: name | number | text", number) from error
    if not rows:
        raise CodeError("a chart needs bars. Write a line for each: name | number | text")
    longest = max(value for _, value, _ in rows) or 1.0
    bars = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td><span class="bar" style="inline-size:{value / longest * 100:.1f}%"></span>'
        f"<span>{escape(text)}</span></td></tr>"
        for name, value, text in rows
    )
    caption = escape(info.options.get("title", "Chart"))
    return f'<table class="chart"><caption>{caption}</caption><tbody>{bars}</tbody></table>\n'


class Light(Style):
    """Colours on a light ground, each with a contrast of at least 4.5 to it."""

    styles = {  # noqa: RUF012 - Pygments' way
        Token: "",
        Comment: "italic #5b6a70",
        Keyword: "#8a2a8c",
        Operator: "#4a565b",
        Name.Tag: "#0b5c66",
        Name.Attribute: "#7a4a00",
        Name.Function: "#1f4fa3",
        Name.Class: "#1f4fa3",
        Name.Builtin: "#0b5c66",
        String: "#1a6b2f",
        Number: "#a3360b",
        Generic.Prompt: "#5b6a70",
        Generic.Output: "#4a565b",
        Error: "#a32121",
    }


class Dark(Style):
    """The same for a dark ground."""

    styles = {  # noqa: RUF012 - Pygments' way
        Token: "",
        Comment: "italic #93a3a9",
        Keyword: "#d9a0e6",
        Operator: "#b6c2c6",
        Name.Tag: "#6cc7d3",
        Name.Attribute: "#e0b573",
        Name.Function: "#8fb8f5",
        Name.Class: "#8fb8f5",
        Name.Builtin: "#6cc7d3",
        String: "#7fd494",
        Number: "#f0a07a",
        Generic.Prompt: "#93a3a9",
        Generic.Output: "#b6c2c6",
        Error: "#f39a9a",
    }


def code_css() -> str:
    """Colours of code. `light-dark()` follows the page's own choice as well as the system's."""
    rules = []
    lights, darks = dict(iter(Light)), dict(iter(Dark))
    for token, name in STANDARD_TYPES.items():
        light, dark = lights.get(token), darks.get(token)
        if name and light and dark and light["color"] and dark["color"]:
            slant = " font-style: italic;" if light["italic"] else ""
            rules.append(
                f".code .{name} {{ color: light-dark(#{light['color']}, #{dark['color']});{slant} }}"
            )
    return "\n".join(rules) + "\n"
