"""All connections of a worker: how many there may be, how much they may hold, and which ends when it
is too much.

Whoever opens thousands, and never ends a request, must keep nobody out. So the newest is served,
and another one ends: of the address with most connections, one that owes its request, else the one
that has been idle for long. When they hold too much memory, those end that have held most for
longest.
"""

import ipaddress
from collections import defaultdict
from functools import lru_cache
from itertools import islice
from time import monotonic
from typing import Protocol

# Bytes that a connection may have without being counted: most requests never cost the time.
FREE = 4 * 1024
RELIEF = 1 / 8  # of what they may hold is freed at once, as finding who holds most takes time
EXAMINED = 64  # connections that are looked at to find one that can end


class Connected(Protocol):
    """What is known of a connection here."""

    @property
    def is_served(self) -> bool:
        """Whether a request of it is being served, so that ending it loses an answer."""
        ...

    @property
    def owes(self) -> bool:
        """Whether it has sent no request, or only a part, or leaves an answer unread."""
        ...

    def shed(self) -> bool:
        """Gives up what it holds: refuses a request that is arriving, or ends. False if its request
        is being served."""
        ...

    def drop(self) -> None:
        """Ends it at once, and removes it here."""
        ...


class Connections:
    """One per worker."""

    def __init__(self, most: int, most_of_address: int | None, most_held: int) -> None:
        """`most_of_address` is None behind a proxy, from which all connections come. `most_held`:
        bytes of memory."""
        self.held = 0  # bytes
        self._most_held = most_held
        # What each holds that is counted, and since when, monotonic seconds.
        self._holders: dict[Connected, tuple[int, float]] = {}
        self.count = 0
        self.dropped = 0  # since the last look at it
        self._most = most
        self._most_of_address = most_of_address
        # The connections of each address, in the order in which they came or were last passed over.
        self._of: dict[str, dict[Connected, None]] = {}
        self._by_number: defaultdict[int, dict[str, None]] = defaultdict(dict)
        self._highest = 0  # number of connections of one address

    def add(self, connection: Connected, address: str) -> None:
        """Counts a new connection, and ends one if there are too many; that may be the new one."""
        group = group_of(address)
        connections = self._of.setdefault(group, {})
        connections[connection] = None
        self.count += 1
        self._file(group, len(connections))
        if self._most_of_address and len(connections) > self._most_of_address:
            self._drop_one(group, connection)
        elif self.count > self._most:
            self._drop_one(next(iter(self._by_number[self._highest])), connection)

    def remove(self, connection: Connected, address: str) -> None:
        """Forgets a connection that has ended."""
        self.hold(connection, 0)
        group = group_of(address)
        connections = self._of.get(group)
        if connections is None or connection not in connections:
            return  # it was dropped
        del connections[connection]
        self.count -= 1
        self._file(group, len(connections))

    def hold(self, connection: Connected, size: int) -> None:
        """Notes how many bytes a connection holds, and has others give up theirs if it is too much;
        that may be the connection itself."""
        before, since = self._holders.pop(connection, (0, 0.0))
        self.held += size - before
        if size:
            self._holders[connection] = size, since or monotonic()
            if size > before and self.held > self._most_held:
                self._relieve()

    @property
    def is_full(self) -> bool:
        """Whether they hold too much, and none can give up anything."""
        return self.held > self._most_held

    def _relieve(self) -> None:
        now, enough = monotonic(), self._most_held * (1 - RELIEF)

        def cost(holder: tuple[Connected, tuple[int, float]]) -> float:
            size, since = holder[1]
            return size * (now - since + 0.1)

        for connection, _ in sorted(self._holders.items(), key=cost, reverse=True):
            if self.held <= enough:
                return
            if connection.shed():
                self.dropped += 1

    def _file(self, group: str, number: int) -> None:
        """Notes that an address has one connection more or less."""
        for before in (number - 1, number + 1):
            of_number = self._by_number.get(before)
            if of_number is not None and of_number.pop(group, 0) is None and not of_number:
                del self._by_number[before]
        if number:
            self._by_number[number][group] = None
        else:
            del self._of[group]
        self._highest = max(self._highest, number)
        while self._highest and self._highest not in self._by_number:
            self._highest -= 1

    def _drop_one(self, group: str, newest: Connected) -> None:
        """Ends a connection of an address, or the newest of all if none can be spared."""
        connections = self._of[group]
        victim = None
        for candidate in list(islice(connections, EXAMINED)):
            # To the end, so that the next search begins with others.
            del connections[candidate]
            connections[candidate] = None
            if candidate is newest or candidate.is_served:
                continue
            if candidate.owes:
                victim = candidate
                break
            victim = victim or candidate
        self.dropped += 1
        # It calls `remove`.
        (victim or newest).drop()


@lru_cache(maxsize=8192)
def group_of(address: str) -> str:
    """What counts as one address: of IPv6 the first 64 bits, as each customer has at least those."""
    if ":" not in address:
        return address
    try:
        ip = ipaddress.IPv6Address(address.partition("%")[0])
    except ValueError:
        return address
    return str(ip.ipv4_mapped) if ip.ipv4_mapped else ip.packed[:8].hex()
