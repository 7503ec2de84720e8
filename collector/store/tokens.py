"""Tokens of the management API. Only their hashes are stored; a token is shown once, when it is
made."""

import hashlib
import secrets
import uuid
from dataclasses import asdict, dataclass
from typing import Any

from sqlite_utils import Database

from ..errors import NotFound, StoreError
from ..event.timestamps import now

PREFIX = "tt_"  # so that scanners for leaked secrets, and people, see what it is


@dataclass(frozen=True)
class Token:
    """What is known of a token afterwards."""

    id: str
    name: str
    created_at: str

    def as_dict(self) -> dict[str, Any]:
        """The token as JSON-ready data, without its secret."""
        return asdict(self)


def create_token(db: Database, name: str) -> tuple[Token, str]:
    """Creates a token: what is known of it, and its secret. Raises StoreError for an empty name."""
    if not name.strip():
        raise StoreError("A token needs a name, so that you know later which to revoke.")
    secret = PREFIX + secrets.token_urlsafe(32)
    token = Token(str(uuid.uuid4()), name.strip(), now())
    # 256 random bits need no slow hash: nobody guesses them.
    db.table("tokens").insert(
        {**token.as_dict(), "hash": hashlib.sha256(secret.encode()).hexdigest()}
    )
    return token, secret


def list_tokens(db: Database) -> list[Token]:
    """All tokens, oldest first."""
    return [
        Token(row["id"], row["name"], row["created_at"])
        for row in db["tokens"].rows_where(order_by="created_at, id")
    ]


def revoke_token(db: Database, token_id: str) -> None:
    """Makes a token worthless within a second. Raises NotFound."""
    if not db["tokens"].count_where("id = ?", [token_id]):
        raise NotFound(f"There is no token {token_id!r}. `thamesthrive token list` lists them.")
    db.table("tokens").delete(token_id)
