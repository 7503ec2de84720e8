"""Bounds what senders can write to the log: one line for each reason, or refused sender, and minute,
and how many more there were."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import NamedTuple

log = logging.getLogger("collector.ingestion")

INTERVAL = 60.0  # seconds between two lines of a reason
MAX_SENDERS = 20  # refused senders that have a line of their own within a minute


@dataclass
class _Reason:
    until: float  # monotonic seconds: when its next line may come
    more: int = 0  # since its line


class _Sender(NamedTuple):
    """A refused sender: the status it was answered, and what is said of it."""

    status: int
    text: str


class LogLimit:
    """One per worker. `clock` gives monotonic seconds."""

    def __init__(self, clock: Callable[[], float] = monotonic) -> None:
        self._clock = clock
        self._reasons: dict[str, _Reason] = {}
        self._senders: dict[_Sender, _Reason] = {}

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

    def note_sender(self, status: int, text: str) -> bool:
        """Logs a line on a refused sender, once a minute, and counts it then. Returns false if too
        many others have a line already: the refusal is not counted."""
        sender = _Sender(status, text)
        known = self._senders.get(sender)
        if known:
            known.more += 1
            return True
        if len(self._senders) >= MAX_SENDERS:
            return False
        self._senders[sender] = _Reason(self._clock() + INTERVAL)
        log.info("%d %s", status, text)
        return True

    def flush(self, *, all_: bool = False) -> None:
        """Logs how many more there were of the reasons whose minute is over, or of all."""
        now = self._clock()
        for sender, known in [*self._senders.items()]:
            if all_ or known.until <= now:
                del self._senders[sender]
                if known.more:
                    log.info("%d ×%d %s", sender.status, known.more, sender.text)
        for reason, known in [*self._reasons.items()]:
            if all_ or known.until <= now:
                del self._reasons[reason]
                if known.more:
                    log.info("%s: %d more within a minute, not logged", reason, known.more)
