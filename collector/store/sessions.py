"""Sessions and profiles, inside the writer's transaction.

A session that returns is mostly what it was, and then nothing is written.
"""

import sqlite3
from typing import NamedTuple

from ..event.session_context import merge_contexts
from ..ipc import WriteRequest

MAX_CONTEXT = 64 * 1024  # characters of a session's merged context
NO_SESSION = 0  # the key of the row that stands for none


class Session(NamedTuple):
    """A session as the writer needs it. `left_out`: the request's context, for its size."""

    key: int
    profile: int
    profile_id: str
    context: str
    device_id: str | None
    last_utm: str | None
    left_out: bool = False


def find_session(connection: sqlite3.Connection, source: int, session_id: str) -> Session | None:
    """A session of this source; None if there is none."""
    row = connection.execute(
        "SELECT s.key, p.key, p.id, s.context, s.device_id, s.last_utm FROM session_rows s"
        " JOIN profile_rows p ON p.key = s.profile WHERE s.id = ? AND s.source = ?",
        (session_id, source),
    ).fetchone()
    return Session(*row) if row else None


def add_session(
    connection: sqlite3.Connection,
    request: WriteRequest,
    source: int,
    session_id: str,
    profile: tuple[int, str],
) -> Session:
    """Stores a new session. `profile`: key and id. A context that is too large is left out."""
    payload = request.payload
    left_out = len(payload.context) > MAX_CONTEXT
    context = "{}" if left_out else payload.context
    key = connection.execute(
        "INSERT INTO session_rows (source, id, profile, device_id, context, first_seen_at,"
        " first_utm, last_utm, country) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (
            source, session_id, profile[0], payload.device_id, context,
            request.received_at, payload.utm, payload.utm, request.sender.country,
        ),
    ).lastrowid  # fmt: skip
    _set_campaign(connection, profile[0], payload.utm)
    return Session(
        int(key or 0), *profile, context, payload.device_id, payload.utm, left_out=left_out
    )


def update_session(
    connection: sqlite3.Connection, session: Session, request: WriteRequest
) -> Session:
    """Stores what a request changes in a session, if it changes anything.

    A later page adds to the context and keeps what it does not mention, the campaign that began the
    session above all. What would make it larger than MAX_CONTEXT is left out.
    """
    payload, key = request.payload, session.key
    session = _with_context(connection, session._replace(left_out=False), payload.context)
    if payload.utm and payload.utm != session.last_utm:
        connection.execute(
            "UPDATE session_rows SET first_utm = coalesce(first_utm, ?1), last_utm = ?1"
            " WHERE key = ?2",
            (payload.utm, key),
        )
        if not session.last_utm:
            _set_changed(connection, key)
        _set_campaign(connection, session.profile, payload.utm)
        session = session._replace(last_utm=payload.utm)
    if payload.device_id and not session.device_id:
        connection.execute(
            "UPDATE session_rows SET device_id = ? WHERE key = ?", (payload.device_id, key)
        )
        session = session._replace(device_id=payload.device_id)
    return session


def add_dropped(connection: sqlite3.Connection, session: int, count: int) -> None:
    """Counts events that the browser had to give up. `session`: a key."""
    connection.execute(
        "UPDATE session_rows SET dropped = dropped + ? WHERE key = ?", (count, session)
    )


def _with_context(connection: sqlite3.Connection, session: Session, patch: str) -> Session:
    if patch in ("{}", session.context):
        return session
    if len(patch) > MAX_CONTEXT:
        return session._replace(left_out=True)
    context = merge_contexts(session.context, patch)
    if context == session.context:
        return session
    if len(context) > MAX_CONTEXT:
        return session._replace(left_out=True)
    connection.execute("UPDATE session_rows SET context = ? WHERE key = ?", (context, session.key))
    _set_changed(connection, session.key)
    return session._replace(context=context)


def _set_changed(connection: sqlite3.Connection, session: int) -> None:
    """What was counted of a session may not hold any more (rollups.py)."""
    connection.execute("INSERT OR IGNORE INTO changed_sessions VALUES (?)", (session,))


def _set_campaign(connection: sqlite3.Connection, profile: int, utm: str | None) -> None:
    if utm:
        connection.execute(
            "UPDATE profile_rows SET first_utm = coalesce(first_utm, ?1), last_utm = ?1"
            " WHERE key = ?2 AND last_utm IS NOT ?1",
            (utm, profile),
        )


def find_profile(
    connection: sqlite3.Connection, profile_id: str, scope: str
) -> tuple[int, str] | None:
    """Key and id of a profile of this scope; None if there is none."""
    find = "SELECT key FROM profile_rows WHERE id = ? AND scope = ?"
    row = connection.execute(find, (profile_id, scope)).fetchone()
    return (int(row[0]), profile_id) if row else None


def add_profile(
    connection: sqlite3.Connection, profile_id: str, scope: str, at: str
) -> tuple[int, str]:
    """Stores a new profile. Returns key and id."""
    insert = "INSERT INTO profile_rows (id, scope, first_seen_at) VALUES (?, ?, ?)"
    return int(connection.execute(insert, (profile_id, scope, at)).lastrowid or 0), profile_id


def ensure_profile(
    connection: sqlite3.Connection, profile_id: str, scope: str, at: str
) -> tuple[int, str]:
    """Stores a profile unless it is stored. Returns key and id."""
    insert = (
        "INSERT INTO profile_rows (id, scope, first_seen_at) VALUES (?, ?, ?)"
        " ON CONFLICT (id, scope) DO NOTHING"
    )
    added = connection.execute(insert, (profile_id, scope, at))
    if added.rowcount:
        return int(added.lastrowid or 0), profile_id
    find = "SELECT key FROM profile_rows WHERE id = ? AND scope = ?"
    return int(connection.execute(find, (profile_id, scope)).fetchone()[0]), profile_id
