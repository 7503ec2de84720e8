"""Which session and profile a request belongs to, decided in the writer's transaction.

So it holds across workers.

the request has                    result
known session                      the session's own profile, whatever the payload says
new session, known profile         that profile
new session, unknown profile       a new profile, unless the source allows static profiles
new session, no profile            a new profile
no session                         a new session and a new profile; none where the bridge wants none

A session is known to the source that it belongs to: what another source sends under its id is
another session. A profile is known to the sources of its scope. A visitor who comes by a link from another site brings that site's profile
(`__tt_pid`). If it exists, a new session gets it rather than the payload's own; if not, it counts
as none.

The id of a new profile is random. Where machines share a secret it is derived from the session
instead (profile_ids.py), so that all of them give the same; and an id that verifies is known, unless
the profile was forgotten.
"""

import sqlite3
from itertools import count
from typing import NamedTuple

from ..ids import uuid7
from ..ipc import WriteRequest
from ..profile_ids import ProfileIds
from ..store import sessions
from ..store.connection import changes_of_others
from ..store.former_ids import first_id
from ..store.keys import Keys
from ..store.tombstones import is_forgotten_profile

MAX_KNOWN = 10_000  # sessions in memory
MAX_KNOWN_CONTEXT = 4096  # characters of the context of one that is kept there


class Owner(NamedTuple):
    """Whose events a request brought. `session`: the key; both ids are None where there is none.

    `large_context`: the request's context was left out, for its size.
    """

    session: int
    session_id: str | None
    profile_id: str | None
    unknown_profile: bool = False
    large_context: bool = False


NOBODY = Owner(sessions.NO_SESSION, None, None)


class KnownSessions:
    """Sessions of former groups, so that one that returns is not looked up again.

    They hold as long as nobody else has changed the database. What a transaction adds counts once
    it is committed.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], sessions.Session] = {}
        self._added: dict[tuple[int, str], sessions.Session] = {}
        self._version = -1

    def begin(self, connection: sqlite3.Connection) -> None:
        """A transaction has begun, so nobody else can change anything now."""
        version = changes_of_others(connection)
        if version != self._version:
            self.clear()
            self._version = version

    def get(self, key: tuple[int, str]) -> sessions.Session | None:
        """A session by source and id."""
        return self._added.get(key) or self._known.get(key)

    def add(self, key: tuple[int, str], session: sessions.Session) -> None:
        """A session as it is now, inside the transaction."""
        self._added[key] = session

    def commit(self) -> None:
        """The transaction was committed."""
        if len(self._known) > MAX_KNOWN:
            self._known.clear()
        for key, session in self._added.items():
            if len(session.context) + len(session.last_utm or "") <= MAX_KNOWN_CONTEXT:
                self._known[key] = session
            else:
                self._known.pop(key, None)
        self._added.clear()

    def clear(self) -> None:
        """Forgets them: a transaction was rolled back, or rows were removed."""
        self._known.clear()
        self._added.clear()


class Identities:
    """The owners of requests, inside one transaction of the writer. `profile_ids`: of the secret
    that machines share, if there is one."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        keys: Keys,
        known: KnownSessions,
        profile_ids: ProfileIds | None = None,
    ) -> None:
        self._connection = connection
        self._keys = keys
        self._known = known
        self._profile_ids = profile_ids
        self._first_ids: dict[str, str] = {}

    def owner_of(self, request: WriteRequest) -> Owner:
        """The owner of a request. Its session and profile exist when this returns."""
        payload = request.payload
        named = payload.session_id
        if payload.anonymous and not named:
            return NOBODY
        source = self._keys.source(self._connection, request.source_id)
        session = self._find(source, named) if named else None
        if session is None and request.replays is not None:
            return NOBODY  # a replayed event brings no session back that was forgotten or expired
        unknown = False
        if session:
            session_id = named or ""
            session = sessions.update_session(self._connection, session, request)
        else:
            session_id = named or uuid7()
            profile, unknown = self._profile_for(request, session_id)
            session = sessions.add_session(self._connection, request, source, session_id, profile)
        self._known.add((source, session_id), session)
        return Owner(session.key, session_id, session.profile_id, unknown, session.left_out)

    def _find(self, source: int, session_id: str) -> sessions.Session | None:
        known = self._known.get((source, session_id))
        return known or sessions.find_session(self._connection, source, session_id)

    def _profile_for(self, request: WriteRequest, session_id: str) -> tuple[tuple[int, str], bool]:
        """The profile of a new session, and whether it was passed on one that does not exist."""
        payload = request.payload
        unknown = False
        if payload.passed_profile:
            passed = self._find_profile(payload.passed_profile, request)
            if passed:
                return passed, False
            unknown = True
        claimed = payload.profile_id
        if claimed and (request.static_profiles or payload.session_id):
            known = self._find_profile(claimed, request)
            if known:
                return known, unknown
            if request.static_profiles:
                return self._add_profile(claimed, request), unknown
        return self._new_profile(request, session_id), unknown

    def _find_profile(self, profile_id: str, request: WriteRequest) -> tuple[int, str] | None:
        """A known profile: one that is stored, or whose id verifies."""
        scope, ids = request.profile_scope, self._profile_ids
        found = sessions.find_profile(self._connection, profile_id, scope)
        if found or ids is None or not ids.verifies(profile_id, scope):
            return found
        if is_forgotten_profile(self._connection, profile_id):
            return None
        return self._add_profile(profile_id, request)

    def _new_profile(self, request: WriteRequest, session_id: str) -> tuple[int, str]:
        """A profile that nobody else has; where machines share a secret, that of the session."""
        connection, scope, ids = self._connection, request.profile_scope, self._profile_ids
        if ids is None:
            return self._add_profile(uuid7(), request)
        source = self._first_id(request.source_id)
        issued = (ids.issue(session_id, source, scope, attempt) for attempt in count())
        derived = next(one for one in issued if not is_forgotten_profile(connection, one))
        # It is stored if another machine's visitor has brought it, or the session has expired.
        return sessions.ensure_profile(connection, derived, scope, request.received_at)

    def _first_id(self, source_id: str) -> str:
        """What a source is known by on all machines, also while one does not know its new id yet."""
        found = self._first_ids.get(source_id)
        if found is None:
            found = self._first_ids[source_id] = first_id(self._connection, source_id)
        return found

    def _add_profile(self, profile_id: str, request: WriteRequest) -> tuple[int, str]:
        scope, at = request.profile_scope, request.received_at
        return sessions.add_profile(self._connection, profile_id, scope, at)
