"""The setting `alias`: names of the owner's own for all that a page shows of the tracker.

`/a/{app.js,hello}` reads as a shell would: the script is `/a/app.js`, its requests go to
`/a/hello`. What it keeps in the browser begins with `a-`, or with a third name in the braces.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from .errors import SettingsError

LISTED = ("analytics", "collect", "event", "thamesthrive", "track")
"""Words that blockers look for in addresses."""

DEFAULT_STORAGE = "thamesthrive"
"""What cookies and storage keys begin with, without an alias."""

RESERVED = (
    "api",
    "collect",
    "console",
    "docs",
    "health",
    "metrics",
    "qa",
    "ready",
    "redirect",
    "track",
    "tracker",
)
"""What the first part of a path may not be, because the collector has routes there."""

MAX_LENGTH = 200
_FORM = re.compile(r"(?P<prefix>/[^{}\s]*)/\{(?P<names>[^{}]*)\}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]*")
_STORAGE = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
_EXAMPLE = "Write it like '/a/{app.js,hello}': a path, the script's name, the endpoint's name"


@dataclass(frozen=True)
class Alias:
    """One set of names. `prefix`: the path, as in `/a`; `storage`: what keys begin with."""

    prefix: str
    script: str
    endpoint: str
    storage: str

    @property
    def stem(self) -> str:
        """The script's name without `.js`."""
        return self.script.removesuffix(".js")

    @property
    def endpoint_path(self) -> str:
        """Where requests go."""
        return f"{self.prefix}/{self.endpoint}"

    @property
    def script_path(self) -> str:
        """Where the script is."""
        return f"{self.prefix}/{self.script}"

    def name_of(self, default: str) -> str:
        """What a file of the bundle is called, as in `page.app.js` for `page.min.js`."""
        name, end = default.removesuffix(".map"), ".map" if default.endswith(".map") else ""
        if name == "tracker.min.js":
            return self.script + end
        if name == "tracker.mjs":
            return f"{self.stem}.mjs{end}"
        return f"{name.removesuffix('.min.js')}.{self.stem}.js{end}"

    def listed_words(self) -> list[str]:
        """The words among these names that blockers look for."""
        names = " ".join((self.prefix, self.script, self.endpoint, self.storage)).lower()
        return [word for word in LISTED if word in names]


def parse_aliases(text: str) -> tuple[Alias, ...]:
    """The names in the setting: the first ones are for snippets, all of them are served.

    Raises SettingsError, which says what is wrong and how to write it.
    """
    if len(text) > MAX_LENGTH:
        raise SettingsError(f"has more than {MAX_LENGTH} characters")
    aliases = tuple(_parse(part) for part in re.split(r"(?<=\})\s+", text.strip()) if part)
    prefixes = [alias.prefix.lower() for alias in aliases]
    for prefix in prefixes:
        if prefixes.count(prefix) > 1:
            raise SettingsError(f"has the path {prefix} twice. Use another path for the new names")
    return aliases


def formers(aliases: Iterable[Alias]) -> list[list[str]]:
    """For each alias, what keys began with before: those of the aliases behind it, and the
    default."""
    storages = [alias.storage for alias in aliases]
    return [[*storages[number + 1 :], DEFAULT_STORAGE] for number in range(len(storages))]


def _parse(text: str) -> Alias:
    form = _FORM.fullmatch(text)
    names = [name.strip() for name in form["names"].split(",")] if form else []
    if not form or len(names) not in (2, 3):
        hint = ". Put it in quotes: shells expand braces" if "{" not in text else ""
        raise SettingsError(f"{text!r} has another form. {_EXAMPLE}{hint}")
    prefix = form["prefix"]
    first, *more = prefix[1:].split("/")
    for name in (first, *more, *names[:2]):
        if not _NAME.fullmatch(name):
            raise SettingsError(
                f"{name!r} in {text!r} cannot be a part of an address."
                " Use letters, digits, '-', '_', '.' and '~', a letter or digit first"
            )
    if first.lower() in RESERVED:
        raise SettingsError(f"/{first} belongs to the collector. Use another path, such as /a")
    storage = names[2] if len(names) > 2 else re.sub(r"[^A-Za-z0-9_-]", "-", prefix[1:])
    if not _STORAGE.fullmatch(storage):
        raise SettingsError(
            f"{storage!r} cannot begin the names of cookies and keys. Add a third name to the"
            " braces, of letters, digits, '-' and '_', a letter first: '/a/{app.js,hello,mine}'"
        )
    alias = Alias(prefix, names[0], names[1], storage)
    _check_files(alias)
    return alias


def _check_files(alias: Alias) -> None:
    """Raises SettingsError if the endpoint could be a file of the tracker."""
    if not alias.stem or alias.script.endswith((".map", ".mjs")):
        raise SettingsError(f"the script cannot be called {alias.script}. Use a name like app.js")
    if alias.endpoint == alias.script or alias.endpoint.endswith((".js", ".mjs", ".map")):
        raise SettingsError(
            f"the endpoint cannot be called {alias.endpoint}, as files of the tracker are."
            " Use a name like hello"
        )
