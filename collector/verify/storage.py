"""Where it can be seen whether events are stored: the collector's QA routes, its database, or its
management API. A verification's events carry its run, so they are found, and removed again."""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import quote, urlsplit

import httpx

from ..event.timestamps import iso
from ..store import connect, connect_readonly, find_traces, get_source, remove_traces
from .check import CouldNotLook
from .visits import StoredEvents

SECONDS = 10.0  # for a request to the collector
MARGIN = timedelta(hours=1)  # by which the clocks of this machine and the collector's may differ
PAGE = 1000  # events that are looked at in the management API
HOW = (
    "Name the collector's database with --db, start the collector with --qa, or give a token with"
    " --token-file and the collector's address with --api."
)


class Removal(NamedTuple):
    """How many events were removed, how many remain, and why."""

    removed: int = 0
    left: int = 0
    why: str = ""


class Storage(Protocol):
    """A way to look at what is stored. `name`: for people, as in `the database events.db`."""

    name: str

    def look(self, run: str) -> StoredEvents:
        """What is stored of a run. Raises CouldNotLook."""
        ...

    def remove(self, run: str) -> Removal:
        """Removes it. Raises CouldNotLook."""
        ...


class QaStorage:
    """The collector's QA routes, which know runs. `base`: the collector's address."""

    def __init__(self, headers: Mapping[str, str], base: str) -> None:
        self.name = f"the collector {base} (--qa)"
        self._headers, self._base = headers, base

    def look(self, run: str) -> StoredEvents:
        """See Storage."""
        found = _json(self._headers, "GET", f"{self._of(run)}/events?limit={PAGE}")
        rejected = _json(self._headers, "GET", f"{self._of(run)}/rejected")
        events = {str(one["id"]): one for one in found["events"]}
        return StoredEvents(events, len(rejected["rejected"]))

    def remove(self, run: str) -> Removal:
        """See Storage."""
        gone = _json(self._headers, "DELETE", self._of(run))
        return Removal(int(gone["events"]) + int(gone["rejected"]))

    def _of(self, run: str) -> str:
        return f"{self._base}/qa/runs/{quote(run, safe='')}"


class DatabaseStorage:
    """The collector's database, on this machine."""

    def __init__(self, path: Path) -> None:
        self.name = f"the database {path}"
        self._path = path
        self._since = iso(datetime.now(UTC) - MARGIN)

    def look(self, run: str) -> StoredEvents:
        """See Storage."""
        try:
            with closing(connect_readonly(self._path)) as connection:
                found = [row.as_dict() for row in find_traces(connection, run, self._since)]
        except sqlite3.Error as error:
            raise CouldNotLook(f"{self.name} cannot be read: {error}.") from error
        stored = {one["id"]: one for one in found if "event_id" not in one}
        return StoredEvents(stored, len(found) - len(stored))

    def remove(self, run: str) -> Removal:
        """See Storage."""
        try:
            with closing(connect(self._path)) as connection:
                removed, left = remove_traces(connection, run, self._since)
        except sqlite3.Error as error:
            raise CouldNotLook(f"{self.name} cannot be written: {error}.") from error
        why = "they came in one request with other events" if left else ""
        return Removal(removed, left, why)


class ApiStorage:
    """The collector's management API, with a token. It removes a visitor as a whole, so only one that
    has nothing but this verification's events."""

    def __init__(self, headers: Mapping[str, str], base: str, source: str) -> None:
        self.name = f"the collector {base} (/api)"
        self._headers, self._base, self._source = headers, base, source

    def look(self, run: str) -> StoredEvents:
        """See Storage."""
        return StoredEvents({str(one["id"]): one for one in self._events(run)})

    def remove(self, run: str) -> Removal:
        """See Storage."""
        found = self._events(run)
        removed = 0
        for profile in {str(one["profile_id"]) for one in found if one.get("profile_id")}:
            address = f"{self._base}/api/profiles/{quote(profile, safe='')}"
            known = _json(self._headers, "GET", address)
            if known["next"] is None and all(run in str(event) for event in known["events"]):
                removed += int(_json(self._headers, "DELETE", address)["removed"]["events"])
        left = len(found) - removed
        return Removal(removed, left, "their visitor has other events, too" if left else "")

    def _events(self, run: str) -> list[dict[str, Any]]:
        query = f"?source_id={quote(self._source, safe='')}&limit={PAGE}"
        found = _json(self._headers, "GET", f"{self._base}/api/events{query}")
        return [one for one in found["events"] if run in str(one)]


@dataclass(frozen=True)
class Access:
    """What a verification may use to look at what is stored. `db`: a database of this machine;
    `api`: the collector's address, None for what the page names; `token`: for its management API."""

    db: Path | None = None
    api: str | None = None
    token: str | None = None

    def storage(self, sends_to: str, source: str) -> Storage:
        """The storage of the collector that a page sends to. `source`: the page's. Raises
        CouldNotLook, which says what to give."""
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        for base in self._bases(sends_to):
            if _has_runs(headers, base):
                return QaStorage(headers, base)
        if self.db is not None and _knows(self.db, source):
            return DatabaseStorage(self.db)
        if self.token:
            for base in self._bases(sends_to):
                if _has_api(headers, base):
                    return ApiStorage(headers, base, source)
        raise CouldNotLook(f"What is stored cannot be seen from here. {HOW}")

    def _bases(self, sends_to: str) -> Iterator[str]:
        """Where the collector's own routes may be: below the address that events go to, or at its
        root. A token goes nowhere but to the address that was given with it."""
        if self.api:
            yield self.api.rstrip("/")
        elif not self.token:
            parts = urlsplit(sends_to)
            if parts.scheme in ("http", "https") and parts.netloc:
                root = f"{parts.scheme}://{parts.netloc}"
                yield from dict.fromkeys([root, sends_to.rpartition("/")[0], sends_to.rstrip("/")])


def _knows(db: Path, source: str) -> bool:
    """Whether a database has a source, and so may be the one that the page's events go to."""
    from sqlite_utils import Database

    from ..errors import StoreError

    if not db.is_file():
        return False
    try:
        with closing(connect_readonly(db)) as connection:
            get_source(Database(connection), source)
    except (StoreError, sqlite3.Error):
        return False
    return True


def _has_runs(headers: Mapping[str, str], base: str) -> bool:
    try:
        return isinstance(_json(headers, "GET", f"{base}/qa/runs").get("runs"), list)
    except CouldNotLook:
        return False


def _has_api(headers: Mapping[str, str], base: str) -> bool:
    try:
        return "events" in _json(headers, "GET", f"{base}/api/events?limit=1")
    except CouldNotLook:
        return False


def _json(headers: Mapping[str, str], method: str, url: str) -> dict[str, Any]:
    """The answer of the collector. Raises CouldNotLook for anything but an object."""
    try:
        response = httpx.request(
            method, url, headers=dict(headers), timeout=SECONDS, trust_env=False
        )
        body = response.raise_for_status().json()
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
        raise CouldNotLook(f"{method} {url} does not work: {error}") from error
    if not isinstance(body, dict):
        raise CouldNotLook(f"{method} {url} answers no object.")
    return body
