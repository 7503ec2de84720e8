"""Whether a request comes from the collector's own machine."""

import asyncio
import ipaddress
import re

from sanic import Request

# A proxy on this machine says so: what it passes on comes from elsewhere.
FORWARDED = (
    "forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip",
    "cf-connecting-ip",
)  # fmt: skip
_FORWARDED = re.compile(rf"\r\n(?:{'|'.join(FORWARDED)}):".encode(), re.IGNORECASE)


def is_local(request: Request) -> bool:
    """Whether a program of this machine has sent a request, and no proxy has passed it on."""
    info = request.conn_info
    forwarded = any(name in request.headers for name in FORWARDED)
    return bool(info and is_loopback(info.client_ip) and not forwarded)


def is_local_head(transport: asyncio.BaseTransport, arrived: bytes) -> bool:
    """The same of a request of which nothing is read but its bytes, the head and perhaps more."""
    peer = transport.get_extra_info("peername")
    head = arrived.partition(b"\r\n\r\n")[0]
    return bool(peer) and is_loopback(str(peer[0])) and _FORWARDED.search(head) is None


def is_loopback(address: str) -> bool:
    """Whether an address is one of this machine's own."""
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = ip.ipv4_mapped if isinstance(ip, ipaddress.IPv6Address) else None
    return (mapped or ip).is_loopback
