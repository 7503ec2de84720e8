"""Tokens of the management API. Only their hashes are stored; a token is shown once, when it is
made."""

import hashlib
import secrets
import uuid
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlite_utils import Database

from ..errors import NotFound, StoreError
from ..event.timestamps import iso, now
from .audit import add_entry
from .connection import connect_relaxed, transaction
from .moments import time_ahead
from .sources import get_source

PREFIX = "tt_"  # so that scanners for leaked secrets, and people, see what it is
MAX_NAME = 200  # characters
READ, ADMIN = "read", "admin"
ROLES = (ADMIN, READ)
USE_INTERVAL = 60.0  # seconds between two notes of a token's use

COLUMNS = (
    "ALTER TABLE tokens ADD COLUMN role TEXT NOT NULL DEFAULT 'admin' CHECK (role IN ('admin', 'read'))",
    "ALTER TABLE tokens ADD COLUMN source_id TEXT REFERENCES sources(id) ON DELETE CASCADE",
    "ALTER TABLE tokens ADD COLUMN expires_at TEXT",
    "ALTER TABLE tokens ADD COLUMN last_used_at TEXT",
    # Not for the last use, which no collector needs to know.
    "CREATE TRIGGER tokens_changed AFTER UPDATE OF hash, role, source_id, expires_at ON tokens"
    " BEGIN UPDATE registry SET version = version + 1; END",
)


@dataclass(frozen=True)
class Token:
    """What is known of a token afterwards.

    `role`: one of ROLES. `source_id`: the only source that it reaches, None for all.
    `expires_at`: None for never. `last_used_at`: to the minute.
    """

    id: str
    name: str
    created_at: str
    role: str = ADMIN
    source_id: str | None = None
    expires_at: str | None = None
    last_used_at: str | None = None

    @property
    def is_expired(self) -> bool:
        """Whether its time is over."""
        return self.expires_at is not None and self.expires_at <= now()

    @property
    def state(self) -> str:
        """`active` or `expired`."""
        return "expired" if self.is_expired else "active"

    def as_dict(self) -> dict[str, Any]:
        """The token as JSON-ready data, without its secret."""
        return {**asdict(self), "state": self.state}


_NAMES = [field.name for field in fields(Token)]


def token_from_row(row: Mapping[str, Any]) -> Token:
    """A row of `tokens` as a Token."""
    return Token(**{name: row[name] for name in _NAMES})


def hash_of(secret: str) -> str:
    """What is stored of a token. 256 random bits need no slow hash: nobody guesses them."""
    return hashlib.sha256(secret.encode("utf-8", "surrogateescape")).hexdigest()


def create_token(
    db: Database,
    name: str,
    *,
    role: str = ADMIN,
    source_id: str | None = None,
    expires: str | None = None,
) -> tuple[Token, str]:
    """Creates a token: what is known of it, and its secret.

    `expires`: a date, a time, or a length of time as in `90d`; None for never. Raises StoreError for an empty
    name, another role or a time that has passed, NotFound for the source.
    """
    name = name.strip()
    if not name:
        raise StoreError("A token needs a name, so that you know later which to revoke.")
    if len(name) > MAX_NAME:
        raise StoreError(f"The name of a token has at most {MAX_NAME} characters.")
    if role not in ROLES:
        raise StoreError(f"{role!r} is not a role. Choose from {', '.join(ROLES)}.")
    source = get_source(db, source_id).id if source_id is not None else None
    expires_at = None if expires is None else time_ahead(expires)
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(str(uuid.uuid4()), name, now(), role, source, expires_at)
    changes = {
        field: (None, getattr(token, field))
        for field in ("name", "role", "source_id", "expires_at")
    }
    with transaction(db.conn):
        db.table("tokens").insert({**asdict(token), "hash": hash_of(secret)})
        add_entry(db.conn, "token.create", token.id, source_id=source, changes=changes)
    return token, secret


def list_tokens(db: Database) -> list[Token]:
    """All tokens, oldest first."""
    return [token_from_row(row) for row in db["tokens"].rows_where(order_by="created_at, id")]


def revoke_token(db: Database, token_id: str) -> None:
    """Makes a token worthless within a second. Raises NotFound."""
    with transaction(db.conn):
        token = _get_token(db, token_id)
        db.table("tokens").delete(token.id)
        changes = {"name": (token.name, None), "role": (token.role, None)}
        add_entry(db.conn, "token.revoke", token.id, source_id=token.source_id, changes=changes)


def _get_token(db: Database, token_id: str) -> Token:
    for row in db["tokens"].rows_where("id = ?", [token_id]):
        return token_from_row(row)
    raise NotFound(f"There is no token {token_id!r}. `thamesthrive token list` lists them.")


def note_use(path: Path, token_id: str) -> None:
    """Stores that a token is used now, unless that was done within USE_INTERVAL. It may be lost in
    a power cut, and so takes the write lock for less than a sync. Raises sqlite3.OperationalError
    if others write for too long."""
    due = iso(datetime.now(UTC) - timedelta(seconds=USE_INTERVAL))
    is_due = "id = ? AND coalesce(last_used_at, '') < ?"
    with connect_relaxed(path) as connection:
        if connection.execute(f"SELECT 1 FROM tokens WHERE {is_due}", (token_id, due)).fetchone():
            connection.execute(
                f"UPDATE tokens SET last_used_at = ? WHERE {is_due}", (now(), token_id, due)
            )
