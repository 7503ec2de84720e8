"""Which session and profile a request belongs to, decided inside the writer's transaction, so that
it holds across workers.

the request has                    result known session                      the session's own
profile, whatever the payload says new session, known profile         that profile new session,
unknown profile       a new random profile, unless the source allows static profiles new session, no
profile            a new profile no session                         a new session and a new profile;
none of both where the bridge wants none

A visitor who comes by a link from another site brings that site's profile (`__tt_pid`): if it
exists it goes before the payload's own, for new sessions; if not it is as good as none.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from .ids import uuid7
from .jobs import Job
from .store import sessions


class Owner(NamedTuple):
    """Whose events a request brought. Both ids are None where none was named and none is made."""

    session_id: str | None
    profile_id: str | None
    forged: bool = False


NOBODY = Owner(None, None)


def resolve(
    connection: sqlite3.Connection, jobs: Sequence[Job], counts: Sequence[int]
) -> list[Owner]:
    """The owner of each request, in order; sessions and profiles exist in the database when this
    returns.

    `counts`: how many new events each request brings.
    """
    profile_of = sessions.profiles_of(
        connection, {j.payload.session_id for j in jobs if j.payload.session_id}
    )
    known = sessions.known_profiles(connection, _claims(jobs, profile_of))
    profiles: list[sessions.ProfileRow] = []
    visits: list[sessions.SessionRow] = []
    owners: list[Owner] = []
    for job, count in zip(jobs, counts, strict=True):
        payload = job.payload
        if payload.anonymous and not payload.session_id:
            owners.append(NOBODY)
            continue
        session_id = payload.session_id or uuid7()
        profile_id = profile_of.get(session_id)
        forged = False
        if profile_id is None:
            forged = payload.passed_profile is not None and payload.passed_profile not in known
            profile_id = _profile_for(job, known)
            known.add(profile_id)
            profile_of[session_id] = profile_id
        at, utm = job.received_at, payload.utm
        profiles.append((profile_id, at, at, count, utm, utm))
        visits.append(
            (
                session_id,
                profile_id,
                job.source_id,
                payload.device_id,
                payload.context,
                payload.dropped,
                at,
                at,
                count,
                utm,
                utm,
            )
        )
        owners.append(Owner(session_id, profile_id, forged))
    sessions.upsert_profiles(connection, profiles)
    sessions.upsert_sessions(connection, visits)
    return owners


def _claims(jobs: Iterable[Job], profile_of: dict[str, str]) -> set[str]:
    """Profile ids that matter: those named by requests whose session is new."""
    new = [j.payload for j in jobs if (j.payload.session_id or "") not in profile_of]
    return {
        claim for payload in new for claim in (payload.profile_id, payload.passed_profile) if claim
    }


def _profile_for(job: Job, known: set[str]) -> str:
    payload = job.payload
    if payload.passed_profile and payload.passed_profile in known:
        return payload.passed_profile
    claimed = payload.profile_id
    if claimed and (job.static_profiles or (payload.session_id and claimed in known)):
        return claimed
    return uuid7()
