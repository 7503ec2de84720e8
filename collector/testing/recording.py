"""What a person did in a browser, and the events that came of it."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

CAUSED = 5000.0  # milliseconds after a click in which a page that opens was opened by it
KINDS = ("check", "click", "fill", "press", "select", "uncheck")


@dataclass
class Action:
    """Something a person did. `at`: milliseconds since the Unix epoch. `target`: how the element is
    found again: `by`, `value` and perhaps `role`. `is_secret`: the value was not kept."""

    kind: str
    at: float
    value: Any = None
    target: dict[str, str] = field(default_factory=dict)
    is_secret: bool = False
    events: list[dict[str, Any]] = field(default_factory=list)
    rejected: list[dict[str, Any]] = field(default_factory=list)


class Recording:
    """Gathers what pages tell, in the order in which it was done."""

    def __init__(self, url: str, at: float) -> None:
        self.url = url
        self._actions = [Action("goto", at, url)]
        self._pages = 0

    def tell(self, text: str) -> None:
        """Takes what the script in a page has told, JSON text."""
        told = json.loads(text)
        kind, at = told["kind"], float(told["at"])
        if kind == "page":
            self._opened(told, at)
        elif kind == "popstate" and not self._is_caused(at):
            self._actions.append(Action("back", at))
        elif kind in KINDS:
            action = Action(kind, at, told.get("value"), told["target"], bool(told.get("isSecret")))
            self._actions.append(action)

    def _opened(self, told: Mapping[str, Any], at: float) -> None:
        """A page was opened: by a link or a form, which is recorded already, or by the person."""
        self._pages += 1
        kind, page = told.get("type"), str(told["page"])
        if self._pages == 1 or not page.startswith(("http:", "https:")):
            return
        if kind == "reload":
            self._actions.append(Action("reload", at))
        elif kind == "back_forward":
            self._actions.append(Action("back", at))
        elif not told.get("referrer") and not self._is_caused(at):
            self._actions.append(Action("goto", at, page))

    def _is_caused(self, at: float) -> bool:
        return any(
            action.kind != "goto" and at - CAUSED < action.at <= at for action in self._actions
        )

    def actions(
        self, events: Iterable[Mapping[str, Any]], rejected: Iterable[Mapping[str, Any]]
    ) -> list[Action]:
        """All that was done, each with the events that were tracked from then on until the next.
        `events` and `rejected`: of the run, as the collector answers them."""
        actions = sorted(self._actions, key=lambda action: action.at)
        for event in events:
            _owner(actions, _time(event["occurred_at"])).events.append(dict(event))
        for row in rejected:
            _owner(actions, _time(row["received_at"])).rejected.append(dict(row))
        for action in actions:
            action.events.sort(key=lambda event: (event["occurred_at"], event["seq"]))
        return actions


def _owner(actions: list[Action], at: float) -> Action:
    return next((action for action in reversed(actions) if action.at <= at), actions[0])


def _time(text: str) -> float:
    return 1000 * datetime.fromisoformat(text).timestamp()
