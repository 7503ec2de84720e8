"""What is kept of each test that used the kit: what reports and coverage are made of.

A plugin or a `conftest.py` that implements `pytest_tracking_record(record)` gets one `TestRecord`
for each test. With xdist it is called in the controlling process, once for each test.
"""

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class StepRecord:
    """A named part of a test. Times are seconds since the Unix epoch; `ended_at` is None for a step
    that lasts until the next one."""

    name: str
    started_at: float
    ended_at: float | None = None


@dataclass
class ExpectationRecord:
    """One expectation and what became of it. `message`: the failure as it was printed, else empty.
    `spent`: seconds, including the wait for events that had yet to come."""

    kind: str  # the method, e.g. "expect_none"
    wanted: dict[str, Any]
    held: bool
    at: float
    spent: float
    message: str = ""
    link: str = ""  # the first broken link of the chain, e.g. "held"


@dataclass
class TestRecord:
    """A test: how it ended, and all that its run stored. Everything in it is JSON-ready.

    `events`, `rejected` and `requests` are as `/qa/runs/{run}/events`, `/rejected` and `/journal`
    answer them. `calls`: what pages passed to `tracker.track`, as far as it was seen. `actions`:
    where pages went.
    """

    __test__ = False  # not a test class

    node_id: str
    run: str
    source: str
    collector: str
    outcome: str = ""  # "passed", "failed" or "skipped"
    started_at: float = 0.0
    ended_at: float = 0.0
    steps: list[StepRecord] = field(default_factory=list)
    expectations: list[ExpectationRecord] = field(default_factory=list)
    actions: list[dict[str, Any]] = field(default_factory=list)
    calls: list[dict[str, Any]] = field(default_factory=list)
    events: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    screenshots: list[str] = field(default_factory=list)
    failure: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The record as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "TestRecord":
        """The record that `as_dict` was made of."""
        steps = [StepRecord(**step) for step in data["steps"]]
        expectations = [ExpectationRecord(**each) for each in data["expectations"]]
        return cls(**{**data, "steps": steps, "expectations": expectations})
