"""What a build remembers for the next one: beside the site, in SQLite, so that one changed page
reads little of ten thousand."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from .page import PageMeta, Section

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS page (
  source TEXT PRIMARY KEY, modified INTEGER NOT NULL, size INTEGER NOT NULL, digest TEXT NOT NULL, facts BLOB NOT NULL,
  html TEXT NOT NULL, sections BLOB NOT NULL, search TEXT NOT NULL, layout TEXT NOT NULL
);
"""
VERSION = "1"  # of the tables
_FACTS, _SECTIONS = msgspec.msgpack.Decoder(PageMeta), msgspec.msgpack.Decoder(list[Section])


class CachedPage(Struct):
    """A page as it was built last. `digest`: of its source and all that its content was made of;
    `layout`: of all that the whole page was made of."""

    modified: int
    size: int
    digest: str
    facts: PageMeta
    layout: str


class RenderCache:
    """The memory of one site. A file that cannot be read is as good as none: everything is built
    again."""

    def __init__(self, path: Path, build_fingerprint: str) -> None:
        """`build_fingerprint`: a digest of what every page depends on; with another one than before, nothing is
        known."""
        self.path = path
        self._connection = self._open()
        self._stage = build_fingerprint
        found = self._connection.execute(
            "SELECT value FROM meta WHERE key = 'build_fingerprint'"
        ).fetchone()
        self.cold = found is None or found[0] != f"{VERSION} {build_fingerprint}"

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for _ in range(2):
            connection = sqlite3.connect(self.path, isolation_level=None)
            try:
                connection.execute("PRAGMA synchronous=OFF")  # what is lost is built again
                connection.execute("PRAGMA journal_mode=MEMORY")
                connection.executescript(_SCHEMA)
                return connection
            except sqlite3.DatabaseError:
                connection.close()
                self.path.unlink()
        return sqlite3.connect(":memory:")

    def close(self) -> None:
        self._connection.close()

    def load(self) -> dict[str, CachedPage]:
        """All pages by source, without their contents."""
        if self.cold:
            return {}
        rows = self._connection.execute(
            "SELECT source, modified, size, digest, facts, layout FROM page"
        )
        return {
            source: CachedPage(modified, size, digest, _FACTS.decode(facts), layout)
            for source, modified, size, digest, facts, layout in rows
        }

    def body(self, source: str) -> tuple[str, list[Section]]:
        """A page's HTML and its sections."""
        html, sections = self._connection.execute(
            "SELECT html, sections FROM page WHERE source = ?", [source]
        ).fetchone()
        return html, _SECTIONS.decode(sections)

    def begin(self) -> None:
        """What follows is remembered together, or not at all."""
        self._connection.execute("BEGIN")
        if self.cold:
            self._connection.execute("DELETE FROM page")
            self._connection.execute(
                "INSERT OR REPLACE INTO meta VALUES ('build_fingerprint', ?)",
                [f"{VERSION} {self._stage}"],
            )

    def put(
        self, source: str, known: CachedPage, html: str, sections: list[Section], search: str
    ) -> None:
        """Remembers a page. Its `layout` comes later, when the page was written."""
        encode = msgspec.msgpack.encode
        self._connection.execute(
            "INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                source,
                known.modified,
                known.size,
                known.digest,
                encode(known.facts),
                html,
                encode(sections),
                search,
                known.layout,
            ],
        )

    def touch(self, source: str, modified: int, size: int) -> None:
        """The file was written again with the same words."""
        self._connection.execute(
            "UPDATE page SET modified = ?, size = ? WHERE source = ?", [modified, size, source]
        )

    def set_layout(self, layouts: Iterable[tuple[str, str]]) -> None:
        """Remembers what pages were made of, as pairs of digest and source."""
        self._connection.executemany("UPDATE page SET layout = ? WHERE source = ?", layouts)

    def forget(self, sources: Iterable[str]) -> None:
        """Pages that are no more."""
        self._connection.executemany(
            "DELETE FROM page WHERE source = ?", [[source] for source in sources]
        )

    def search(self) -> list[str]:
        """What each page gives to the search, in the order of their sources."""
        return [
            row[0]
            for row in self._connection.execute(
                "SELECT search FROM page WHERE search <> '' ORDER BY source"
            )
        ]

    def get(self, key: str) -> str:
        """A value that was remembered, or nothing."""
        found = self._connection.execute("SELECT value FROM meta WHERE key = ?", [key]).fetchone()
        return found[0] if found and not self.cold else ""

    def set(self, key: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", [key, value])

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def rollback(self) -> None:
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
