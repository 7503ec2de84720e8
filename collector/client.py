"""Who sent a request: what is kept of the address, and whether a program says that it is one."""

import ipaddress
from functools import lru_cache

from crawlerdetect import CrawlerDetect

_crawlers = CrawlerDetect()


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
    return str(
        ipaddress.ip_network((ip, 24 if ip.version == 4 else 48), strict=False).network_address
    )


@lru_cache(maxsize=8192)
def is_bot(user_agent: str) -> bool:
    """Whether a user agent is that of a crawler or another program. Such events are stored and
    flagged."""
    return bool(user_agent) and bool(_crawlers.isCrawler(user_agent[:1000]))
