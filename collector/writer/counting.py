"""When stored events are counted in the rollups: a small piece at a time, so that no request waits
for it, and committed many at once, so that each costs little."""

import math
import time

from .group import Writer

PIECE = 500  # events read at a time: two milliseconds
QUIET = 0.25  # seconds without a request before all that is left is counted
# What is read is committed after so many seconds, even if it is never quiet, or when it takes so
# many rows: that holds up requests for about twenty milliseconds.
MAX_AGE = 2.0
MAX_ROWS = 4000


class Counting:
    """Decides for a writer that may always be busy."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._unread = 0  # events
        # When all is to be counted, unless requests come. First what a former run has left.
        self._quiet_at = time.monotonic()
        self._due_at = math.inf  # when what is read is to be committed

    @property
    def wake_at(self) -> float:
        """When `work` has something to do without any request."""
        return self._quiet_at

    def stored(self, events: int) -> None:
        """So many events were stored."""
        self._unread += events
        self._quiet_at = time.monotonic() + QUIET

    def work(self) -> None:
        """Does a small piece of what is to be done now."""
        now = time.monotonic()
        is_quiet = now >= self._quiet_at
        if not is_quiet and self._unread < PIECE:
            return
        has_more = self._writer.read_uncounted(PIECE)
        self._unread = max(0, self._unread - PIECE) if has_more else 0
        self._due_at = min(self._due_at, now + MAX_AGE)
        is_done = is_quiet and not has_more
        if is_done or now >= self._due_at or self._writer.unwritten_counts >= MAX_ROWS:
            self._due_at = math.inf
            is_counted = self._writer.write_counts()
            if is_done and is_counted:
                self._quiet_at = math.inf
