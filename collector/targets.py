"""The setting `forward`: stores that get all events as well, by their addresses."""

import importlib.util
import re
from typing import NamedTuple
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit

from .errors import SettingsError


class Target(NamedTuple):
    """A destination by its address. `name`: the address without what is secret in it."""

    name: str
    url: str


SCHEMES = {"postgresql": "postgresql", "postgres": "postgresql", "clickhouse": "clickhouse",
           "clickhouses": "clickhouse"}  # fmt: skip
_EXAMPLE = "Write it like 'postgresql://user@host/database' or 'clickhouse://user@host/database'"
_ENCODED = (
    "Characters of a user or password that are not letters or digits are written as % and two digits:"
    " %40 is @, %2F is /"
)
# Of what follows the question mark, all that makes two destinations of one server different.
_SHOWN = ("host", "hostaddr", "port", "dbname", "user", "service")
_SCHEME = re.compile(r"[a-z]{1,20}://")
_BAD_ESCAPE = re.compile(r"%(?![0-9a-fA-F]{2})")


def parse_targets(text: str) -> tuple[Target, ...]:
    """The destinations in the setting `forward`, which has spaces between them. Raises
    SettingsError."""
    targets = tuple(_parse(part) for part in text.split())
    names = [target.name for target in targets]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(f"has {name} twice")
    return targets


def _parse(text: str) -> Target:
    # Nothing of the address is in the errors, as it may be the password.
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError as error:
        raise SettingsError(f"has an address that cannot be read. {_ENCODED}") from error
    scheme = SCHEMES.get(url.scheme)
    if scheme is None:
        known = f"does not know {url.scheme}://" if _SCHEME.match(text) else "has no address"
        raise SettingsError(f"{known}. {_EXAMPLE}")
    if "@" in f"{url.path}{url.query}" or "#" in text or _BAD_ESCAPE.search(text):
        raise SettingsError(f"has an address that can be read in two ways. {_ENCODED}")
    if scheme == "clickhouse" and not host:
        raise SettingsError(f"has an address without a host. {_EXAMPLE}")
    return Target(_without_secrets(url, scheme), text)


def _without_secrets(url: SplitResult, scheme: str) -> str:
    user, _, place = url.netloc.rpartition("@")
    place = f"{user.partition(':')[0]}@{place}" if user else place
    query = [(name, value) for name, value in parse_qsl(url.query) if name in _SHOWN]
    return url._replace(scheme=scheme, netloc=place, query=urlencode(query), fragment="").geturl()


def require_driver(target: Target) -> None:
    """Raises SettingsError if the package that a destination needs is not installed."""
    if target.name.startswith("postgresql") and importlib.util.find_spec("psycopg") is None:
        raise SettingsError(
            "forward: PostgreSQL needs another package. Run: pip install 'thamesthrive[postgresql]'"
        )
