"""Highlights code with Pygments, in colours for light and dark backgrounds."""

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

from .code_fence import CodeError, FenceInfo

_FORMATTER: "HtmlFormatter[str]" = HtmlFormatter(nowrap=True)


@lru_cache
def find_lexer(language: str) -> Lexer:
    """Returns the lexer of a language. Raises CodeError for one that Pygments does not know."""
    try:
        return get_lexer_by_name(language or "text")
    except ClassNotFound as error:
        message = f"unknown language {language!r}. Remove it, or write `text`."
        raise CodeError(message) from error


def render_code(info: FenceInfo, code: str) -> str:
    """Renders a code block as highlighted HTML, with its title."""
    from pygments import highlight

    lexer = find_lexer(info.language)
    title = info.options.get("title", "")
    caption = f"<figcaption>{escape(title)}</figcaption>" if title else ""
    # A region that scrolls must be reachable by keyboard, and have a name.
    label = escape(title or lexer.name)
    return (
        f'<figure class="example">{caption}'
        f'<pre class="code" tabindex="0" role="group" aria-label="{label}">'
        f'<code data-language="{escape(info.language or "text")}">'
        f"{highlight(code, lexer, _FORMATTER)}</code></pre></figure>\n"
    )


class Light(Style):
    """Colours on a light background, each with a contrast of at least 4.5 to it."""

    styles = {  # noqa: RUF012 - Pygments reads a plain dict
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
    """The same for a dark background."""

    styles = {  # noqa: RUF012 - Pygments reads a plain dict
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
    """Returns the style sheet for highlighted code. `light-dark()` follows the reader's choice on
    the page as well as the system's."""
    rules = []
    lights, darks = dict(iter(Light)), dict(iter(Dark))
    for token, name in STANDARD_TYPES.items():
        light, dark = lights.get(token), darks.get(token)
        if name and light and dark and light["color"] and dark["color"]:
            color = f"color: light-dark(#{light['color']}, #{dark['color']});"
            italic = " font-style: italic;" if light["italic"] else ""
            rules.append(f".code .{name} {{ {color}{italic} }}")
    return "\n".join(rules) + "\n"
