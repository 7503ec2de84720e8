"""Rates of events per source. They live in the writer process, which sees what all workers have let
in."""

import time
from math import ceil


class Rates:
    """A token bucket for each source that has a limit: a minute's events at once, refilled
    evenly."""

    def __init__(self) -> None:
        self._buckets: dict[
            str, tuple[float, float]
        ] = {}  # source id → (tokens, when they were counted)

    def take(self, source_id: str, per_minute: int, events: int) -> int:
        """0 if that many events may come now; otherwise in how many seconds to try again.

        A request larger than the whole bucket is let in when the bucket is full, or it never could
        be.
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
