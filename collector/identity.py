"""Which session and profile a request belongs to, decided inside the writer's transaction, so that it holds across workers.

the request has                    result
known session                      the session's own profile, whatever the payload says
new session, known profile         that profile
new session, unknown profile       a new random profile, unless the source allows static profiles
new session, no profile            a new profile
no session                         a new session and a new profile
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Protocol

from .ids import uuid7
from .payload import Payload
from .store import sessions


class Arrival(Protocol):
    """What identity needs to know of a request."""

    @property
    def payload(self) -> Payload: ...
    @property
    def source_id(self) -> str: ...
    @property
    def static_profiles(self) -> bool: ...
    @property
    def received_at(self) -> str: ...


def resolve(connection: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[tuple[str, str]]:
    """The (session id, profile id) of each request, in order; both exist in the database when this returns."""
    profile_of = sessions.profiles_of(connection, {a.payload.session_id for a in arrivals if a.payload.session_id})
    known = sessions.known_profiles(connection, _claims(arrivals, profile_of))
    new_profiles: list[tuple[str, str]] = []
    seen: list[sessions.SessionRow] = []
    resolved: list[tuple[str, str]] = []
    for arrival in arrivals:
        payload = arrival.payload
        session_id = payload.session_id or uuid7()
        profile_id = profile_of.get(session_id)
        if profile_id is None:
            profile_id = _profile_for(arrival, known)
            if profile_id not in known:
                known.add(profile_id)
                new_profiles.append((profile_id, arrival.received_at))
            profile_of[session_id] = profile_id
        at = arrival.received_at
        seen.append((session_id, profile_id, arrival.source_id, payload.device_id, payload.context, payload.dropped, at, at))
        resolved.append((session_id, profile_id))
    sessions.insert_profiles(connection, new_profiles)
    sessions.upsert_sessions(connection, seen)
    return resolved


def _claims(arrivals: Iterable[Arrival], profile_of: dict[str, str]) -> set[str]:
    """Profile ids that matter: those named by requests whose session is new."""
    return {a.payload.profile_id for a in arrivals if a.payload.profile_id and (a.payload.session_id or "") not in profile_of}


def _profile_for(arrival: Arrival, known: set[str]) -> str:
    claimed = arrival.payload.profile_id
    if claimed and arrival.static_profiles:
        return claimed
    if claimed and arrival.payload.session_id and claimed in known:
        return claimed
    return uuid7()
