"""Templates of the console, and what they can call."""

import json
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from ..printable import printable
from ..settings import Settings

_PACKAGE = Path(__file__).parent.parent
NONE = "\u2013"  # a dash
FILES = ("console.js", "console.css", "icon.svg")
NAVIGATION = (
    ("", "Inbound traffic"),
    ("/live", "Live"),
    ("/overview", "Overview"),
    ("/explore", "Explore"),
    ("/rejected", "Rejected"),
    ("/profiles", "Profiles"),
    ("/system", "System"),
)
# Of one source: the address, in which `{}` is its id, and the title.
SOURCE_PAGES = (
    ("/overview?source={}", "Overview"),
    ("/live?source={}", "Live"),
    ("/rejected?source={}", "Rejected"),
    ("/sources/{}/install", "Install"),
    ("/sources/{}/schemas", "Schemas"),
    ("/sources/{}/settings", "Settings"),
)


def templates_folder() -> Path:
    """Where the templates are: inside the installed package, or in the source tree."""
    inside = _PACKAGE / "_console"
    return inside if inside.is_dir() else _PACKAGE.parent / "templates" / "console"


def files_folder(settings: Settings) -> Path:
    """Where the built script and style are."""
    return settings.tracker_folder / "console"


@cache
def environment() -> Environment:
    """The templates. Everything that is shown is escaped."""
    found = Environment(
        loader=FileSystemLoader(templates_folder()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(
        number=number,
        counted=counted,
        percent=percent,
        moment=moment,
        ago=ago,
        shown=shown,
        urlpart=lambda text: quote(str(text), safe=""),
        query=lambda values: urlencode({k: v for k, v in values.items() if v not in (None, "")}),
        pretty=pretty,
        data=data,
        marked=marked,
    )
    found.globals.update(csrf=_csrf, nav=NAVIGATION, source_pages=SOURCE_PAGES)
    return found


@pass_context
def _csrf(context: Context) -> Markup:
    """The field that each form of a session has."""
    token = context["session"].csrf
    return Markup('<input type="hidden" name="csrf" value="{}">').format(token)


def marked(text: str) -> Markup:
    """A sentence of ours, in which what is between backticks is code."""
    parts = shown(text).split("`")
    return Markup().join(
        Markup("<code>{}</code>").format(part) if number % 2 else escape(part)
        for number, part in enumerate(parts)
    )


def render(template: str, values: dict[str, Any]) -> str:
    """A rendered template."""
    return environment().get_template(template).render(values)


def number(value: float | None) -> str:
    """A number for people: `12,345`, `3.14`, or a dash for none."""
    if value is None:
        return NONE
    if isinstance(value, int) or float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.2f}"


def percent(part: float | None) -> str:
    """A part of one as `12.3%`, or a dash for none."""
    return NONE if part is None else f"{part * 100:.1f}".removesuffix(".0") + "%"


def counted(count: int, noun: str) -> str:
    """A number of things: `1 event`, `12,345 events`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def moment(at: str | None) -> str:
    """A stored time for people: `2026-11-27 18:03:12`. It is UTC."""
    return "never" if not at else at[:19].replace("T", " ")


def ago(at: str | None) -> str:
    """How long ago a stored time is: `3 min ago`."""
    if not at:
        return "never"
    seconds = (datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds()
    for length, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= length:
            return f"{int(seconds // length)} {unit} ago"
    return f"{max(0, int(seconds))} s ago"


def shown(text: Any) -> str:
    """A sender's text so that nothing in it acts: control characters and those that turn the
    direction of writing are shown as escapes."""
    return "" if text is None else printable(str(text))


def pretty(value: Any) -> str:
    """JSON in lines."""
    return shown(json.dumps(value, ensure_ascii=False, indent=2))


def data(value: Any) -> Markup:
    """JSON for a `data-` attribute, in double quotes."""
    return Markup(  # noqa: S704 - escaped here
        json.dumps(value)
        .replace("&", "&amp;")
        .replace('"', "&quot;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
    )
