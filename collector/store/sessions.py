"""Sessions and profiles, inside the writer's transaction."""

import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from ..ipc import WriteRequest
from .rows import insert_rows

_decode_dict = msgspec.json.Decoder(dict[str, str]).decode
_decode_list = msgspec.json.Decoder(list[str]).decode


def _encode(ids: list[str]) -> str:
    return msgspec.json.encode(ids).decode()


_SESSION = """INSERT INTO sessions
    (id, profile_id, source_id, device_id, context, dropped, first_seen_at, last_seen_at, events,
    first_utm, last_utm)"""
# A later page of a visit adds to its context and keeps what it does not mention, the campaign that
# began it above all.
_SESSION_AGAIN = """
    ON CONFLICT (id) DO UPDATE SET
        last_seen_at = max(last_seen_at, excluded.last_seen_at),
        events = events + excluded.events,
        dropped = dropped + excluded.dropped,
        device_id = coalesce(device_id, excluded.device_id),
        first_utm = coalesce(first_utm, excluded.first_utm),
        last_utm = coalesce(excluded.last_utm, last_utm),
        context = CASE WHEN excluded.context IN ('{}', context) THEN context
            ELSE json_patch(context, excluded.context) END
"""
_PROFILE = "INSERT INTO profiles (id, first_seen_at, last_seen_at, events, first_utm, last_utm)"
_PROFILE_AGAIN = """
    ON CONFLICT (id) DO UPDATE SET
        last_seen_at = max(last_seen_at, excluded.last_seen_at),
        events = events + excluded.events,
        first_utm = coalesce(first_utm, excluded.first_utm),
        last_utm = coalesce(excluded.last_utm, last_utm)
"""


SessionRow = tuple[str, str, str, str | None, str, int, str, str, int, str | None, str | None]
ProfileRow = tuple[str, str, str, int, str | None, str | None]


def session_row(request: WriteRequest, session_id: str, profile_id: str, events: int) -> SessionRow:
    """A request's session as a row for `upsert_sessions`. `events`: new ones that it brings."""
    payload, at = request.payload, request.received_at
    return (
        session_id, profile_id, request.source_id, payload.device_id, payload.context,
        payload.dropped, at, at, events, payload.utm, payload.utm,
    )  # fmt: skip


def profile_row(request: WriteRequest, profile_id: str, events: int) -> ProfileRow:
    """A request's profile as a row for `upsert_profiles`. `events`: new ones that it brings."""
    at, utm = request.received_at, request.payload.utm
    return profile_id, at, at, events, utm, utm


def profiles_of(connection: sqlite3.Connection, session_ids: Collection[str]) -> dict[str, str]:
    """The profile of each of these sessions that exists."""
    if not session_ids:
        return {}
    (found,) = connection.execute(
        "SELECT json_group_object(id, profile_id) FROM sessions"
        " WHERE id IN (SELECT value FROM json_each(?))",
        (_encode(list(session_ids)),),
    ).fetchone()
    return _decode_dict(found)


def known_profiles(connection: sqlite3.Connection, profile_ids: Collection[str]) -> set[str]:
    """Which of these profiles exist."""
    if not profile_ids:
        return set()
    (found,) = connection.execute(
        "SELECT json_group_array(id) FROM profiles WHERE id IN (SELECT value FROM json_each(?))",
        (_encode(list(profile_ids)),),
    ).fetchone()
    return set(_decode_list(found))


def upsert_profiles(connection: sqlite3.Connection, rows: Sequence[ProfileRow]) -> None:
    """Stores profiles, new or seen again."""
    insert_rows(connection, _PROFILE, rows, _PROFILE_AGAIN)


def upsert_sessions(connection: sqlite3.Connection, rows: Sequence[SessionRow]) -> None:
    """Stores sessions, new or seen again."""
    insert_rows(connection, _SESSION, rows, _SESSION_AGAIN)
