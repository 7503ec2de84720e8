"""What is expected of a run as a whole, and so judged at its end: identity, delivery, privacy,
snapshots."""

import json
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from itertools import chain, pairwise
from pathlib import Path
from typing import Any, TypeAlias
from urllib.parse import unquote

from .chain import Broken, Link
from .evidence import Event, types_of
from .matching import Matcher, counted, differences, regex
from .session import Session
from .steps import Steps

EMAIL = regex(r"[\w.+-]+(@|%40)[\w-]+\.[\w.-]+")
CARD_NUMBER = regex(r"\b(?:\d[ -]?){13,19}\b")
# Envelope and journal name these by themselves; they are no data of a visitor.
TECHNICAL = re.compile(
    r"^(id|seq|run|source_id|session_id|profile_id|device_id|request_id|occurred_at|received_at)$"
)
IGNORED = "(ignored)"

Judge: TypeAlias = Callable[[], Steps[None]]


class WholeRun:
    """The expectations that need to know all of a run."""

    def __init__(self, session: Session, folder: Path, *, update: bool) -> None:
        """`folder`: where snapshots are. `update`: they are written instead of compared."""
        self._session = session
        self._folder = folder
        self._update = update

    def _at_end(self, kind: str, note: dict[str, Any], judge: Judge) -> None:
        noted = self._session.noted
        self._session.judge_at_end((kind, json.dumps(note)), lambda: noted(kind, note, judge()))

    # Identity

    def expect_identity(
        self,
        events: Sequence[Event],
        same_profile: bool | None,
        same_session: bool | None,
    ) -> Steps[None]:
        """Whether events are of one visitor. Those that are given are judged now, and the whole run
        at its end."""
        __tracebackhide__ = True
        note = {"same_profile": same_profile, "same_session": same_session}

        def judge() -> Steps[None]:
            __tracebackhide__ = True
            chosen = events or self._session.run.events
            for field, wanted in (("profile_id", same_profile), ("session_id", same_session)):
                values = {str(getattr(event, field)): event for event in chosen}
                if wanted is not None and wanted != (len(values) <= 1):
                    yield from self._fail_identity(field, wanted, values)

        if events:
            yield from self._session.noted("expect_identity", note, judge())
        else:
            self._at_end("expect_identity", note, judge)

    def _fail_identity(self, field: str, wanted: bool, values: dict[str, Event]) -> Steps[None]:
        __tracebackhide__ = True
        name = field.removesuffix("_id")
        who = ", ".join(f"{value} ({event.type})" for value, event in values.items()) or "none"
        number = f"one {name}" if wanted else f"more than one {name}"
        yield from self._session.fail(f"Expected {number}, stored: {who}.")

    # Delivery

    def expect_delivery(
        self,
        type_: str | None,
        requests: int | None,
        within: float | None,
        duplicates: int | None,
        in_order: bool,
    ) -> Steps[None]:
        """How the events came: in how many requests, how soon, how many of them again, and whether in
        order."""
        note = {
            "type": type_,
            "requests": requests,
            "within": within,
            "duplicates": duplicates,
            "in_order": in_order,
        }

        def judge() -> Steps[None]:
            __tracebackhide__ = True
            journal = yield from self._session.run.journal()
            carriers = [each for each in journal if type_ is None or type_ in types_of(each)]
            came = [each for each in carriers if _has_stored(each)]
            if requests is not None and len(came) != requests:
                yield from self._fail_delivery(
                    f"Expected {counted(requests, 'request')}{_with(type_)}, there {_were(came)}."
                )
            again = [
                event
                for each in carriers
                for event in each["events"]
                if event["verdict"] == "duplicate" and type_ in (None, event["type"])
            ]
            if duplicates is not None and len(again) > duplicates:
                yield from self._fail_delivery(
                    f"Expected at most {counted(duplicates, 'duplicate')}{_with(type_)}, there {_were(again)}."
                )
            events = [e for e in self._session.run.events if type_ in (None, e.type)]
            for event in events:
                if within is not None and _delay(event) > within:
                    yield from self._fail_delivery(
                        f"Expected {event.type} within {within:g} s of being tracked, it came after"
                        f" {_delay(event):.2f} s."
                    )
            for event, later in _neighbours(events):
                if in_order and later.seq < event.seq:
                    yield from self._fail_delivery(
                        "Expected events to be stored in the order in which they were tracked:"
                        f" {later} came before {event}."
                    )

        self._at_end("expect_delivery", note, judge)
        yield from ()

    def _fail_delivery(self, what: str) -> Steps[None]:
        __tracebackhide__ = True
        yield from self._session.fail(what)

    # Privacy

    def expect_privacy(self, no: Iterable[str | Matcher]) -> Steps[None]:
        """That nothing of the run contains any of these, stored or rejected. A string is looked for
        as it is, in any case; a matcher is asked about each value and each name."""
        forbidden = list(no)
        note = {"no": [each if isinstance(each, str) else repr(each) for each in forbidden]}

        def judge() -> Steps[None]:
            __tracebackhide__ = True
            rows = [(event.type, event.raw) for event in self._session.run.events]
            rejected = yield from self._session.run.rejected()
            rows += [(f"rejected {row.get('type')}", row) for row in rejected]
            for where, row in rows:
                for path, text in _texts(row):
                    for each in forbidden:
                        if _contains(each, text):
                            what = each if isinstance(each, str) else repr(each)
                            yield from self._session.fail(
                                f"Expected no {what} in any event, found in {where} at {path}."
                            )

        self._at_end("expect_privacy", note, judge)
        yield from ()

    # Snapshots

    def snapshot(self, name: str, ignore: Sequence[str]) -> Steps[None]:
        """That types and properties of all events are those of a file, in the order of tracking."""
        file = self._folder / name
        note = {"snapshot": name, "ignore": list(ignore)}

        def judge() -> Steps[None]:
            __tracebackhide__ = True
            stored = [_without(_essence(event), ignore) for event in self._session.run.events]
            if self._update:
                file.parent.mkdir(parents=True, exist_ok=True)
                text = json.dumps(stored, indent=2, ensure_ascii=False)
                file.write_text(f"{text}\n", encoding="utf-8")
                return
            if not file.is_file():
                yield from self._session.fail(
                    f"There is no snapshot {file}. Write it: pytest --tracking-update"
                )
            expected = json.loads(file.read_text(encoding="utf-8"))
            if misses := _two_way(expected, stored):
                lines = "\n".join(f"  {miss}" for miss in misses)
                yield from self._session.fail(
                    f"The events are not those of {name}:\n{lines}\n"
                    "If they are right: pytest --tracking-update",
                    broken=_snapshot_link(expected, stored),
                )

        self._at_end("snapshot", note, judge)
        yield from ()


