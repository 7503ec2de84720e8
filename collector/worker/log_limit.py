"""Bounds what senders can write to the log: one line for each reason and minute, and how many more
there were."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

log = logging.getLogger("collector.ingestion")

INTERVAL = 60.0  # seconds between two lines of a reason


@dataclass
class _Reason:
    until: float  # monotonic seconds: when its next line may come
    more: int = 0  # since its line


class LogLimit:
    """One per worker. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._reasons: dict[str, _Reason] = {}

    def is_first(self, reason: str) -> bool:
        """Whether a line of this reason may be logged now; else it is counted.

        `reason` must be a word of ours: each is remembered.
        """
        known = self._reasons.get(reason)
        if known:
            known.more += 1
            return False
        self._reasons[reason] = _Reason(self._clock() + INTERVAL)
        return True

    def flush(self, *, all_: bool = False) -> None:
        """Logs how many more there were of the reasons whose minute is over, or of all."""
        now = self._clock()
        for reason, known in [*self._reasons.items()]:
            if all_ or known.until <= now:
                del self._reasons[reason]
                if known.more:
                    log.info("%s: %d more within a minute, not logged", reason, known.more)
