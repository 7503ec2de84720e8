"""A few rules of our own of the kind that lists of content blockers have. Words in an address, not the
product, are what most of them go by."""

import re
from urllib.parse import urlsplit

_RULES = {
    "thamesthrive": re.compile("thamesthrive"),
    "analytics": re.compile(r"(^|[./_-])analytics([./_-]|$)"),
    "tracker": re.compile(r"[./_-]tracker([./]|$)"),
    "track": re.compile(r"/track(/|$)"),
    "collect": re.compile(r"/collect(/|$)"),
    "event": re.compile(r"/events?(/|$)"),
}
KINDS = ("script", "fetch", "xhr", "ping", "image")
"""What is looked at; a page itself is never blocked."""


def listed_word(url: str) -> str | None:
    """The word for which a blocker would keep an address from being fetched."""
    parts = urlsplit(url)
    address = f"{parts.hostname or ''}{parts.path}".lower()
    return next((word for word, rule in _RULES.items() if rule.search(address)), None)
