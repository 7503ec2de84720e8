"""`site.toml`: what a site calls itself, and where it will be."""

import re
import tomllib
from difflib import get_close_matches
from pathlib import Path

import msgspec
from msgspec import Struct

from ..errors import BuildError, Problem

FILE = "site.toml"


class SiteConfig(Struct, frozen=True, forbid_unknown_fields=True):
    """`url`: where the site will be found, for the sitemap and for what others quote. `edit`: an
    address with `{path}` in it, where a page's source can be edited. `reference`: kind of word
    (`reasons`, `options`, …) → the page that must explain all of them."""

    title: str = "Documentation"
    description: str = ""
    url: str = ""
    edit: str = ""
    reference: dict[str, str] = {}

    @property
    def root(self) -> str:
        """The path that the site has on its server, with a slash at the end."""
        return re.sub(r"^[a-z]+://[^/]+", "", self.url).rstrip("/") + "/"


def load_config(site: Path) -> SiteConfig:
    """The configuration of a folder of sources; without a file, the defaults. Raises BuildError
    with file, line and cure."""
    path = site / FILE
    try:
        text = path.read_text(encoding="utf-8")
        return msgspec.convert(tomllib.loads(text), SiteConfig)
    except FileNotFoundError:
        return SiteConfig()
    except tomllib.TOMLDecodeError as error:
        place = re.search(r"line (\d+)", str(error))
        raise BuildError(
            Problem(
                path,
                int(place[1]) if place else 1,
                f"this is not TOML: {error}. Texts stand in quotes.",
            )
        ) from error
    except msgspec.ValidationError as error:
        unknown = re.search(r"unknown field `(.+?)`", str(error))
        key = unknown[1] if unknown else str(error).rpartition("$.")[2].strip("`")
        line = next(
            (n for n, row in enumerate(text.split("\n"), 1) if row.strip().startswith(key)), 1
        )
        close = get_close_matches(key, SiteConfig.__struct_fields__, 1)
        hint = (
            f" Did you mean {close[0]!r}?"
            if unknown and close
            else f" There are: {', '.join(SiteConfig.__struct_fields__)}."
        )
        raise BuildError(Problem(path, line, f"{error}.{hint}")) from error
