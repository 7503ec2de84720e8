"""The snippet as a page has it: which form, what it says, and what others have made of it."""

import re
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from .page import Page, Script

_LOADER = re.compile(r"\[ThamesThrive\] options\.tracker needs")
_TRACKER = re.compile(r"/tracker(\.[0-9a-f]{8,})?\.min\.js$")
_LOADED = re.compile(r"replace\(/\\/\*\$/,\s*\"(/[^\"]+)\"\)")
"""What the loader adds to `url.script`: another name under an alias."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_OPTIONS = re.compile(
    r"(?<![\w$.])(?:(const|let|var)\s+|window\.|globalThis\.)?options\s*=(?![=>])"
)
_KEY = r"[\"']?\b{name}\b[\"']?\s*:\s*"
_STRING = r"([\"'`])((?:\\.|(?!\1).)*)\1"
_SOURCE = re.compile(_KEY.format(name="source") + r"\{[^{}]*?" + _KEY.format(name="id") + _STRING)
_SCRIPT_URL = re.compile(_KEY.format(name="script") + _STRING)
_API_URL = re.compile(_KEY.format(name="api") + _STRING)
# Variables, calls, templates with values in them.
_DYNAMIC_SOURCE = re.compile(
    _KEY.format(name="source") + r"(?!\{)\w|" + _KEY.format(name="id") + r"(\w|`[^`]*\$\{)"
)
_DYNAMIC_URL = re.compile(_KEY.format(name="(?:url|script)") + r"(?!\{)(\w|`[^`]*\$\{)")
# Where optimisers and consent managers keep an address until they load it.
_HELD_ADDRESSES = (
    "data-rocket-src",
    "data-src",
    "data-lazy-src",
    "data-litespeed-src",
    "data-pmdelayedscript",
)
_JAVASCRIPT = (
    "", "text/javascript", "application/javascript", "module", "text/ecmascript",
    "application/ecmascript", "application/x-javascript", "text/javascript1.5", "text/jscript",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    """`options` of the classic form. `script`: the element that it is in; a value is None where it is
    no plain text, which is `dynamic` if there is one."""

    script: Script
    declared: str
    source: str | None
    script_url: str | None
    api: str | None
    has_dynamic_source: bool = False
    has_dynamic_address: bool = False


@dataclass(frozen=True)
class Installation:
    """One snippet. `script_url`: the whole address of the bundle; `api`: where requests go; None where
    that is not known."""

    script: Script
    is_one_line: bool
    source: str | None
    script_url: str | None
    api: str | None
    options: Options | None = None

    @property
    def given_api(self) -> str | None:
        """Where requests go, if the snippet says it; else the tracker works it out."""
        is_given = self.attributes.get("data-api") or (self.options and self.options.api)
        return self.api if is_given else None

    @property
    def attributes(self) -> dict[str, str]:
        """Those of the script element."""
        return self.script.attributes

    @property
    def has_its_address(self) -> bool:
        """Whether the one-line form has its address where browsers look; true of the classic form."""
        return not self.is_one_line or bool(self.attributes.get("src"))

    @property
    def runs_as_script(self) -> bool:
        """Whether a browser runs it: it has a type that is JavaScript's, and is in the page."""
        return self.script.place == "page" and self.script.kind in _JAVASCRIPT


def find_installations(page: Page) -> list[Installation]:
    """All snippets of a page, in their order, also those that do not run."""
    found = []
    for script in page.scripts:
        if _LOADER.search(script.text):
            found.append(_classic(page, script))
        elif one_line := _one_line(page, script):
            found.append(one_line)
    return found


def find_options(page: Page, loader: Script) -> Options | None:
    """The `options` that a loader sees: in its own script, else in another one of the page."""
    own = _options_in(loader, loader.text[_loader_end(loader) :])
    if own:
        return own
    others = (one for one in page.scripts if one is not loader and one.place == loader.place)
    return next((found for one in others if (found := _options_in(one, one.text))), None)


def _loader_end(script: Script) -> int:
    found = _LOADER.search(script.text)
    return found.end() if found else 0


def _options_in(script: Script, text: str) -> Options | None:
    found = _OPTIONS.search(text)
    if not found or "tracker" not in text[found.end() :]:
        return None
    rest = text[found.end() :]
    return Options(
        script,
        found[1] or "",
        _string(_SOURCE, rest),
        _string(_SCRIPT_URL, rest),
        _string(_API_URL, rest),
        bool(_DYNAMIC_SOURCE.search(rest)),
        bool(_DYNAMIC_URL.search(rest)),
    )


def is_id(text: str) -> bool:
    """Whether it has the form of a source's id."""
    return bool(_UUID.fullmatch(text))


def _string(pattern: re.Pattern[str], text: str) -> str | None:
    found = pattern.search(text)
    if not found or (found[1] == "`" and "${" in found[2]):
        return None
    return found[2].replace("\\u003c", "<").replace("\\/", "/")


def _classic(page: Page, script: Script) -> Installation:
    options = find_options(page, script)
    url = options.script_url if options else None
    name = found[1] if (found := _LOADED.search(script.text)) else "/tracker.min.js"
    return Installation(
        script,
        False,
        options.source if options else None,
        _absolute(page, url and url.rstrip("/") + name),
        _absolute(page, options.api or (url and api_of(url)) if options else None),
        options,
    )


def _one_line(page: Page, script: Script) -> Installation | None:
    attributes = script.attributes
    held = (attributes[name] for name in _HELD_ADDRESSES if attributes.get(name))
    address = attributes.get("src") or next(held, "")
    source = attributes.get("data-source")
    is_named = bool(_TRACKER.search(urlsplit(address).path))
    if not address or not (is_named or (source is not None and _UUID.fullmatch(source.strip()))):
        return None
    url = _absolute(page, address.strip())
    return Installation(
        script,
        True,
        source,
        url,
        _absolute(page, attributes.get("data-api") or (url and api_of(url))),
    )


def api_of(url: str) -> str:
    """Where requests go if nothing says it, as the tracker works it out."""
    return re.sub(r"(/tracker)?(/[^/]+js)?/*$", "", url)


def _absolute(page: Page, address: str | None) -> str | None:
    return urljoin(page.base_url, address).rstrip("/") if address else None
