"""What a running collector asks about sources, schemas, redirects and tokens on every request."""

import hashlib
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path

from ..schemas import Validator, compile_schema
from .connection import connect_readonly
from .redirects import Redirect
from .sources import Source, from_row


@dataclass
class _Snapshot:
    sources: dict[str, Source] = field(default_factory=dict)
    schemas: dict[str, dict[str, Validator]] = field(
        default_factory=dict
    )  # by source id, then by event type
    redirects: dict[str, Redirect] = field(default_factory=dict)
    tokens: frozenset[str] = frozenset()  # hashes


class Registry:
    """The administrator's tables as a running collector sees them: from memory, at most half a
    second old.

    What is asked of the database then is one row; the tables are read again only if that says they
    changed.
    """

    MAX_AGE = 0.5  # seconds
    # of an answer "there is none": a source must work as soon as it was added, and guessing stay
    # cheap
    MISS_AGE = 0.002

    def __init__(self, path: Path) -> None:
        self._connection = connect_readonly(path)
        self._now = _Snapshot()
        self._version = -1
        self._checked = 0.0

    def get(self, source_id: str) -> Source | None:
        """The source with this id, or None. Ids compare as UUIDs do: case and surrounding blanks do
        not matter."""
        key = source_id.strip().lower()
        self._refresh(self.MAX_AGE if key in self._now.sources else self.MISS_AGE)
        return self._now.sources.get(key)

    def schemas(self, source_id: str) -> dict[str, Validator] | None:
        """The source's schemas by event type; None if it has none."""
        return self._now.schemas.get(source_id)

    def redirect(self, redirect_id: str) -> Redirect | None:
        """The redirect with this id, or None."""
        self._refresh(self.MAX_AGE if redirect_id in self._now.redirects else self.MISS_AGE)
        return self._now.redirects.get(redirect_id)

    def knows_token(self, token: str) -> bool:
        """Whether this is a token of the management API. What is compared are hashes, so time tells
        nothing of the token."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()
        self._refresh(self.MAX_AGE if digest in self._now.tokens else self.MISS_AGE)
        return digest in self._now.tokens

    def expire(self) -> None:
        """Looks at the database with the next question: something was changed here and now."""
        self._checked = 0.0

    def _refresh(self, max_age: float) -> None:
        if time.monotonic() - self._checked <= max_age:
            return
        try:
            (version,) = self._connection.execute("SELECT version FROM registry").fetchone()
            if version != self._version:
                self._now = self._read()
                self._version = version
        except sqlite3.OperationalError:
            if self._version < 0:
                raise
            # A database that cannot be read for a moment is no reason to refuse sources that are
            # known.
        self._checked = time.monotonic()

    def _read(self) -> _Snapshot:
        rows = self._connection.execute
        found = _Snapshot({row["id"]: from_row(row) for row in rows("SELECT * FROM sources")})
        for source_id, kind, schema in rows("SELECT source_id, type, schema FROM schemas"):
            found.schemas.setdefault(source_id, {})[kind] = compile_schema(schema)
        found.redirects = {row["id"]: Redirect(**row) for row in rows("SELECT * FROM redirects")}
        found.tokens = frozenset(row["hash"] for row in rows("SELECT hash FROM tokens"))
        return found

    def close(self) -> None:
        self._connection.close()
