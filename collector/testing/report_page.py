"""The report as one HTML file: nothing is loaded, and nothing in it runs."""

import base64
import binascii
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from .chain import Link
from .plan_coverage import Coverage, Row, coverage_of
from .record import TestRecord
from .report import TestView, latencies, views_of
from .report_drawing import drawing_of

_PACKAGE = Path(__file__).parent.parent
MAX_SHOWN = 200  # events, requests or rejected events of a test that are listed
MAX_TEXT = 4000  # characters of a text that somebody else wrote


def report_html(records: Sequence[TestRecord], plan: Mapping[str, str] | None) -> str:
    """The report of tests, and of what of a plan they have seen."""
    views = views_of(records)
    environment = Environment(
        loader=FileSystemLoader(_folders()),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(ms=_ms, data=_json, cut=_cut, link=_link)
    coverage = coverage_of(records, plan)
    return environment.get_template("report.html").render(
        views=views,
        coverage=coverage,
        matrix=_Matrix(coverage, views),
        latencies=latencies(views),
        totals=_totals(views),
        made_at=datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        drawing=drawing_of,
        images=_images,
        limit=MAX_SHOWN,
    )


def _folders() -> list[Path]:
    inside = _PACKAGE / "_report"
    if inside.is_dir():
        return [inside]
    templates = _PACKAGE.parent / "templates"
    return [templates / "report", templates / "assets"]


def _totals(views: Sequence[TestView]) -> dict[str, int]:
    outcomes = [view.record.outcome for view in views]
    return {
        "tests": len(views),
        "failed": outcomes.count("failed"),
        "events": sum(len(view.record.events) for view in views),
        "rejected": sum(len(view.record.rejected) for view in views),
        "requests": sum(len(view.record.requests) for view in views),
    }


class _Matrix:
    """The tests that are columns: those that have stored something."""

    def __init__(self, coverage: Coverage, views: Sequence[TestView]) -> None:
        seen = {test for row in coverage.rows for test in row.tests}
        self.columns = [
            (number, view) for number, view in enumerate(views, 1) if view.record.node_id in seen
        ]
        self.rows = coverage.rows

    @staticmethod
    def count(row: Row, view: TestView) -> int:
        """How many events of a test had it."""
        return row.tests[view.record.node_id]


def _images(view: TestView) -> list[str]:
    """Screenshots as addresses that contain them. What is no picture is left out."""
    found = []
    for text in view.record.screenshots:
        encoded = text.partition("base64,")[2] if text.startswith("data:") else text
        try:
            content = base64.b64decode(encoded, validate=True)
        except (binascii.Error, ValueError):
            continue
        kind = "jpeg" if content.startswith(b"\xff\xd8") else "png"
        found.append(f"data:image/{kind};base64,{encoded}")
    return found


def _ms(value: float) -> str:
    if abs(value) < 1000:
        return f"{value:.0f} ms"
    return f"{value / 1000:.2f} s"


def _link(name: str) -> str:
    """A broken link's words, by its name in a record."""
    return str(Link[name.upper()]) if name.upper() in Link.__members__ else name


def _json(value: Any) -> str:
    return _cut(json.dumps(value, indent=2, ensure_ascii=False))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
