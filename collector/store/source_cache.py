"""Sources, schemas, redirects and tokens as a running collector needs them on every request."""

import sqlite3
import time
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from pathlib import Path

from ..database_file import DatabaseFile
from ..errors import NewerDatabase, ReplacedDatabase, StoreError
from ..event.json_schema import Validator, broken_schema, compile_schema
from .connection import connect_readonly
from .former_ids import list_former_ids
from .migrations import refuse_newer
from .redirects import Redirect
from .sources import Source, source_from_row
from .tokens import Token, hash_of, token_from_row


@dataclass
class _Snapshot:
    sources: dict[str, Source] = field(default_factory=dict)
    # By source id, then by event type.
    schemas: dict[str, dict[str, Validator]] = field(default_factory=dict)
    redirects: dict[str, Redirect] = field(default_factory=dict)
    tokens: dict[str, Token] = field(default_factory=dict)  # by hash
    ends_at: float = inf  # when the first of the sources' former ids ends, in Unix time


class SourceCache:
    """Answers from memory, at most half a second old.

    Then it reads one row of the database, and the tables again only if that says they changed.
    """

    MAX_AGE = 0.5  # seconds
    # Seconds for which an unknown id stays unknown: a source must work as soon as it is added, and
    # guessing ids must stay cheap.
    MISS_AGE = 0.002

    def __init__(self, path: Path, file: DatabaseFile | None = None) -> None:
        """`file`: what is expected at the path from now on; by default what is there."""
        self._connection = connect_readonly(path)
        self._file = file or DatabaseFile.at(path)
        self._replaced: ReplacedDatabase | None = None
        self._now = _Snapshot()
        self._version = -1
        self._checked = 0.0

    def get(self, source_id: str) -> Source | None:
        """The source with this id, or None. Ids compare as UUIDs do: case and surrounding blanks do
        not matter.

        Raises ReplacedDatabase if the sources may be others now.
        """
        key = source_id.strip().lower()
        self._refresh(self.MAX_AGE if key in self._now.sources else self.MISS_AGE)
        if self._replaced:
            raise self._replaced
        return self._now.sources.get(key)

    def schemas(self, source_id: str) -> dict[str, Validator] | None:
        """The source's schemas by event type; None if it has none."""
        return self._now.schemas.get(source_id)

    def redirect(self, redirect_id: str) -> Redirect | None:
        """The redirect with this id, or None."""
        self._refresh(self.MAX_AGE if redirect_id in self._now.redirects else self.MISS_AGE)
        return self._now.redirects.get(redirect_id)

    def token(self, secret: str) -> Token | None:
        """The token of the management API with this secret, or None; it may have expired. What is
        compared are hashes, so time tells nothing of the secret. Raises ReplacedDatabase as `get`."""
        digest = hash_of(secret)
        self._refresh(self.MAX_AGE if digest in self._now.tokens else self.MISS_AGE)
        if self._replaced:
            raise self._replaced
        return self._now.tokens.get(digest)

    def invalidate(self) -> None:
        """Makes the next call look at the database: this process has just changed something."""
        self._checked = 0.0

    def _refresh(self, max_age: float) -> None:
        if time.monotonic() - self._checked <= max_age:
            return
        try:
            self._file.require()
            self._replaced = None
        except ReplacedDatabase as error:
            # SQLite would open the log by its path, which is another database's.
            self._replaced, self._checked = error, time.monotonic()
            return
        try:
            (version,) = self._connection.execute("SELECT version FROM registry").fetchone()
            if version != self._version or time.time() >= self._now.ends_at:
                refuse_newer(self._connection)
                self._now = self._read()
                self._version = version
        except (sqlite3.OperationalError, NewerDatabase):
            if self._version < 0:
                raise
            # A database that cannot be read for a moment is no reason to refuse sources that are
            # known. In a newer one they may have another shape; the writer stores nothing there.
        self._checked = time.monotonic()

    def _read(self) -> _Snapshot:
        rows = self._connection.execute
        found = _Snapshot(
            {row["id"]: source_from_row(row) for row in rows("SELECT * FROM sources")}
        )
        self._add_former_ids(found)
        for source_id, kind, schema in rows("SELECT source_id, type, schema FROM schemas"):
            try:
                validator = compile_schema(schema)
            except StoreError as error:  # written by another program, or a former version
                validator = broken_schema(error)
            found.schemas.setdefault(source_id, {})[kind] = validator
        found.redirects = {row["id"]: Redirect(**row) for row in rows("SELECT * FROM redirects")}
        found.tokens = {
            row["hash"]: token_from_row(row)
            for row in rows("SELECT * FROM tokens")
            # Whoever removes a source by hand may leave its tokens behind.
            if row["source_id"] is None or row["source_id"] in found.sources
        }
        return found

    def _add_former_ids(self, found: _Snapshot) -> None:
        """Adds sources by the ids that they had before, so that a request which names one costs
        nothing more."""
        for former in list_former_ids(self._connection):
            if source := found.sources.get(former.source_id):
                found.sources.setdefault(former.id, source)
                ends_at = datetime.fromisoformat(former.accepted_until).timestamp()
                found.ends_at = min(found.ends_at, ends_at)

    def close(self) -> None:
        self._connection.close()
