"""Which session and profile a request belongs to, decided in the writer's transaction.

So it holds across workers.

the request has                    result
known session                      the session's own profile, whatever the payload says
new session, known profile         that profile
new session, unknown profile       a new random profile, unless the source allows static profiles
new session, no profile            a new profile
no session                         a new session and a new profile; none where the bridge wants none

A visitor who comes by a link from another site brings that site's profile (`__tt_pid`). If it
exists, a new session gets it rather than the payload's own; if not, it counts as none.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from ..ids import uuid7
from ..ipc import WriteRequest
from ..store import sessions


class Owner(NamedTuple):
    """Whose events a request brought. Both ids are None where none was named and none is made."""

    session_id: str | None
    profile_id: str | None
    unknown_profile: bool = False


NOBODY = Owner(None, None)


def resolve(
    connection: sqlite3.Connection, requests: Sequence[WriteRequest], counts: Sequence[int]
) -> list[Owner]:
    """The owner of each request, in order. Their sessions and profiles exist when this returns.

    `counts`: how many new events each request brings.
    """
    named = {r.payload.session_id for r in requests if r.payload.session_id}
    profile_of = sessions.profiles_of(connection, named)
    known = sessions.known_profiles(connection, _claims(requests, profile_of))
    profile_rows: list[sessions.ProfileRow] = []
    session_rows: list[sessions.SessionRow] = []
    owners: list[Owner] = []
    for request, count in zip(requests, counts, strict=True):
        payload = request.payload
        # A replayed event brings no session back that was forgotten or has expired.
        gone = request.replays is not None and payload.session_id not in profile_of
        if (payload.anonymous and not payload.session_id) or gone:
            owners.append(NOBODY)
            continue
        session_id = payload.session_id or uuid7()
        profile_id = profile_of.get(session_id)
        unknown = False
        if profile_id is None:
            passed = payload.passed_profile
            unknown = passed is not None and passed not in known
            profile_id = _profile_for(request, known)
            known.add(profile_id)
            profile_of[session_id] = profile_id
        profile_rows.append(sessions.profile_row(request, profile_id, count))
        session_rows.append(sessions.session_row(request, session_id, profile_id, count))
        owners.append(Owner(session_id, profile_id, unknown))
    sessions.upsert_profiles(connection, profile_rows)
    sessions.upsert_sessions(connection, session_rows)
    return owners


def _claims(requests: Iterable[WriteRequest], profile_of: dict[str, str]) -> set[str]:
    """Profile ids that matter: those named by requests whose session is new."""
    new = [r.payload for r in requests if (r.payload.session_id or "") not in profile_of]
    return {
        claim for payload in new for claim in (payload.profile_id, payload.passed_profile) if claim
    }


def _profile_for(request: WriteRequest, known: set[str]) -> str:
    payload = request.payload
    if payload.passed_profile and payload.passed_profile in known:
        return payload.passed_profile
    claimed = payload.profile_id
    if claimed and (request.static_profiles or (payload.session_id and claimed in known)):
        return claimed
    return uuid7()
