"""`site.toml`, the configuration of a site, and the options of a build."""

import re
import tomllib
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import msgspec
from msgspec import Struct

from ..errors import BuildError, Problem, Usage

FILE = "site.toml"
_URL = re.compile(r"https?://[^\s\"'<>]+")


class SiteConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """The contents of `site.toml`.

    `url` is the site's public address, for the sitemap and canonical links. `edit` is the address
    where a page can be edited, with `{path}` in it. `reference` maps a kind of name (`reasons`,
    `options`, …) to the page that must explain all of them.
    """

    title: str = "Documentation"
    description: str = ""
    url: str = ""
    edit: str = ""
    reference: dict[str, str] = {}

    @property
    def root(self) -> str:
        """The site's path on its server, with a slash at the end."""
        return re.sub(r"^[a-z]+://[^/]+", "", self.url).rstrip("/") + "/"


@dataclass(frozen=True)
class SiteOptions:
    """What a site is built from and for.

    `site_dir` is the folder of the site's files, `bundle` that of the built tracker. Snippets and
    examples have the event source `source_id` and the collector at `api`. Pages reload at messages
    from `live_url`, if it is not empty.
    """

    site_dir: Path
    bundle: Path
    source_id: str
    api: str
    live_url: str
    config: SiteConfig


def load_config(site_dir: Path, url: str | None = None) -> SiteConfig:
    """Loads `site.toml`; without the file, all values are defaults. `url` replaces the file's own.

    Raises BuildError with file, line and cure, and Usage if `url` is not an address.
    """
    config = _read_config(site_dir / FILE)
    if url is None:
        return config
    if not _URL.fullmatch(url):
        raise Usage(f"{url!r} is not an address. Write it as in https://docs.example.com")
    return msgspec.structs.replace(config, url=url)


def _read_config(path: Path) -> SiteConfig:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return SiteConfig()
    try:
        return msgspec.convert(tomllib.loads(text), SiteConfig)
    except tomllib.TOMLDecodeError as error:
        raise BuildError(toml_problem(path, error)) from error
    except msgspec.ValidationError as error:
        raise BuildError(_invalid_key(path, text, str(error))) from error


def toml_problem(path: Path, error: tomllib.TOMLDecodeError) -> Problem:
    """Returns the problem of a file that is not valid TOML, with its line."""
    found = re.search(r"line (\d+)", str(error))
    line = int(found[1]) if found else 1
    return Problem(path, line, f"this is not valid TOML: {error}. Put strings in quotes.")


def _invalid_key(path: Path, text: str, error: str) -> Problem:
    unknown = re.search(r"unknown field `(.+?)`", error)
    key = unknown[1] if unknown else error.rpartition("$.")[2].strip("`")
    line = next((n for n, row in enumerate(text.split("\n"), 1) if row.strip().startswith(key)), 1)
    close = get_close_matches(key, SiteConfig.__struct_fields__, 1)
    if unknown and close:
        hint = f"Did you mean {close[0]!r}?"
    else:
        hint = f"Use: {', '.join(SiteConfig.__struct_fields__)}."
    return Problem(path, line, f"{error}. {hint}")
