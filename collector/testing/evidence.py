"""What is known of a run when an expectation fails: what the collector stored, refused and received,
and what was seen in the browser."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .matching import Difference, differences, shown


@dataclass(frozen=True)
class Event:
    """A stored event. `raw`: all that the collector says of it."""

    id: str
    type: str
    properties: dict[str, Any]
    context: dict[str, Any]
    session_id: str | None
    profile_id: str | None
    occurred_at: str
    received_at: str
    seq: int
    raw: dict[str, Any] = field(repr=False, compare=False, hash=False)

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> "Event":
        """The event of an answer of `/qa/runs/{run}/events`."""
        names = [name for name in cls.__dataclass_fields__ if name != "raw"]
        return cls(**{name: raw[name] for name in names}, raw=dict(raw))

    def __str__(self) -> str:
        return f"{self.type} {shown(self.properties)}" if self.properties else self.type


@dataclass(frozen=True)
class Wanted:
    """The events that an expectation is about. Partial: other properties may be there as well."""

    type: str
    properties: Mapping[str, Any] | None = None
    context: Mapping[str, Any] | None = None

    def misses(self, event: Event) -> list[Difference]:
        """Where an event, whatever its type, is not what is wanted."""
        found = differences(self.properties or {}, event.properties, "properties")
        return found + differences(self.context or {}, event.context, "context")

    def accepts(self, event: Event) -> bool:
        """Whether the event is one of those."""
        return event.type == self.type and not self.misses(event)

    def as_dict(self) -> dict[str, Any]:
        """The expectation as JSON-ready data; matchers as their text."""
        parts = {"properties": self.properties, "context": self.context}
        given = {name: _plain(part) for name, part in parts.items() if part is not None}
        return {"type": self.type, **given}

    def __str__(self) -> str:
        parts = [self.type]
        if self.properties:
            parts.append(shown(self.properties))
        if self.context:
            parts.append(f"with context {shown(self.context)}")
        return " ".join(parts)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return value if value is None or isinstance(value, str | int | float) else repr(value)


@dataclass(frozen=True)
class Call:
    """A call of `tracker.track` that was seen in a page. `outcome`: what its promise resolved to,
    None if it has not."""

    type: str
    properties: Any
    page: str
    at: float  # seconds since the Unix epoch
    outcome: Mapping[str, Any] | None = None

    def __str__(self) -> str:
        return f"{self.type} {shown(self.properties)}" if self.properties else self.type


@dataclass(frozen=True)
class BrowserRequest:
    """A request for the bundle (`kind` "script") or with events ("track"), as the browser saw it.
    `status` is None where there was no answer; `failure` is the browser's word for why."""

    kind: str
    url: str
    status: int | None = None
    failure: str = ""


@dataclass(frozen=True)
class Violation:
    """Something that a page's Content-Security-Policy has kept from happening."""

    directive: str
    blocked: str  # the address, or "inline"
    page: str


@dataclass
class BrowserSide:
    """What was seen in the pages of a test. `config`: the tracker's options, as far as they are
    known. `loaded`: addresses of pages whose tracker has started; `stubs`: of those where something
    had set `window.tracker`."""

    pages: list[str] = field(default_factory=list)
    stubs: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    requests: list[BrowserRequest] = field(default_factory=list)
    violations: list[Violation] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)  # in the console
    uncaught: list[str] = field(default_factory=list)  # that ended a script
    console: list[str] = field(default_factory=list)  # all messages, those errors included
    config: dict[str, Any] = field(default_factory=dict)
    decisions: list[str] = field(default_factory=list)  # what `tracker.consent` was called with
    do_not_track: bool = False

    @property
    def settings(self) -> Mapping[str, Any]:
        """`settings` of the tracker's options."""
        found = self.config.get("settings")
        return found if isinstance(found, Mapping) else {}


@dataclass
class Evidence:
    """All of it. `collector`: the address of the collector. `browser` is None for a test without
    one. `others`: events that other runs, or none, have stored since the test began."""

    run: str
    source: str
    collector: str
    events: list[Event] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    others: list[tuple[str, Event]] = field(default_factory=list)
    browser: BrowserSide | None = None

    @property
    def refused(self) -> list[dict[str, Any]]:
        """The requests that the collector has refused as a whole."""
        return [request for request in self.requests if int(request["status"]) >= 400]

    def carriers(self, type_: str) -> list[dict[str, Any]]:
        """The requests that carried events of a type. Of some refused ones, only the run is known."""
        return [request for request in self.requests if type_ in types_of(request)]


def types_of(request: Mapping[str, Any]) -> list[str]:
    """The types of the events that a request of the journal carried."""
    events: Iterable[Mapping[str, Any]] = request.get("events") or ()
    return [str(event["type"]) for event in events if event.get("type")]
