"""A whole verification, by the names of its stages."""

from collections.abc import Callable, Mapping, Sequence

from .check import Check, Stage, run_stages
from .collector import CollectorStage
from .findings import Report
from .static import StaticStage

STAGES: Mapping[str, Callable[[], Stage]] = {
    "static": StaticStage,
    "collector": CollectorStage,
}
"""The stages that need nothing but the network, in their order."""

BROWSER_STAGES = ("browser", "storage")
"""Those that follow: see `browser_stage`."""


def verify(check: Check, stages: Sequence[str] = tuple(STAGES)) -> Report:
    """Runs those of STAGES that are named in their order, whatever the order of the names."""
    return run_stages(check, [make() for name, make in STAGES.items() if name in stages])
