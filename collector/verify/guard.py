"""What a verification may reach, and how much of it: for the console, whose users could otherwise
look through it into its network."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ..errors import CollectorError

_REFUSED = [
    ip_network(text)
    for text in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # addresses of providers, behind NAT
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "198.18.0.0/15",
        "240.0.0.0/4",
        "::/96",  # an IPv4 address in the form of long ago
        "fec0::/10",
    )
]
"""What is refused besides what `ipaddress` knows to be private, whatever its version."""
_NAT64 = ip_network("64:ff9b::/96")


class Refusal(CollectorError):
    """A guarded verification may not go there."""

    exit_code = 2


@dataclass(frozen=True)
class Limits:
    """Bounds of one verification: `seconds` in all, and those to wait for one answer; `size` in bytes
    of a body, also once it is inflated; `redirects` one after the other."""

    seconds: float
    answer_seconds: float
    size: int
    redirects: int


GUARDED = Limits(seconds=10, answer_seconds=5, size=2_000_000, redirects=2)
FREE = Limits(seconds=60, answer_seconds=10, size=20_000_000, redirects=10)


@dataclass
class Guard:
    """Decides for one verification. Its time runs from its making.

    `guarded`: whether private addresses, other ports, and long waits are refused; `allowed`: those
    `host:port` that may be private all the same, because an administrator has named them; `hosts`:
    addresses of names, in place of what the DNS says; `limits`: others than usual.
    """

    guarded: bool = False
    hosts: Mapping[str, str] = field(default_factory=dict)
    allowed: frozenset[str] = frozenset()
    limits: Limits | None = None
    bounds: Limits = field(init=False)
    _until: float = field(init=False)

    def __post_init__(self) -> None:
        self.bounds = self.limits or (GUARDED if self.guarded else FREE)
        self._until = time.monotonic() + self.bounds.seconds

    def remaining(self) -> float:
        """Seconds that are left. Raises Refusal if there are none."""
        left = self._until - time.monotonic()
        if left <= 0:
            raise Refusal(f"It took longer than {self.bounds.seconds:g} seconds.")
        return left

    def check_url(self, scheme: str, host: str, port: int) -> None:
        """Raises Refusal for what is no page, and if guarded, for ports that are not the web's."""
        if scheme not in ("http", "https"):
            raise Refusal(f"{scheme}: is not http or https.")
        if self.guarded and port not in (80, 443) and f"{host}:{port}" not in self.allowed:
            raise Refusal(f"Port {port} of {host} is not 80 or 443.")

    def check_addresses(self, host: str, port: int, addresses: Iterable[str]) -> None:
        """Raises Refusal if guarded, and any of a name's addresses is none of the public internet: a
        name with two kinds of addresses is a trap."""
        if not self.guarded or f"{host}:{port}" in self.allowed:
            return
        for address in addresses:
            if not is_public(address):
                what = f"{host} is {address}, which" if host != str(address) else host
                raise Refusal(
                    f"{what} is no address of the public internet. `--verify-hosts` names sites that may be"
                    " verified all the same."
                )


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also behind forms of IPv6 that carry an
    IPv4 address."""
    found = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        carried = _carried(found)
        if carried is not None:
            return is_public(str(carried))
    if any(found.version == network.version and found in network for network in _REFUSED):
        return False
    return found.is_global and not (found.is_multicast or found.is_reserved)


def _carried(address: IPv6Address) -> IPv4Address | None:
    if address in _NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)
