"""What senders may send in a minute: events and bytes of a source, bytes of an address.

It is counted in the writer, which sees what all workers admit. After a quiet minute, a whole
minute's worth may come at once.
"""

from math import ceil

from ..errors import AddressQuota, RateLimited, SourceQuota
from ..ipc import WriteRequest, WriteResult

MAX_ADDRESSES = 20_000  # whose use is remembered, about 4 MB
MB = 1024 * 1024


class Buckets:
    """Token buckets that hold a minute's worth, by key. One that is full takes no memory."""

    def __init__(self, most: int | None = None) -> None:
        """`most`: buckets that are remembered. If there are more, the least used are forgotten."""
        self._most = most
        self._full_at: dict[str, float] = {}  # monotonic seconds

    def __len__(self) -> int:
        return len(self._full_at)

    def take(self, key: str, per_minute: int, amount: int, now: float) -> int:
        """Takes `amount` and returns 0; or takes nothing, and returns the whole seconds until there
        is that much.

        More than a whole bucket is admitted when the bucket is full, or it never could be.
        """
        full_at = self._full_at.get(key, 0.0)
        if full_at > now:
            wanted = 60 * min(amount, per_minute) / per_minute
            if full_at - now + wanted > 60:
                return ceil(full_at - now + wanted - 60)
        else:
            full_at = now
            if self._most and len(self._full_at) >= self._most:
                self._forget(now)
        self._full_at[key] = full_at + 60 * amount / per_minute
        return 0

    def give_back(self, key: str, per_minute: int, amount: int) -> None:
        """Undoes a `take`."""
        self._full_at[key] -= 60 * amount / per_minute

    def _forget(self, now: float) -> None:
        """Forgets full buckets, and, if that is not enough, the fuller half of the others."""
        left = [(full_at, key) for key, full_at in self._full_at.items() if full_at > now]
        half = (self._most or 0) // 2
        if len(left) > half:
            left = sorted(left)[-half:]
        self._full_at = {key: full_at for full_at, key in left}


class Limits:
    """The limits of all sources and addresses."""

    def __init__(self, source_mb: int = 0, address_mb: int = 0) -> None:
        """Megabytes a minute, 0 for any number. `source_mb` is for sources without a limit of their
        own."""
        self._source_bytes = source_mb * MB
        self._address_bytes = address_mb * MB
        self._events = Buckets()
        self._sources = Buckets()
        self._addresses = Buckets(MAX_ADDRESSES)

    def refusal(self, request: WriteRequest, now: float) -> WriteResult | None:
        """Takes what a request needs, and returns None; or takes nothing, and returns the refusal.

        `now`: monotonic seconds.
        """
        if request.replays is not None:
            return None  # it was counted when it came
        source, address, size = request.source_id, request.address, request.size
        per_address = self._address_bytes if address else 0
        per_source = request.quota_mb * MB if request.quota_mb else self._source_bytes
        if per_address and (wait := self._addresses.take(address, per_address, size, now)):
            return _refused(request, wait, AddressQuota)
        if per_source and (wait := self._sources.take(source, per_source, size, now)):
            self._give_back(address, per_address, size)
            return _refused(request, wait, SourceQuota)
        if limit := request.rate_limit:
            events = max(1, len(request.payload.events) + len(request.payload.rejected))
            if wait := self._events.take(source, limit, events, now):
                self._give_back(address, per_address, size)
                if per_source:
                    self._sources.give_back(source, per_source, size)
                return _refused(request, wait, RateLimited)
        return None

    def _give_back(self, address: str, per_address: int, size: int) -> None:
        if per_address:
            self._addresses.give_back(address, per_address, size)


def _refused(request: WriteRequest, wait: int, kind: type[RateLimited]) -> WriteResult:
    return WriteResult(
        request.number, refused=kind.code, retry_after=wait, refused_detail=kind.detail
    )
