"""Finds out why a page's events are not stored: the page itself, its policy, the collector behind it.

Knows the page and the collector from outside only, as a visitor's browser does.
"""

from .check import Check, CouldNotLook, Stage, run_stages
from .codes import CODES
from .findings import Code, Evidence, Finding, Level, Report, StageResult
from .guard import Guard, Refusal
from .text import report_text

__all__ = [
    "CODES",
    "Check",
    "Code",
    "CouldNotLook",
    "Evidence",
    "Finding",
    "Guard",
    "Level",
    "Refusal",
    "Report",
    "Stage",
    "StageResult",
    "report_text",
    "run_stages",
]
