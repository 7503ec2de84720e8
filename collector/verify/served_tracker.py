"""What a served tracker says of itself: where its requests go, which names it has."""

import re

from .installation import api_of

_MARK = "onThamesThriveReady"
_ENDPOINT = re.compile(r"[\w$]\+\"(/[\w.~/-]+)\"[,)]")
DEFAULT_ENDPOINT = "/track"


def is_tracker(text: str) -> bool:
    """Whether a script is the tracker, of whatever version."""
    return _MARK in text


def endpoint_of(text: str) -> str:
    """The path that a tracker posts to, below the collector's address."""
    found = _ENDPOINT.search(text)
    return found[1] if found else DEFAULT_ENDPOINT


def api_of_tracker(text: str, address: str) -> str:
    """The collector's address as a tracker works it out from its own: under an alias, the path of the
    alias is left out."""
    endpoint = endpoint_of(text)
    if endpoint == DEFAULT_ENDPOINT:
        return api_of(address)
    prefix = endpoint.rpartition("/")[0]
    base = address.rpartition("/")[0]
    return base.removesuffix(prefix)
