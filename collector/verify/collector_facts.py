"""What the second stage has learned of a collector."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..ids import time_of_uuid7
from .check import Check
from .fetch import Response
from .installation import Installation


@dataclass(frozen=True)
class Probe:
    """One request: its answer, or why there was none. `seconds`: the clock of this machine, midway."""

    url: str
    response: Response | None = None
    failure: Exception | None = None
    seconds: float = 0.0

    @property
    def json(self) -> Mapping[str, Any]:
        """The answer as an object; empty if it is none."""
        try:
            found = json.loads(self.response.body) if self.response else None
        except ValueError:
            return {}
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class CollectorFacts:
    """What the rules on a collector judge.

    `names`: those of the certificate of the collector, if it is for others; `origin`: the page's;
    `bundle`, `health`, `preflight`, `post`: what was asked, None if it was not.
    """

    check: Check
    origin: str
    installation: Installation | None
    source: str | None
    bundle: Probe
    names: tuple[str, ...] = ()
    health: Probe | None = None
    preflight: Probe | None = None
    post: Probe | None = None
    values: dict[str, str] = field(default_factory=dict)


def clock_skew(post: Probe) -> float | None:
    """Seconds by which the collector's clock is ahead: its request ids have the time in them."""
    task = post.json.get("task")
    if not isinstance(task, list) or not task or not isinstance(task[0], str):
        return None
    at = time_of_uuid7(task[0])
    return None if at is None else at - post.seconds
