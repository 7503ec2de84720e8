"""The render cache: a SQLite file beside the site that keeps rendered pages between builds."""

import sqlite3
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from .page import PageBody, PageMeta, TocEntry

VERSION = 2  # of the tables
_SCHEMA = f"""
DROP TABLE IF EXISTS page;
DROP TABLE IF EXISTS meta;
DROP TABLE IF EXISTS pages;
DROP TABLE IF EXISTS fingerprints;
CREATE TABLE fingerprints (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE pages (
  page_path TEXT PRIMARY KEY, modified INTEGER NOT NULL, size INTEGER NOT NULL,
  fingerprint TEXT NOT NULL, meta BLOB NOT NULL, html TEXT NOT NULL, toc BLOB NOT NULL,
  search TEXT NOT NULL, output_fingerprint TEXT NOT NULL
);
PRAGMA user_version = {VERSION};
"""
_BUILD = "build"
_META, _TOC = msgspec.msgpack.Decoder(PageMeta), msgspec.msgpack.Decoder(list[TocEntry])


class CachedPage(Struct):
    """A page as it was last built.

    `fingerprint` covers its Markdown and all that its body was rendered from; `output_fingerprint`
    all that went into the written HTML file.
    """

    modified: int
    size: int
    fingerprint: str
    meta: PageMeta
    output_fingerprint: str


class RenderCache:
    """The cached pages of one site. A file that cannot be read is replaced by an empty cache."""

    def __init__(self, path: Path, build_fingerprint: str) -> None:
        """Opens the cache. `build_fingerprint` covers what every page depends on; if it differs
        from the last build's, the cache is cold: everything is built again."""
        self.path = path
        self._connection = self._open()
        self._build_fingerprint = build_fingerprint
        self.cold = self._read(_BUILD) != build_fingerprint

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        try:
            return _connect(self.path)
        except sqlite3.DatabaseError:  # not a database
            self.path.unlink()
            return _connect(self.path)

    def close(self) -> None:
        """Closes the cache; what was not committed is lost."""
        if self._connection.in_transaction:
            self._connection.execute("ROLLBACK")
        self._connection.close()

    def begin(self) -> None:
        """Begins a transaction, which empties a cold cache."""
        self._connection.execute("BEGIN")
        if self.cold:
            self._connection.execute("DELETE FROM pages")
            self.set_fingerprint(_BUILD, self._build_fingerprint)

    def commit(self) -> None:
        self._connection.execute("COMMIT")

    def load_pages(self) -> dict[str, CachedPage]:
        """Returns all pages by path, without their bodies."""
        if self.cold:
            return {}
        rows = self._connection.execute(
            "SELECT page_path, modified, size, fingerprint, meta, output_fingerprint FROM pages"
        )
        return {
            page_path: CachedPage(modified, size, fingerprint, _META.decode(meta), output)
            for page_path, modified, size, fingerprint, meta, output in rows
        }

    def load_body(self, page_path: str) -> PageBody:
        """Returns a page's body. The page must be in the cache."""
        html, toc = self._connection.execute(
            "SELECT html, toc FROM pages WHERE page_path = ?", [page_path]
        ).fetchone()
        return PageBody(html, _TOC.decode(toc))

    def save_page(self, page_path: str, cached: CachedPage, body: PageBody, search: str) -> None:
        """Saves a page with its body and its entry of the search index."""
        encode = msgspec.msgpack.encode
        self._connection.execute(
            "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                page_path,
                cached.modified,
                cached.size,
                cached.fingerprint,
                encode(cached.meta),
                body.html,
                encode(body.toc),
                search,
                cached.output_fingerprint,
            ],
        )

    def save_stat(self, page_path: str, modified: int, size: int) -> None:
        """Saves the new time and size of a file that was saved without a change."""
        self._connection.execute(
            "UPDATE pages SET modified = ?, size = ? WHERE page_path = ?",
            [modified, size, page_path],
        )

    def save_output_fingerprints(self, fingerprints: Iterable[tuple[str, str]]) -> None:
        """Saves the fingerprints of written pages, as pairs of fingerprint and page path."""
        self._connection.executemany(
            "UPDATE pages SET output_fingerprint = ? WHERE page_path = ?", fingerprints
        )

    def delete_pages(self, page_paths: Iterable[str]) -> None:
        """Deletes pages whose files are gone."""
        self._connection.executemany(
            "DELETE FROM pages WHERE page_path = ?", [[page_path] for page_path in page_paths]
        )

    def search_entries(self) -> list[str]:
        """Returns the entries of the search index as JSON, sorted by page path."""
        rows = self._connection.execute(
            "SELECT search FROM pages WHERE search <> '' ORDER BY page_path"
        )
        return [row[0] for row in rows]

    def fingerprint(self, name: str) -> str:
        """Returns a fingerprint of the last build, empty if there is none."""
        return "" if self.cold else self._read(name)

    def _read(self, name: str) -> str:
        found = self._connection.execute(
            "SELECT value FROM fingerprints WHERE name = ?", [name]
        ).fetchone()
        return found[0] if found else ""

    def set_fingerprint(self, name: str, value: str) -> None:
        self._connection.execute("INSERT OR REPLACE INTO fingerprints VALUES (?, ?)", [name, value])


def _connect(path: Path) -> sqlite3.Connection:
    """Opens the file and creates the tables if they are missing or of another version."""
    connection = sqlite3.connect(path, isolation_level=None)
    try:
        connection.execute("PRAGMA synchronous=OFF")  # a lost cache costs one cold build
        connection.execute("PRAGMA journal_mode=MEMORY")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version != VERSION:
            connection.executescript(_SCHEMA)
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection
