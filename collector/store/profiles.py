"""One visitor's story: which profile an id belongs to, its sessions, and its events."""

import json
import sqlite3
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ..event.visit import campaign_of, client_of
from .connection import snapshot
from .erasure import no_profile, require_profile
from .events import StoredEvent, last_seq, list_events
from .rollup_tables import LIVE
from .rollup_visits import Visit, known_visits, visit_of
from .rows import ANY_RUN

PROFILE, SESSION, EVENT = "profile", "session", "event"  # what an id may be
MAX_MATCHES = 100  # of each kind
MAX_LOOKED_AT = 1000  # events of a session in which its pages are looked for
MAX_KEY = 2**63 - 1

# `:sources` is a JSON array of ids, or NULL for all of them.
_IDS = "(SELECT value FROM json_each(:sources))"
_OWN_SESSION = f"(:sources IS NULL OR s.source IN (SELECT key FROM source_keys WHERE id IN {_IDS}))"
_OWN_REJECTED = f"profile_id = :id AND (:sources IS NULL OR source_id IN {_IDS})"
_OF_PROFILE = (
    "profile_rows p CROSS JOIN session_rows s ON s.profile = p.key"
    f" WHERE p.id = :id AND {_OWN_SESSION}"
)
_REQUESTS = "FROM request_rows r WHERE r.session = s.key"
_EVENTS = (
    "FROM request_rows r CROSS JOIN event_rows e ON e.seq BETWEEN r.key AND r.key + r.events - 1"
    " AND e.request = r.key WHERE r.session = s.key"
)
_FIND = {
    PROFILE: f"""
        SELECT p.id, NULL FROM profile_rows p WHERE p.id = :id AND (:sources IS NULL
            OR EXISTS (SELECT 1 FROM session_rows s WHERE s.profile = p.key AND {_OWN_SESSION}))
        UNION SELECT profile_id, NULL FROM rejected WHERE {_OWN_REJECTED}
    """,
    SESSION: f"""
        SELECT p.id, nullif(k.id, '') FROM session_rows s JOIN profile_rows p ON p.key = s.profile
        JOIN source_keys k ON k.key = s.source WHERE s.id = :id AND {_OWN_SESSION}
    """,
    EVENT: f"""
        SELECT p.id, k.id FROM event_rows e JOIN request_rows r ON r.key = e.request
            AND e.seq BETWEEN r.key AND r.key + r.events - 1
        JOIN session_rows s ON s.key = r.session JOIN profile_rows p ON p.key = s.profile
        JOIN source_keys k ON k.key = e.source
        WHERE e.id = :id AND (:sources IS NULL OR k.id IN {_IDS})
    """,
}
_PROFILE = f"""
    SELECT count(*), min(s.first_seen_at),
        max(coalesce((SELECT max(r.received_at) {_REQUESTS}), s.first_seen_at)),
        coalesce(sum((SELECT count(*) {_EVENTS})), 0),
        (SELECT s.first_utm FROM {_OF_PROFILE} AND s.first_utm IS NOT NULL ORDER BY s.key LIMIT 1),
        (SELECT s.last_utm FROM {_OF_PROFILE} AND s.last_utm IS NOT NULL ORDER BY s.key DESC LIMIT 1)
    FROM {_OF_PROFILE}
"""
_REJECTED = (
    f"SELECT count(*), min(received_at), max(received_at) FROM rejected WHERE {_OWN_REJECTED}"
)
_SOURCES = (
    "SELECT DISTINCT id FROM source_keys WHERE id <> '' AND key IN"
    f" (SELECT s.source FROM {_OF_PROFILE}) ORDER BY id"
)
_SESSIONS = f"""
    SELECT s.key, s.id, coalesce((SELECT id FROM source_keys WHERE key = s.source), ''),
        s.device_id, s.first_seen_at,
        coalesce((SELECT max(r.received_at) {_REQUESTS}), s.first_seen_at),
        (SELECT count(*) {_EVENTS}), (SELECT count(*) {_EVENTS} AND r.bot = 0),
        s.dropped, s.context, s.first_utm
    FROM {_OF_PROFILE} AND s.key < :before ORDER BY s.key DESC LIMIT :limit
"""


@dataclass(frozen=True)
class ProfileMatch:
    """What has an id. `kind`: PROFILE, SESSION or EVENT; `source_id`: of that session or event.
    `profile_id`: None for an event without a session."""

    kind: str
    profile_id: str | None
    source_id: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The match as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True)
class Profile:
    """A visitor. Times: of the first and last request; campaigns: the first and last one.

    Where sources are given, sessions, events and rejected events are those of these sources.
    """

    id: str
    first_seen_at: str
    last_seen_at: str
    sessions: int
    events: int
    rejected: int
    first_campaign: str
    last_campaign: str
    source_ids: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """The profile as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True)
class ProfileSession:
    """A session of a visitor. Texts are empty where they are not known; pages are paths.

    `key`: its number, for the next page. `began_at`: when its first event occurred. `is_bot`: a program sent all of it.
    """

    key: int
    id: str
    source_id: str
    device_id: str | None
    began_at: str
    first_seen_at: str
    last_seen_at: str
    events: int
    dropped: int
    is_bot: bool
    entry_page: str
    exit_page: str
    referrer: str
    campaign: str
    browser: str
    screen: str
    language: str
    time_zone: str

    def as_dict(self) -> dict[str, Any]:
        """The session as JSON-ready data."""
        return asdict(self)


def find_profiles(
    connection: sqlite3.Connection, id_: str, sources: Sequence[str] | None = None
) -> list[ProfileMatch]:
    """Whose id it is: a profile's, a session's or an event's. Sources have ids of their own, so there
    may be several matches. `sources`: where to look, None for everywhere."""
    values = {"id": id_.strip(), "sources": _as_json(sources)}
    with snapshot(connection):
        return [
            ProfileMatch(kind, profile, source)
            for kind, find in _FIND.items()
            for profile, source in connection.execute(f"{find} LIMIT {MAX_MATCHES}", values)
        ]


def get_profile(
    connection: sqlite3.Connection, profile_id: str, sources: Sequence[str] | None = None
) -> Profile:
    """A visitor, by the profile's id. Profiles of several scopes that have the same id are shown as
    one, as they are given out and forgotten. Raises NotFound, also if `sources` do not know it."""
    values = {"id": profile_id, "sources": _as_json(sources)}
    with snapshot(connection):
        sessions, first, last, events, first_utm, last_utm = connection.execute(
            _PROFILE, values
        ).fetchone()
        rejected, first_rejected, last_rejected = connection.execute(_REJECTED, values).fetchone()
        if not sessions and not rejected:
            if sources is not None:
                raise no_profile(profile_id)
            require_profile(connection, profile_id)
        began = "SELECT min(first_seen_at) FROM profile_rows WHERE id = :id"
        (profile_first,) = connection.execute(began, values).fetchone()
        source_ids = tuple(id_ for (id_,) in connection.execute(_SOURCES, values))
    times = [at for at in (first, last, first_rejected, last_rejected) if at]
    if sources is None and profile_first:
        times.append(profile_first)
    return Profile(
        profile_id,
        min(times),
        max(times),
        sessions,
        events,
        rejected,
        campaign_of(first_utm or ""),
        campaign_of(last_utm or ""),
        source_ids,
    )


def list_profile_sessions(
    connection: sqlite3.Connection,
    profile_id: str,
    sources: Sequence[str] | None = None,
    *,
    before: int | None = None,
    limit: int = 20,
) -> list[ProfileSession]:
    """A visitor's sessions, the latest first. `before`: the key of the last one that is known
    already."""
    values = {
        "id": profile_id,
        "sources": _as_json(sources),
        "before": MAX_KEY if before is None else before,
        "limit": limit,
    }
    with snapshot(connection):
        rows = connection.execute(_SESSIONS, values).fetchall()
        counted = known_visits(connection, LIVE, [row[0] for row in rows])
        return [_session(connection, tuple(row), counted.get(row[0])) for row in rows]


def _session(
    connection: sqlite3.Connection, row: tuple[Any, ...], counted: Visit | None
) -> ProfileSession:
    key, id_, source_id, device, first, last, events, people, dropped, context, utm = row
    visit = counted
    if visit is None or events <= MAX_LOOKED_AT:  # as it is now, not as it was when it was counted
        visit = visit_of(connection, key, last_seq(connection), with_bots=True)
    pages = (visit.entry_page, visit.exit_page, visit.referrer) if visit else ("", "", "")
    return ProfileSession(
        key, id_, source_id, device, visit.began if visit else first, first, last, events, dropped, bool(events and not people),
        *pages, campaign_of(utm or ""), *client_of(context),
    )  # fmt: skip


def list_profile_events(
    connection: sqlite3.Connection,
    profile_id: str,
    sources: Sequence[str] | None = None,
    *,
    session_id: str | None = None,
    before: int | None = None,
    limit: int = 50,
) -> list[StoredEvent]:
    """A visitor's events, the latest first; `session_id`: those of a session. `before`: the `seq` of
    the last one that is known already."""
    wanted: Sequence[str | None] = [None] if sources is None else sources
    found = [
        event
        for source_id in wanted
        for event in list_events(
            connection,
            limit=limit,
            before=before,
            profile_id=profile_id,
            session_id=session_id,
            source_id=source_id,
            run=ANY_RUN,
        )
    ]
    return sorted(found, key=lambda event: -event.seq)[:limit]


def _as_json(sources: Sequence[str] | None) -> str | None:
    return None if sources is None else json.dumps(list(sources))
