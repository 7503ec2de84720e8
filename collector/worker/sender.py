"""Who sent a request: what is kept of the address, and whether the user agent is a program's."""

import ipaddress
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol

from crawlerdetect import CrawlerDetect

# What is remembered of headers is bounded in length, too.
MAX_ADDRESS = 64  # characters; more is no address
MAX_AGENT = 500  # characters of a user agent that are looked at

_crawlers = CrawlerDetect()


class Headers(Protocol):
    """The headers of a request, whoever has read it. Names are in lower case."""

    def get(self, key: str, /) -> str | None:
        """The first line of this header."""
        ...

    def getall(self, key: str, default: list[str], /) -> list[str]:
        """All of its lines."""
        ...


def address_of(peer: str, forwarded: Sequence[str], proxies: int) -> str:
    """The peer's address, or what the last of our own proxies was told.

    It is counted from the right of X-Forwarded-For, where senders cannot write. `forwarded`: the
    lines of that header.
    """
    if proxies:
        hops = hops_of(forwarded)
        if len(hops) >= proxies:
            return hops[-proxies][:MAX_ADDRESS]
    return peer


def hops_of(forwarded: Sequence[str]) -> list[str]:
    """The entries of X-Forwarded-For, of all its lines."""
    return [hop.strip() for line in forwarded for hop in line.split(",")]


def readable(header: str | None) -> str | None:
    """A header that can be encoded: Sanic leaves bytes that are no UTF-8 in it as surrogates."""
    if header is None or header.isascii():
        return header
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@lru_cache(maxsize=8192)
def stored_address(address: str, policy: str) -> str | None:
    """An address as a source wants it stored: `truncate` keeps /24 or /48, `full` all of it, `none`
    nothing.

    None as well for what is no address: proxies send all sorts of things.
    """
    if policy == "none":
        return None
    try:
        ip = ipaddress.ip_address(address.strip().strip("[]"))
    except ValueError:
        return None
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped:
        ip = ip.ipv4_mapped
    if policy == "full":
        return str(ip)
    kept = 24 if ip.version == 4 else 48
    return str(ipaddress.ip_network((ip, kept), strict=False).network_address)


@lru_cache(maxsize=8192)
def limited_address(address: str) -> str:
    """Whose bytes are counted together: an address, or the /64 of IPv6 that a household has.

    Empty for loopback addresses, which are this machine's own programs.
    """
    text = address.strip()
    if text.count(":") == 1 or text.startswith("["):  # some proxies add the port
        text = text.rpartition(":")[0] if not text.endswith("]") else text
    try:
        ip = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return address[:MAX_ADDRESS]  # whatever our own proxy wrote
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is None:
            return "" if ip.is_loopback else f"{ipaddress.IPv6Address(int(ip) >> 64 << 64)}/64"
        ip = ip.ipv4_mapped
    return "" if ip.is_loopback else str(ip)


def is_bot(user_agent: str) -> bool:
    """Whether a user agent is a crawler's or another program's. Such events are stored and
    flagged."""
    return bool(user_agent) and _is_crawler(user_agent[:MAX_AGENT])


@lru_cache(maxsize=4096)
def _is_crawler(user_agent: str) -> bool:
    return bool(_crawlers.isCrawler(user_agent))
