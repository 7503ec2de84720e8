"""What a browser saw of a page: the tracker there, its requests, and what kept it from working."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import msgspec

PROBE = "thamesthrive-verify"
"""The type of the event that verify tracks itself, right before it leaves a page."""

MAX_TEXT = 500  # characters of anything that a page wrote

VisitName = Literal["plain", "consent", "blocker"]
"""plain: as anybody opens it. consent: agreed to what the consent manager asks. blocker: with the
rules of a content blocker."""


class TrackerState(msgspec.Struct, frozen=True):
    """What there is of a tracker on a page. The page may have written all of it.

    `source`, `api`, `script`: as the page configures them; `has_config`: whether anything does.
    `ready`: the bundle runs. `queued`: calls that were made before it did. `waiting`: events in
    storage. `consent`, `page_views`, `run`: settings. `refused`: the browser asks not to be tracked,
    and the page respects it. `has_triggers`: events come from what visitors do.
    """

    has_config: bool = False
    source: str = ""
    api: str = ""
    script: str = ""
    ready: bool = False
    queued: int = 0
    waiting: int = 0
    consent: str = "granted"
    page_views: str = "off"
    flush_interval: float = 1000
    run: str = ""
    refused: bool = False
    has_triggers: bool = False


class Violation(msgspec.Struct, frozen=True):
    """Something that the page's content security policy kept from happening."""

    directive: str = ""
    blocked: str = ""
    policy: str = ""
    line: int = 0


class ConsentState(msgspec.Struct, frozen=True):
    """What became of the consent manager. See js/verify/consent.ts."""

    found: list[str] = []
    asking: list[str] = []
    agreed: bool | None = None
    done: bool = False


@dataclass(frozen=True)
class StoredEvents:
    """What is stored of a run: events by their ids, each with `type` and `properties`; and how many
    were rejected."""

    events: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    rejected: int = 0

    @property
    def types(self) -> set[str]:
        """The types of the stored events."""
        return {str(event.get("type")) for event in self.events.values()}


@dataclass
class Request:
    """A request of the page's. `types`: of the events in it, if it is one of the tracker's; `failure`:
    the browser's words for why there is no answer; `reason`: `X-Collector-Reason`; `answer`: the
    JSON that came back, None for anything else."""

    method: str
    url: str
    kind: str  # script, fetch, …
    types: tuple[str, ...] = ()
    views: tuple[str, ...] = ()  # addresses of page-views
    source: str = ""
    status: int | None = None
    content_type: str = ""
    reason: str = ""
    failure: str = ""
    answer: dict[str, Any] | None = None

    @property
    def is_track(self) -> bool:
        """Whether it carries events."""
        return bool(self.types)


@dataclass
class Visit:
    """One page, opened once. `run`: the nonce that its events carry. `status`: HTTP's, None if nothing
    came, of which `failure` says why. `left`: a probe was tracked while the page was left."""

    name: VisitName
    run: str
    url: str
    status: int | None = None
    failure: str = ""
    tracker: TrackerState = field(default_factory=TrackerState)
    requests: list[Request] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    consent: ConsentState = field(default_factory=ConsentState)
    blocked: list[str] = field(default_factory=list)  # by the blocker's rules
    spa: bool | None = None  # whether a page-view followed a change of the address; None if untried
    left: bool = False
    stored: StoredEvents | None = None  # None: it could not be seen

    @property
    def tracked(self) -> list[Request]:
        """The requests that carry events."""
        return [one for one in self.requests if one.is_track]

    @property
    def accepted(self) -> list[str]:
        """Ids of events that the collector said are stored."""
        found: list[str] = []
        for one in self.tracked:
            ids = (one.answer or {}).get("events")
            if one.status == 200 and isinstance(ids, list):
                found += [text for text in ids if isinstance(text, str)]
        return found
