"""Tracking plans: what the properties of each type of event must be, as files that a team keeps.

Read from files, inferred from events, written as files, and made into TypeScript.
"""

from .files import Plan, plan_json, read_plan, write_plan
from .infer import infer_plan
from .typescript import declarations_of

__all__ = ["Plan", "declarations_of", "infer_plan", "plan_json", "read_plan", "write_plan"]
