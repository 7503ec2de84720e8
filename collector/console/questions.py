"""Questions as the address of a page has them: fields of a form, named as the command's options."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from msgspec.structs import replace

from ..errors import StoreError
from ..store.analyses import AnyAnalysis, Explore, Funnel, Retention
from .page import Call
from .responses import ROOT

# Each kind: its path, its title, its class, and the names of its fields in an address.
_TIMES = ("source", "days", "since", "until")


@dataclass(frozen=True)
class Kind:
    """A kind of question. `fields`: names in the address, and what they are in the analysis.
    `lead`: what it answers, in a sentence."""

    path: str
    title: str
    analysis: type[AnyAnalysis]
    fields: Mapping[str, str]
    lead: str = ""


KINDS = (
    Kind(
        "/explore",
        "Explore",
        Explore,
        {name: name for name in ("measure", "of", "by", "where", "interval", "limit", *_TIMES)}
        | {"type": "types"},
    ),
    Kind(
        "/explore/funnel",
        "Funnel",
        Funnel,
        {name: name for name in ("within", *_TIMES)} | {"step": "steps"},
        "Of those who took the first step, how many visitors took the next ones, in this order, and"
        " where the others stopped.",
    ),
    Kind(
        "/explore/retention",
        "Retention",
        Retention,
        {name: name for name in ("first", "interval", *_TIMES)} | {"return": "back"},
        "Of the visitors who began in a week, how many came back one, two or more weeks later.",
    ),
)
_LISTS = ("types", "where", "steps")
_NUMBERS = ("limit", "days")


def kind_of(analysis: AnyAnalysis) -> Kind:
    """The kind of an analysis."""
    return next(kind for kind in KINDS if isinstance(analysis, kind.analysis))


def is_asked(call: Call, kind: Kind) -> bool:
    """Whether the address asks anything, or just opens the form."""
    return any(text.strip() for name in kind.fields for text in call.lists.get(name, ()))


def read_question(call: Call, kind: Kind) -> AnyAnalysis:
    """What an address asks, with the source that the session is limited to. Raises StoreError."""
    values: dict[str, Any] = {}
    for name, field in kind.fields.items():
        texts = tuple(text.strip() for text in call.lists.get(name, ()) if text.strip())
        if not texts:
            continue
        if field in _LISTS:
            values[field] = texts
        elif field in _NUMBERS:
            values[field] = _number(name, texts[0])
        else:
            values[field] = texts[0]
    if values.get("since") or values.get("until"):
        values.pop("days", None)  # what the form's list says besides
    found: AnyAnalysis = kind.analysis(**values)
    if not is_asked(call, kind) and isinstance(found, Explore):
        found = replace(found, interval="day")  # something to see at first
    limited = call.session.source_id
    if limited is not None and not found.source:
        found = replace(found, source=limited)
    found.sources(call.source_ids)
    found.check()
    return found


def _number(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 10):
        raise StoreError(f"{name} must be a whole number, not {text!r}.")
    return int(text)


def address_of(analysis: AnyAnalysis, **more: str) -> str:
    """The page that asks this."""
    kind = kind_of(analysis)
    names = {field: name for name, field in kind.fields.items()}
    values = {names[field]: value for field, value in analysis.as_dict().items() if field != "kind"}
    # So that it is an address that asks, even where all is as by default.
    values.setdefault("days", 0 if analysis.since or analysis.until else analysis.DAYS)
    query = urlencode({name: value for name, value in {**values, **more}.items() if value}, True)
    return f"{ROOT}{kind.path}?{query}"


def texts_of(call: Call, kind: Kind, analysis: AnyAnalysis | None) -> dict[str, list[str]]:
    """What the fields of the form have in them: what was asked, right or wrong."""
    found = {name: [text for text in call.lists.get(name, ()) if text] for name in kind.fields}
    shown = analysis or kind.analysis()  # what it is by default, if nothing can be asked yet
    for name, field in kind.fields.items():
        value = getattr(shown, field)
        if not found[name] and value:
            found[name] = [str(one) for one in value] if field in _LISTS else [str(value)]
    if not found["days"] and not found["since"] and not found["until"]:
        found["days"] = [str(shown.DAYS)]
    return found
