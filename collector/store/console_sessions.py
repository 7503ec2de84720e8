"""Who is logged in to the console: sessions, and the links that begin one. Only hashes are stored.

A session that began with a token ends with it, and may what the token may at that moment. One that
began with a link is of somebody who can read this machine's database anyway, and may do everything.
"""

import hashlib
import secrets
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ..event.timestamps import iso, now
from .audit import Actor, acting_as, add_entry, local_user
from .connection import connect_relaxed, transaction
from .tokens import ADMIN, PREFIX, Token, hash_of, token_from_row

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=7)
LINK = timedelta(seconds=60)
USE_INTERVAL = timedelta(minutes=1)  # between two notes of a session's use
MAX_SESSIONS = 20  # of one token, or one user of this machine

TABLES = (
    """
    CREATE TABLE console_sessions (
        hash TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        token_id TEXT REFERENCES tokens(id) ON DELETE CASCADE,
        created_at TEXT NOT NULL,
        used_at TEXT NOT NULL
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE console_links (
        hash TEXT PRIMARY KEY NOT NULL,
        name TEXT NOT NULL,
        expires_at TEXT NOT NULL
    ) WITHOUT ROWID
    """,
)


@dataclass(frozen=True)
class ConsoleSession:
    """Somebody who is logged in.

    `role`, `source_id`: as of the token that it began with; `source_id` is None for all sources.
    `csrf`: what each form of this session has to carry.
    """

    hash: str
    csrf: str
    name: str
    token_id: str | None
    role: str
    source_id: str | None
    used_at: str

    @property
    def is_admin(self) -> bool:
        """Whether it may change anything."""
        return self.role == ADMIN

    @property
    def actor(self) -> Actor:
        """Who does what is done in this session, for the audit."""
        return Actor(self.name, self.token_id)


def create_link(connection: sqlite3.Connection) -> str:
    """The secret of a link that logs its first user in, within a minute, as this machine's user."""
    secret = secrets.token_urlsafe(32)
    at = iso(datetime.now(UTC) + LINK)
    with transaction(connection):
        connection.execute("DELETE FROM console_links WHERE expires_at <= ?", [now()])
        connection.execute(
            "INSERT INTO console_links VALUES (?, ?, ?)", [hash_of(secret), local_user().name, at]
        )
    return secret


def open_session_by_link(connection: sqlite3.Connection, secret: str) -> str | None:
    """Uses a link up. Returns the secret of a new session; None if the link is not valid any more."""
    with transaction(connection):
        row = connection.execute(
            "DELETE FROM console_links WHERE hash = ? RETURNING name, expires_at", [hash_of(secret)]
        ).fetchone()
        if row is None or row[1] <= now():
            return None
        return _open_session(connection, Actor(row[0]))


def open_session_by_token(connection: sqlite3.Connection, secret: str) -> str | None:
    """The secret of a new session of a token's holder; None if there is no such token, or it has
    expired."""
    with transaction(connection):
        token = _token(connection, "hash", hash_of(secret))
        if token is None or token.is_expired:
            return None
        return _open_session(connection, Actor(token.name, token.id))


def _open_session(connection: sqlite3.Connection, actor: Actor) -> str:
    # Not of the form of a token: neither can be used as the other.
    secret = secrets.token_urlsafe(32).replace(PREFIX, "")
    at = now()
    _expire(connection, actor)
    connection.execute(
        "INSERT INTO console_sessions VALUES (?, ?, ?, ?, ?)",
        [hash_of(secret), actor.name, actor.token_id, at, at],
    )
    with acting_as(actor):
        add_entry(connection, "console.login")
    return secret


def _expire(connection: sqlite3.Connection, actor: Actor) -> None:
    """Ends sessions that are over, and the longest unused of somebody who has too many."""
    idle, oldest = _limits()
    connection.execute(
        "DELETE FROM console_sessions WHERE used_at <= ? OR created_at <= ?", [idle, oldest]
    )
    connection.execute(
        "DELETE FROM console_sessions WHERE hash IN (SELECT hash FROM console_sessions"
        " WHERE token_id IS ? AND name = ? ORDER BY used_at DESC LIMIT -1 OFFSET ?)",
        [actor.token_id, actor.name, MAX_SESSIONS - 1],
    )


def _limits() -> tuple[str, str]:
    """Sessions that were last used, or made, before these times have ended."""
    at = datetime.now(UTC)
    return iso(at - IDLE), iso(at - ABSOLUTE)


def find_session(connection: sqlite3.Connection, secret: str) -> ConsoleSession | None:
    """The session with this secret, unless it has ended."""
    hashed = hash_of(secret)
    row = connection.execute(
        "SELECT name, token_id, used_at, created_at FROM console_sessions WHERE hash = ?", [hashed]
    ).fetchone()
    idle, oldest = _limits()
    if row is None or row[2] <= idle or row[3] <= oldest:
        return None
    role, source_id = ADMIN, None
    if row[1] is not None:
        token = _token(connection, "id", row[1])
        if token is None or token.is_expired:
            return None
        role, source_id = token.role, token.source_id
    csrf = hashlib.sha256(b"csrf " + secret.encode("utf-8", "surrogateescape")).hexdigest()
    return ConsoleSession(hashed, csrf, row[0], row[1], role, source_id, row[2])


def is_alive(connection: sqlite3.Connection, session: ConsoleSession) -> bool:
    """Whether a session that was found some time ago may still see what it could see then."""
    row = connection.execute(
        "SELECT used_at, created_at FROM console_sessions WHERE hash = ?", [session.hash]
    ).fetchone()
    idle, oldest = _limits()
    if row is None or row[0] <= idle or row[1] <= oldest:
        return False
    if session.token_id is None:
        return True
    token = _token(connection, "id", session.token_id)
    return token is not None and not token.is_expired and token.source_id == session.source_id


def _token(connection: sqlite3.Connection, column: str, value: str) -> Token | None:
    found = connection.execute(f"SELECT * FROM tokens WHERE {column} = ?", [value])
    names = [part[0] for part in found.description]
    row = found.fetchone()
    return token_from_row(dict(zip(names, row, strict=True))) if row else None


def note_session_use(path: Path, session: ConsoleSession) -> None:
    """Stores that a session is used now, unless that was done within USE_INTERVAL. Raises
    sqlite3.OperationalError if others write for too long."""
    at = datetime.now(UTC)
    if session.used_at > iso(at - USE_INTERVAL):
        return
    with connect_relaxed(path) as connection:
        connection.execute(
            "UPDATE console_sessions SET used_at = ? WHERE hash = ?", [iso(at), session.hash]
        )


def close_session(
    connection: sqlite3.Connection, session: ConsoleSession, *, everywhere: bool
) -> None:
    """Ends a session, or all of the same token, or user of this machine."""
    with transaction(connection):
        if everywhere:
            connection.execute(
                "DELETE FROM console_sessions WHERE name = ? AND token_id IS ?",
                [session.name, session.token_id],
            )
        else:
            connection.execute("DELETE FROM console_sessions WHERE hash = ?", [session.hash])
        with acting_as(session.actor):
            add_entry(connection, "console.logout", "everywhere" if everywhere else "")
