"""Rate limits of sources. They live in the writer process, which sees what all workers admit."""

import time
from math import ceil


class RateLimiter:
    """A token bucket for each source that has a limit: a minute's events, refilled evenly."""

    def __init__(self) -> None:
        # Source id → (tokens, when they were counted).
        self._buckets: dict[str, tuple[float, float]] = {}

    def wait_for(self, source_id: str, per_minute: int, events: int) -> int:
        """Takes tokens for `events`. Returns 0, or the seconds to wait if there are too few.

        A request larger than the whole bucket is admitted when the bucket is full, or it never
        could be.
        """
        at = time.monotonic()
        tokens, counted = self._buckets.get(source_id, (float(per_minute), at))
        tokens = min(per_minute, tokens + (at - counted) * per_minute / 60)
        wanted = min(max(events, 1), per_minute)
        if tokens < wanted:
            self._buckets[source_id] = tokens, at
            return max(1, ceil((wanted - tokens) * 60 / per_minute))
        self._buckets[source_id] = tokens - max(events, 1), at
        return 0
