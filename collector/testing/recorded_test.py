"""A recording as a test for pytest."""

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any
from urllib.parse import urlsplit

from .matching import differences
from .recording import Action

WIDTH = 100
_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
# Values of this look are others each time: ids, times, long random texts.
_PASSING = re.compile(
    rf"{_UUID}|\d{{4}}-\d\d-\d\dT.*|[0-9a-f]{{24,}}|\d{{10}}|\d{{13}}", re.IGNORECASE
)
_EPOCHS = ((1_500_000_000, 2_500_000_000), (1_500_000_000_000, 2_500_000_000_000))


def as_test(url: str, options: str, actions: Sequence[Action], refused: Sequence[str]) -> str:
    """A test module that does what was done, and expects the events that came of it. `options`:
    that pytest is to be run with. `refused`: reasons for which requests were refused.

    Values that look as if they were others each time, such as ids and times, are ANY.
    """
    body = [*_body(actions), *(f"tracking.expect_refused({_text(word)})" for word in refused)]
    text = "\n".join(body)
    imports = []
    if "os.environ" in text:
        imports += ["import os", ""]
    names = "ANY, Tracking" if re.search(r"\bANY\b", text) else "Tracking"
    imports += [
        "from playwright.sync_api import Page",
        "",
        f"from collector.testing import {names}",
    ]
    name = re.sub(r"[^a-z0-9]+", "_", urlsplit(url).path.lower()).strip("_") or "page"
    return "\n".join(
        [
            f'"""Recorded by `thamesthrive qa record {_quiet(url)}`.',
            "",
            f"Run it: pytest {_quiet(options)}",
            '"""',
            "",
            *imports,
            "",
            "",
            f"def test_{name}(page: Page, tracking: Tracking) -> None:",
            *(f"    {line}" if line else "" for line in body),
            "",
        ]
    )


def _quiet(url: str) -> str:
    """An address that cannot end the docstring that it is in."""
    return url.replace("\\", "%5C").replace('"', "%22")


def _body(actions: Sequence[Action]) -> Iterator[str]:
    everything = [event for action in actions for event in action.events]
    seen = 0
    for number, action in enumerate(actions):
        if number:
            yield ""
        yield from _done(action)
        seen += len(action.events)
        last = {_wanted(event): event for event in action.events}
        for wanted, event in last.items():
            yield from _expected(wanted, event, everything, seen)
        for row in action.rejected:
            yield from _rejected(row)


def _done(action: Action) -> Iterator[str]:
    if action.kind == "goto":
        yield f"page.goto({_text(action.value)})"
    elif action.kind == "reload":
        yield "page.reload()"
    elif action.kind == "back":
        yield "page.go_back()"
    else:
        method = {"select": "select_option"}.get(action.kind, action.kind)
        given = "" if action.value is None else _typed(action.value)
        if action.is_secret:
            yield "# A password is not recorded: set it in the environment."
            given = 'os.environ["PASSWORD"]'
        yield f"{_locator(action.target)}.{method}({given})"
        if action.kind == "fill" and (action.events or action.rejected):
            yield f"{_locator(action.target)}.blur()"  # pages hear of a change then


def _locator(target: dict[str, str]) -> str:
    value = _text(target["value"])
    if target["by"] == "role":
        return f"page.get_by_role({_text(target['role'])}, name={value}, exact=True)"
    if target["by"] == "label":
        return f"page.get_by_label({value}, exact=True)"
    return (
        f"page.get_by_test_id({value})" if target["by"] == "test_id" else f"page.locator({value})"
    )


def _wanted(event: dict[str, Any]) -> str:
    """What is expected of an event, as code."""
    properties = event["properties"]
    given = [_text(event["type"]), *([_literal(properties)] if properties else [])]
    return ", ".join(given)


def _expected(
    wanted: str, event: dict[str, Any], everything: list[dict[str, Any]], seen: int
) -> Iterator[str]:
    """An expectation. It says how often only where that holds until the end of the test, or another
    one for the same events follows."""
    matching = [place for place, one in enumerate(everything) if _accepts(event, one)]
    until_now = sum(place < seen for place in matching)
    later = [one for one in everything[seen:] if _accepts(event, one)]
    is_known = all(_wanted(one) == wanted for one in later)
    times = f", times={until_now}" if is_known else ""
    yield from _call(f"tracking.expect({wanted}{times})", event, times)


def _accepts(wanted: dict[str, Any], event: dict[str, Any]) -> bool:
    return wanted["type"] == event["type"] and not differences(
        _stable(wanted["properties"]), _stable(event["properties"])
    )


def _call(line: str, event: dict[str, Any], times: str) -> Iterator[str]:
    if len(line) <= WIDTH - 4 or not event["properties"]:
        yield line
        return
    yield "tracking.expect("
    yield f"    {_text(event['type'])},"
    yield "    {"
    for key, value in event["properties"].items():
        yield f"        {_text(key)}: {_literal(value)},"
    yield "    },"
    if times:
        yield f"    {times.removeprefix(', ')},"
    yield ")"


def _rejected(row: dict[str, Any]) -> Iterator[str]:
    given = [_text(row["reason"])]
    for name in ("pointer", "type"):
        if row.get(name):
            given.append(f"{name}={_text(row[name])}")
    yield f"tracking.expect_rejected({', '.join(given)})"


def _is_passing(value: Any) -> bool:
    if isinstance(value, str):
        return _PASSING.fullmatch(value) is not None
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and any(low <= value <= high for low, high in _EPOCHS)


def _stable(value: Any) -> Any:
    """A value in which all that passes is the same."""
    if isinstance(value, dict):
        return {key: _stable(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_stable(inner) for inner in value]
    return "…" if _is_passing(value) else value


def _literal(value: Any) -> str:
    """A value of an event as Python."""
    if _is_passing(value):
        return "ANY"
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, dict):
        pairs = (f"{_text(key)}: {_literal(inner)}" for key, inner in value.items())
        return f"{{{', '.join(pairs)}}}"
    if isinstance(value, list):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(value)


def _typed(value: str | list[str]) -> str:
    """What a person typed or chose, as Python."""
    return _text(value) if isinstance(value, str) else f"[{', '.join(map(_text, value))}]"


def _text(text: str) -> str:
    """A text as Python, in double quotes where it can be."""
    return json.dumps(text, ensure_ascii=False) if text.isprintable() else repr(text)