def _snapshot_link(expected: list[Any], stored: list[Any]) -> Broken | None:
    if len(stored) > len(expected):
        return Broken(Link.TOO_MANY, f"{len(stored)} events, {len(expected)} in the snapshot")
    if len(stored) == len(expected):
        return Broken(Link.DIFFERENT, "the events are there, with other values")
    return None


def _has_stored(request: dict[str, Any]) -> bool:
    """Whether a request brought something new: it was not refused, and is no repeat, as a page sends
    that is left before it has the answer."""
    return any(event["verdict"] == "stored" for event in request["events"])


def _were(found: list[Any]) -> str:
    return f"was {len(found)}" if len(found) == 1 else f"were {len(found)}"


def _with(type_: str | None) -> str:
    return f" with {type_}" if type_ else ""


def _neighbours(events: list[Event]) -> Iterable[tuple[Event, Event]]:
    """Each event of a source with the one that was tracked next."""
    of_source: dict[str, list[Event]] = {}
    for event in events:
        of_source.setdefault(event.raw["source_id"], []).append(event)
    return chain.from_iterable(map(pairwise, of_source.values()))


def _delay(event: Event) -> float:
    received = datetime.fromisoformat(event.received_at)
    return (received - datetime.fromisoformat(event.occurred_at)).total_seconds()


def _texts(value: Any, path: str = "") -> Iterable[tuple[str, str]]:
    """The strings and numbers of a value as texts, and the names of its keys, each with its path."""
    if isinstance(value, dict):
        for key, each in value.items():
            if not TECHNICAL.match(key) or path:
                yield f"{path}.{key}".lstrip("."), key
                yield from _texts(each, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _texts(each, f"{path}[{index}]")
    elif value is not None and not isinstance(value, bool):
        yield path, str(value)


def _contains(forbidden: str | Matcher, text: str) -> bool:
    plain = unquote(text)
    if isinstance(forbidden, str):
        return forbidden.lower() in text.lower() or forbidden.lower() in plain.lower()
    return any(bool(forbidden == each) for each in (text, plain))


def _essence(event: Event) -> dict[str, Any]:
    return {"type": event.type, "properties": event.properties}


def _without(event: dict[str, Any], ignore: Sequence[str]) -> dict[str, Any]:
    """The event with `properties.order.id`, and whatever else is to be ignored, blanked out."""
    copied: dict[str, Any] = json.loads(json.dumps(event))
    for path in ignore:
        *parents, last = path.split(".")
        place: Any = copied
        for key in parents:
            place = place.get(key) if isinstance(place, dict) else None
        if isinstance(place, dict) and last in place:
            place[last] = IGNORED
    return copied


def _two_way(expected: list[Any], stored: list[Any]) -> list[str]:
    """Where two lists of events differ; unlike an expectation, also what is in one of them alone."""
    found = []
    for index in range(max(len(expected), len(stored))):
        if index >= len(stored):
            found.append(f"[{index}] {expected[index]['type']} is missing")
        elif index >= len(expected):
            found.append(f"[{index}] {stored[index]['type']} is not in the snapshot")
        else:
            found += map(str, differences(expected[index], stored[index], f"[{index}]"))
            extra = differences(stored[index], expected[index], f"[{index}]")
            found += [
                f"{each.path}: stored {each.expected!r}, not in the snapshot"
                for each in extra
                if repr(each.actual) == "nothing"
            ]
    return found
