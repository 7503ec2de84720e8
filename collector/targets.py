"""The setting `forward`: stores that get all events as well, by their addresses."""

import importlib.util
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
_SECRETS = ("password", "sslpassword")


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
    try:
        url = urlsplit(text)
        host, _ = url.hostname, url.port
    except ValueError as error:
        raise SettingsError(f"has an address that cannot be read ({error}). {_EXAMPLE}") from error
    scheme = SCHEMES.get(url.scheme)
    if scheme is None:
        raise SettingsError(f"does not know {url.scheme or text!r}. {_EXAMPLE}")
    if scheme == "clickhouse" and not host:
        raise SettingsError(f"has an address without a host. {_EXAMPLE}")
    return Target(_without_secrets(url, scheme), text)


def _without_secrets(url: SplitResult, scheme: str) -> str:
    user, _, place = url.netloc.rpartition("@")
    place = f"{user.partition(':')[0]}@{place}" if user else place
    query = [(name, value) for name, value in parse_qsl(url.query) if name not in _SECRETS]
    return url._replace(scheme=scheme, netloc=place, query=urlencode(query), fragment="").geturl()


def require_driver(target: Target) -> None:
    """Raises SettingsError if the package that a destination needs is not installed."""
    if target.name.startswith("postgresql") and importlib.util.find_spec("psycopg") is None:
        raise SettingsError(
            "forward: PostgreSQL needs another package. Run: pip install 'thamesthrive[postgresql]'"
        )
