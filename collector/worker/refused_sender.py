"""What the log says of a sender that was refused: from where, which source, and the cure."""

import re

from ..errors import (
    BridgeNotAllowed,
    DisabledSource,
    OriginNotAllowed,
    Refused,
    UnknownSource,
)
from ..store import Source

# What browsers send as an origin. Anything else is a stranger's text, and is not repeated.
_ORIGIN = re.compile(r"https?://[A-Za-z0-9.:\[\]-]{1,100}|null")
_SOURCE = re.compile(r"[0-9A-Fa-f-]{8,64}")
SHOWN = 8  # characters of an unknown id: enough to recognize it


def describe_sender(
    refusal: Refused, source: Source | None, source_id: str | None, origin: str | None
) -> str | None:
    """A text that is the same for all requests of this kind; None for refusals that have nothing to
    do with who sends. `source_id`: what the request names, if `source` is None."""
    cause = _cause_of(refusal, source, source_id)
    if cause is None:
        return None
    sender = "no page"
    if origin:
        sender = origin if _ORIGIN.fullmatch(origin) else "an odd origin"
    return f"from {sender}: {cause}"


def _cause_of(refusal: Refused, source: Source | None, source_id: str | None) -> str | None:
    if isinstance(refusal, UnknownSource):
        is_id = source_id and _SOURCE.fullmatch(source_id)
        what = (
            f"unknown source {source_id[:SHOWN]}…" if source_id and is_id else "no valid source id"
        )
        return f"{what}: `thamesthrive source list`"
    if source is None:
        return None
    if isinstance(refusal, DisabledSource):
        return f"source {source.id} is disabled: `thamesthrive source enable {source.id}`"
    show = f"`thamesthrive source show {source.id}`"
    if isinstance(refusal, BridgeNotAllowed):
        return f"source {source.id} does not accept this bridge: {show}"
    if isinstance(refusal, OriginNotAllowed):
        return f"source {source.id} does not list this origin: {show}"
    return None
