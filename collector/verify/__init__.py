"""Finds out why a page's events are not stored: the page itself, its policy, the collector behind it.

Knows the page and the collector from outside only, as a visitor's browser does.
"""

from .check import Check, CouldNotLook, Stage, run_stages
from .codes import CODES
from .collector import CollectorStage
from .findings import Code, Evidence, Finding, Level, Report, StageResult
from .guard import Guard, Limits, Refusal
from .static import StaticStage
from .text import report_text
from .verification import BROWSER_STAGES, STAGES, verify

__all__ = [
    "BROWSER_STAGES",
    "CODES",
    "STAGES",
    "Check",
    "Code",
    "CollectorStage",
    "CouldNotLook",
    "Evidence",
    "Finding",
    "Guard",
    "Level",
    "Limits",
    "Refusal",
    "Report",
    "Stage",
    "StageResult",
    "StaticStage",
    "report_text",
    "run_stages",
    "verify",
]
