"""What a sender is answered: the contract's bodies, as bytes."""

import json
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from ..errors import Duplicate, Internal, Invalid, Refused, Stored
from ..event.types import Event, Payload
from ..ipc import WriteResult

_encode = msgspec.json.encode


class Answer(NamedTuple):
    """An answer to an ingestion request. `code`: its reason code; `body`: JSON."""

    status: int
    code: str
    body: bytes
    retry_after: int | None = None  # seconds


def refused(refusal: Refused, request_id: str) -> Answer:
    """The answer to a refused request, with the detail as the contract words it."""
    body = {"detail": refusal.detail}
    if refusal.code == Internal.code:
        body["request"] = request_id
    # With blanks, as the contract has it.
    return Answer(refusal.status, refusal.code, json.dumps(body).encode(), refusal.retry_after)


def stored(
    payload: Payload, result: WriteResult, request_id: str, *, validate_only: bool
) -> Answer:
    """The answer to a stored request."""
    duplicates = result.duplicates
    body: dict[str, Any] = {
        "task": [request_id],
        "ux": [],
        "response": {},
        "events": [event.id for event in payload.events],
        "profile": {"id": result.profile_id} if result.profile_id else None,
        "session": {"id": result.session_id} if result.session_id else None,
        "errors": [
            {"index": r.index, "id": r.id, "reason": r.reason, "detail": r.detail}
            for r in payload.rejected
        ],
        "warnings": _warnings(payload, result, validate_only=validate_only),
    }
    all_repeated = bool(duplicates) and len(duplicates) == len(payload.events)
    if all_repeated:
        body["duplicate"] = True
    if payload.known:
        body["missing"] = result.missing
    if all_repeated:
        code = Duplicate.code
    else:
        code = Stored.code if payload.events or not payload.rejected else Invalid.code
    return Answer(200, code, _encode(body))


def _warnings(
    payload: Payload, result: WriteResult, *, validate_only: bool
) -> list[dict[str, Any]]:
    warnings: list[dict[str, Any]] = [
        {"index": w.index, "id": w.id, "reason": w.reason, "detail": w.detail}
        for w in payload.warnings
    ]
    if result.duplicates:
        warnings += [
            {"index": event.index, "id": event.id, "reason": Duplicate.code, "duplicate": True}
            for event in _repeated(payload, result.duplicates)
        ]
    if result.unknown_profile:
        detail = "/context/__tt_pid: no such profile exists, so it is ignored"
        warnings.append({"reason": Invalid.code, "detail": detail})
    if validate_only:
        detail = "The source only validates: events are checked, not kept."
        warnings.append({"reason": Stored.code, "detail": detail})
    return warnings


def _repeated(payload: Payload, duplicates: Sequence[str]) -> list[Event]:
    """The events that were not stored again.

    If an id came several times in one request, the first may have been stored.
    """
    left = Counter(duplicates)
    repeats = []
    for event in reversed(payload.events):
        if left[event.id]:
            left[event.id] -= 1
            repeats.append(event)
    return repeats[::-1]
