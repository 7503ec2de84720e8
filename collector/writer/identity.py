"""Which session and profile a request belongs to, decided in the writer's transaction.

So it holds across workers.

the request has                    result
known session                      the session's own profile, whatever the payload says
new session, known profile         that profile
new session, unknown profile       a new random profile, unless the source allows static profiles
new session, no profile            a new profile
no session                         a new session and a new profile; none where the bridge wants none

A session is known to the source that it belongs to: what another source sends under its id is
another session. A profile is known to the sources of its scope. A visitor who comes by a link from another site brings that site's profile
(`__tt_pid`). If it exists, a new session gets it rather than the payload's own; if not, it counts
as none.
"""

import sqlite3
from typing import NamedTuple

from ..ids import uuid7
from ..ipc import WriteRequest
from ..store import sessions
from ..store.connection import changes_of_others
from ..store.keys import Keys

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
    """The owners of requests, inside the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection, keys: Keys, known: KnownSessions) -> None:
        self._connection = connection
        self._keys = keys
        self._known = known

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
            profile, unknown = self._profile_for(request)
            session = sessions.add_session(self._connection, request, source, session_id, profile)
        self._known.add((source, session_id), session)
        return Owner(session.key, session_id, session.profile_id, unknown, session.left_out)

    def _find(self, source: int, session_id: str) -> sessions.Session | None:
        known = self._known.get((source, session_id))
        return known or sessions.find_session(self._connection, source, session_id)

    def _profile_for(self, request: WriteRequest) -> tuple[tuple[int, str], bool]:
        """The profile of a new session, and whether it was passed on one that does not exist."""
        payload, connection, scope = request.payload, self._connection, request.profile_scope
        unknown = False
        if payload.passed_profile:
            passed = sessions.find_profile(connection, payload.passed_profile, scope)
            if passed:
                return passed, False
            unknown = True
        claimed, at = payload.profile_id, request.received_at
        if claimed and (request.static_profiles or payload.session_id):
            known = sessions.find_profile(connection, claimed, scope)
            if known:
                return known, unknown
            if request.static_profiles:
                return sessions.add_profile(connection, claimed, scope, at), unknown
        return sessions.add_profile(connection, uuid7(), scope, at), unknown
