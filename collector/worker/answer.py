"""What a sender is answered: the contract's bodies, as bytes."""

import json
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import UNSET, Struct, UnsetType, structs

from ..errors import Duplicate, Invalid, Refused, Stored, TooLarge
from ..event.types import Event, Payload
from ..ipc import WriteResult
from ..store.rejected import MAX_DETAIL

MAX_ERRORS = 20  # listed in an answer: it must not be much larger than the request
_encode = msgspec.json.encode


class Answer(Struct, frozen=True, gc=False):
    """An answer to an ingestion request. `code`: its reason code; `body`: JSON."""

    status: int
    code: str
    body: bytes
    retry_after: int | None = None  # seconds


class _Ref(Struct, frozen=True, gc=False):
    id: str


class _Note(Struct, frozen=True, gc=False, omit_defaults=True):
    """What is said of one event, or of the request."""

    reason: str
    index: int | None = None
    id: str | None = None
    detail: str | None = None
    duplicate: bool = False


class _Body(Struct, gc=False):
    """The answer to a stored request, with the contract's keys."""

    task: tuple[str, ...]
    events: list[str]
    profile: _Ref | None
    session: _Ref | None
    ux: tuple[()] = ()
    response: dict[str, Any] = {}
    errors: Sequence[_Note] = ()
    warnings: Sequence[_Note] = ()
    duplicate: bool | UnsetType = UNSET
    missing: Sequence[str] | UnsetType = UNSET
    # Rejected events beyond MAX_ERRORS, by reason.
    unlisted: dict[str, int] | UnsetType = UNSET


def refused(refusal: Refused, request_id: str = "") -> Answer:
    """The answer to a refused request, with the detail as the contract words it.

    `request_id`: where the log has the cause.
    """
    answer = _refused(refusal.status, refusal.code, refusal.detail, refusal.retry_after)
    if not request_id:
        return answer
    body = {"detail": refusal.detail, "request": request_id}
    return structs.replace(answer, body=json.dumps(body).encode())


@lru_cache(maxsize=1024)
def _refused(status: int, code: str, detail: str, retry_after: int | None) -> Answer:
    # With blanks, as the contract has it.
    return Answer(status, code, json.dumps({"detail": detail}).encode(), retry_after)


def stored(
    payload: Payload, result: WriteResult, request_id: str, *, validate_only: bool
) -> Answer:
    """The answer to a stored request."""
    duplicates = result.duplicates
    repeated = bool(duplicates) and len(duplicates) == len(payload.events)
    body = _Body(
        task=(request_id,),
        events=[event.id for event in payload.events],
        profile=_Ref(result.profile_id) if result.profile_id else None,
        session=_Ref(result.session_id) if result.session_id else None,
    )
    if payload.rejected:
        body.errors = [
            _Note(r.reason, r.index, r.id, r.detail[:MAX_DETAIL])
            for r in payload.rejected[:MAX_ERRORS]
        ]
        if len(payload.rejected) > MAX_ERRORS:
            body.unlisted = Counter(r.reason for r in payload.rejected[MAX_ERRORS:])
    noted = result.unknown_profile or result.large_context or validate_only
    if payload.warnings or duplicates or noted:
        body.warnings = _warnings(payload, result, validate_only=validate_only)
    if repeated:
        body.duplicate = True
    if payload.known:
        body.missing = result.missing
    if repeated:
        code = Duplicate.code
    else:
        code = Stored.code if payload.events or not payload.rejected else Invalid.code
    return Answer(200, code, _encode(body))


def _warnings(payload: Payload, result: WriteResult, *, validate_only: bool) -> list[_Note]:
    warnings = [_Note(w.reason, w.index, w.id, w.detail) for w in payload.warnings]
    if result.duplicates:
        warnings += [
            _Note(Duplicate.code, event.index, event.id, duplicate=True)
            for event in _repeated(payload, result.duplicates)
        ]
    if result.unknown_profile:
        detail = "/context/__tt_pid: no such profile exists, so it is ignored"
        warnings.append(_Note(Invalid.code, detail=detail))
    if result.large_context:
        detail = "/context: too large for the session, so it is left out"
        warnings.append(_Note(TooLarge.code, detail=detail))
    if validate_only:
        detail = "The source only validates: events are checked, not kept."
        warnings.append(_Note(Stored.code, detail=detail))
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
