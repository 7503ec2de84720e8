"""Steps of a visitor: events of a type that meet conditions, as people write them:
`purchase-order`, `page-view where context.page.path=/sale and plan!=free`."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from ..errors import StoreError
from ..event.types import is_valid_type
from .conditions import Condition, parse_condition
from .rows import Term
from .selection import VISITOR, Selection, joined

ANY = "*"
_WHERE = re.compile(r"\s+where(?:\s+|\Z)")
_AND = re.compile(r"""((?:"(?:[^"\\]|\\.)*"|'[^']*'|.)+?)(?:\s+and\s+|\Z)""", re.DOTALL)

# Milliseconds since 1970. A Julian day is exact to less than a tenth of one, and `strftime` takes six
# times as long.
TIME = "CAST(round((julianday(e.occurred_at) - 2440587.5) * 86400000) AS INTEGER)"
IS_VISITOR = f"NOT e.bot AND e.{VISITOR} IS NOT NULL"


@dataclass(frozen=True)
class Step:
    """Events of a type, None for any, that meet all conditions. `text`: as it was written."""

    text: str
    type: str | None
    where: tuple[Condition, ...] = ()

    def term(self, type_is: Callable[[str], Term]) -> Term:
        """A term that such an event meets, over `e`."""
        of_type = [type_is(self.type)] if self.type is not None else []
        text, values = joined([*of_type, *(condition.sql() for condition in self.where)])
        return f"({text})", values


def parse_step(text: str) -> Step:
    """Reads a step. Raises StoreError, which says what is right."""
    name, word, conditions = text.strip(), "", ""
    quoted = re.match(r'"(?:[^"\\]|\\.)*"', name)
    if found := _WHERE.search(name, quoted.end() if quoted else 0):
        name, word, conditions = name[: found.start()], "where", name[found.end() :]
    try:
        kind = str(json.loads(name, strict=False)) if name[:1] == '"' else name
    except ValueError:
        kind = ""
    if not is_valid_type(kind):
        raise StoreError(
            f"{text!r} is not a step. Write an event type, and conditions if there are any, as in"
            " 'purchase-order' or 'page-view where context.page.path=/sale and plan=pro'."
        )
    parts = [part for part in _AND.findall(conditions) if part] if word else []
    if word and (not parts or re.search(r"\s+and\Z", conditions)):
        raise StoreError(
            f"{text!r} has no condition after its last word. Write one, as in price>10."
        )
    where = tuple(parse_condition(part) for part in parts)
    return Step(text.strip(), None if name == ANY else kind, where)


def selection_of(
    steps: Iterable[Step], sources: tuple[str, ...] | None, since: str | None, until: str | None
) -> Selection:
    """The events that any of these steps may be."""
    kinds = [step.type for step in steps]
    known = tuple(dict.fromkeys(kind for kind in kinds if kind is not None))
    return Selection(sources, () if None in kinds else known, since, until)


def columns_of(steps: Iterable[Step]) -> set[str]:
    """The columns of rows that steps and visitors need."""
    return {"bot", VISITOR} | {condition.column for step in steps for condition in step.where}


def type_of_view(name: str) -> Term:
    """For `Step.term` over the view."""
    return "e.type = ?", [name]
