"""Who may use the management API: tokens, and how far each of them reaches."""

import asyncio
import logging
import sqlite3
import time
from pathlib import Path
from typing import Any

from sanic import Request

from ... import store
from ...errors import Forbidden
from ...store.tokens import USE_INTERVAL
from .api_call import Operation, Reach

UNAUTHORIZED = (
    "A token is needed: Authorization: Bearer … (`thamesthrive token create NAME` makes one)."
)
EXPIRED = "This token expired at {}. `thamesthrive token create NAME` makes another one."
READ_ONLY = "This token may only read. A token of the role admin is needed."
LIMITED = "This token is limited to the source {}."
REACHES = {
    Reach.ALL: "Not for tokens that are limited to a source.",
    Reach.PATH: "A token that is limited to a source reaches that one.",
    Reach.QUERY: "A token that is limited to a source reaches what belongs to that one.",
    Reach.BODY: "A token that is limited to a source reaches what belongs to that one.",
}

log = logging.getLogger("collector.worker")


def token_of(request: Request, sources: store.SourceCache) -> store.Token | str:
    """The token of a request, or why it is answered 401."""
    scheme, _, secret = request.headers.get("authorization", "").partition(" ")
    token = sources.token(secret.strip()) if scheme.lower() == "bearer" else None
    if token is None:
        return UNAUTHORIZED
    return EXPIRED.format(token.expires_at) if token.is_expired else token


def require_role(operation: Operation, token: store.Token) -> None:
    """Raises Forbidden if a token may not use an operation at all."""
    if operation.role == store.ADMIN and token.role != store.ADMIN:
        raise Forbidden(READ_ONLY)
    if token.source_id is not None and operation.reach is Reach.ALL:
        raise Forbidden(LIMITED.format(token.source_id))


def keep_within_source(
    operation: Operation,
    token: store.Token,
    path: dict[str, str],
    query: dict[str, str],
    body: dict[str, Any],
) -> None:
    """Has a call name the source that its token is limited to. Raises Forbidden if it names
    another one, whether or not there is one."""
    if token.source_id is None or operation.reach is Reach.ALL:
        return
    named: dict[str, Any]
    named = {Reach.PATH: path, Reach.QUERY: query, Reach.BODY: body}[operation.reach]
    if named.get("source_id", token.source_id) != token.source_id:
        raise Forbidden(LIMITED.format(token.source_id))
    named["source_id"] = token.source_id


class TokenUse:
    """Notes when tokens were used last, each seldom, and in a thread: no event waits for it."""

    def __init__(self, database: Path) -> None:
        self._database = database
        self._noted: dict[str, float] = {}  # by id; only tokens that there are get here

    async def note(self, token: store.Token) -> None:
        """Notes that a token is used now."""
        at = time.monotonic()
        if at - self._noted.get(token.id, -USE_INTERVAL) < USE_INTERVAL:
            return
        self._noted[token.id] = at
        try:
            await asyncio.to_thread(store.note_use, self._database, token.id)
        except sqlite3.OperationalError as error:  # others write, or the disk is full
            log.info("the last use of a token was not stored: %s", error)
