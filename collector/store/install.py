"""Whether a site's snippet works: how far its pages have come, and why they come no further."""

import ipaddress
import sqlite3
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import urlsplit

from sqlite_utils import Database

from ..errors import (
    BridgeNotAllowed,
    DisabledSource,
    OriginNotAllowed,
    RateLimited,
    StoreError,
    UnknownSource,
)
from ..event.visit import origin_of
from .connection import snapshot
from .keys import source_key
from .origins import is_listed
from .sightings import ODD, OTHERS, TRACKER_FILE, Sighting, list_sightings
from .sources import Source, get_source, list_sources, source_names, update_source

MAX_CAUSES = 5  # of one kind
SAMPLE = "thamesthrive-sample"  # the type of events that the console sends itself: no page did
GUESSES = ("nothing_sent", "nothing_fetched", "loopback_address", "insecure_address")
"""Codes of causes that follow from what has not come; all others from what has."""
ALLOW_ORIGIN, ENABLE, ACCEPT_BRIDGE = "allow_origin", "enable", "accept_bridge"  # see Cause.action

_NO_SAMPLE = (  # an event of a request `r` that a page, or a server, has sent
    "FROM event_rows e WHERE e.seq BETWEEN r.key AND r.key + r.events - 1 AND e.request = r.key"
    " AND e.type IS NOT (SELECT key FROM event_types WHERE name = ?)"
)


@dataclass(frozen=True)
class Lamp:
    """One step. `at`: when it was last seen, None for never; `origin`: of which page, if known."""

    name: str
    at: str | None = None
    origin: str | None = None

    @property
    def is_lit(self) -> bool:
        """Whether it was seen."""
        return self.at is not None

    def as_dict(self) -> dict[str, Any]:
        """The lamp as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True)
class InstallState:
    """How far a source's pages have come since a time.

    `page`: a page has fetched the tracker. `script`: it ran, as a request with the source's id has come,
    refused or not. `event`: the first event is stored.
    """

    source_id: str
    since: str
    page: Lamp
    script: Lamp
    event: Lamp

    @property
    def lamps(self) -> tuple[Lamp, Lamp, Lamp]:
        """The three steps in their order."""
        return self.page, self.script, self.event

    def as_dict(self) -> dict[str, Any]:
        """The state as JSON-ready data."""
        return asdict(self)


@dataclass(frozen=True)
class Cause:
    """A likely cause. `text`: what the collector has seen; `cure`: what to do, with the command.

    `code`: a reason code, or another word for it. `action`: what a click may do about it, one of
    ALLOW_ORIGIN (for `origin`), ENABLE and ACCEPT_BRIDGE; None if that is up to the site's owner.
    """

    code: str
    text: str
    cure: str
    action: str | None = None
    origin: str | None = None
    count: int = 0
    last_at: str | None = None

    def as_dict(self) -> dict[str, Any]:
        """The cause as JSON-ready data."""
        return asdict(self)


def install_state(db: Database, source_id: str, since: str = "") -> InstallState:
    """How far a source's pages have come since a time (stored form); by default ever. Raises
    NotFound."""
    with snapshot(db.conn):
        return _state(db, get_source(db, source_id), since)


def likely_causes(
    db: Database, source_id: str, since: str = "", address: str | None = None
) -> list[Cause]:
    """Why no event is stored, the likeliest first; refusals are said even if others are stored.

    `address`: the collector's, as the snippet has it; None if that is not known. Raises NotFound.
    """
    with snapshot(db.conn):
        source = get_source(db, source_id)
        state = _state(db, source, since)
        causes = [
            *_settings_of(source),
            *_refusals(db.conn, source, since),
            *_unknown_ids(db.conn, source, since),
            *_rejected(db.conn, source, since),
        ]
        if state.event.is_lit or causes:
            return causes
        return _silence(source, state, address)


def allow_origin(db: Database, source_id: str, origin: str) -> Source:
    """Adds an origin to those that a source lists. Nothing changes where it is allowed already, or
    where the source lists none and so accepts any. Raises NotFound, and StoreError for what is no
    origin."""
    source = get_source(db, source_id)
    if not source.origins or is_listed(origin, source):
        return source
    if not origin.startswith(("http://", "https://")):
        raise StoreError(
            f"Pages of {origin!r} cannot be allowed by their origin."
            f" Accept any origin instead: thamesthrive source set {source.id} --any-origin"
        )
    return update_source(db, source.id, {"origins": [*source.origins, origin]})


def _state(db: Database, source: Source, since: str) -> InstallState:
    event = _first_event(db.conn, source, since)
    script = _last_request(db.conn, source, since, event)
    page = _last_page(db, source, since, script)
    return InstallState(source.id, since, page, script, event)


def _first_event(connection: sqlite3.Connection, source: Source, since: str) -> Lamp:
    # By the index of a source's requests. Joined with their events, SQLite would rather look at all
    # events of the source.
    row = connection.execute(
        f"""
        SELECT r.received_at, (SELECT coalesce(e.context, r.context) {_NO_SAMPLE} LIMIT 1)
        FROM request_rows r
        WHERE r.source = ? AND r.received_at >= ? AND r.run IS NULL AND EXISTS (SELECT 1 {_NO_SAMPLE})
        ORDER BY r.received_at LIMIT 1
        """,
        (SAMPLE, source_key(connection, source.id), since, SAMPLE),
    ).fetchone()
    return Lamp("event_stored", row[0], origin_of(row[1]) or None) if row else Lamp("event_stored")


def _last_request(connection: sqlite3.Connection, source: Source, since: str, event: Lamp) -> Lamp:
    found = [(s.last_at, s.origin) for s in list_sightings(connection, source.id, since=since)]
    row = connection.execute(
        "SELECT received_at, origin FROM rejected WHERE source_id = ? AND received_at >= ?"
        " AND run IS NULL ORDER BY received_at DESC LIMIT 1",
        (source.id, since),
    ).fetchone()
    if row:
        found.append((row[0], row[1] or ""))
    if event.at:
        found.append((event.at, event.origin or ""))
    # With a page before without: a server's request does not say that the snippet runs.
    last = max(found, key=lambda seen: (bool(seen[1]), seen[0]), default=None)
    return Lamp("script_loaded", last[0], last[1] or None) if last else Lamp("script_loaded")


def _last_page(db: Database, source: Source, since: str, script: Lamp) -> Lamp:
    """A page that may be this source's: not one of an origin that only others list."""
    others = [other for other in list_sources(db) if other.id != source.id]
    seen = [
        s
        for s in list_sightings(db.conn, "", since=since, what=TRACKER_FILE)
        if is_listed(s.origin, source) or not any(is_listed(s.origin, other) for other in others)
    ]
    best = max(
        seen,
        key=lambda s: (is_listed(s.origin, source), s.origin == script.origin, s.last_at),
        default=None,
    )
    if best:
        return Lamp("page_seen", best.last_at, best.origin or None)
    # Browsers keep the tracker's file for a while.
    return Lamp("page_seen", script.at, script.origin)


def _settings_of(source: Source) -> list[Cause]:
    """What in the source itself keeps events from being stored."""
    found = []
    if not source.enabled:
        found.append(
            Cause(
                DisabledSource.code,
                "The source is disabled: everything it gets is refused.",
                f"Enable it: `thamesthrive source enable {source.id}`",
                ENABLE,
            )
        )
    if "rest" not in source.bridges:
        found.append(
            Cause(
                BridgeNotAllowed.code,
                "The source does not accept the bridge rest, which the snippet uses.",
                f"Accept it: `thamesthrive source set {source.id}"
                f" {' '.join(f'--bridge {bridge}' for bridge in ('rest', *source.bridges))}`",
                ACCEPT_BRIDGE,
            )
        )
    if source.validate_only:
        found.append(
            Cause(
                "validate_only",
                "The source only validates: its events are answered, and not stored.",
                f"Store them: `thamesthrive source set {source.id} --no-validate-only`",
            )
        )
    return found


def _refusals(connection: sqlite3.Connection, source: Source, since: str) -> list[Cause]:
    seen = list_sightings(connection, source.id, since=since)
    found = []
    for sighting in seen:
        if sighting.what == OriginNotAllowed.code and source.origins:
            if not is_listed(sighting.origin, source):  # it has been allowed meanwhile
                found.append(_origin_cause(source, sighting))
        elif sighting.what == RateLimited.code:
            found.append(
                _cause_of(
                    sighting,
                    f"{_requests(sighting)} refused: more events came than the rate limit allows.",
                    f"See the limits: `thamesthrive source show {source.id}`",
                )
            )
        elif sighting.what == BridgeNotAllowed.code and "webhook" not in source.bridges:
            found.append(
                _cause_of(
                    sighting,
                    f"{_requests(sighting)} refused: the source does not accept their bridge.",
                    f"See which it accepts: `thamesthrive source show {source.id}`",
                )
            )
    return found[:MAX_CAUSES]


def _origin_cause(source: Source, sighting: Sighting) -> Cause:
    origin = sighting.origin
    text = f"{_requests(sighting)} refused: the source does not list this origin."
    if origin.startswith(("http://", "https://")):
        cure = f"Allow it: `thamesthrive source allow {source.id} {origin}`"
        return _cause_of(sighting, text, cure, ALLOW_ORIGIN)
    cure = (
        "Such pages have no origin that can be listed. Accept any:"
        f" `thamesthrive source set {source.id} --any-origin`"
    )
    return _cause_of(sighting, text, cure)


def _unknown_ids(connection: sqlite3.Connection, source: Source, since: str) -> list[Cause]:
    """Requests with ids of no source, from pages that may be this one's."""
    found = []
    known = {id_ for id_, _ in source_names(connection)}  # one may have been added meanwhile
    for sighting in list_sightings(connection, since=since, what=UnknownSource.code):
        if sighting.source_id in known or not _may_be_of(source, sighting):
            continue
        named = f"the id {sighting.source_id}" if sighting.source_id else "no valid id"
        found.append(
            _cause_of(
                sighting,
                f"{_requests(sighting)} refused: the snippet there has {named},"
                " which is not this source's.",
                f"Paste the snippet again, whole: `thamesthrive snippet {source.id}`",
            )
        )
    return found[:MAX_CAUSES]


def _may_be_of(source: Source, sighting: Sighting) -> bool:
    """Whether a request may come from a page of this source."""
    return is_listed(sighting.origin, source) if source.origins else sighting.origin != ""


def _rejected(connection: sqlite3.Connection, source: Source, since: str) -> list[Cause]:
    count, last = connection.execute(
        "SELECT count(*), max(received_at) FROM rejected WHERE source_id = ? AND received_at >= ?"
        " AND run IS NULL",
        (source.id, since),
    ).fetchone()
    if not count:
        return []
    return [
        Cause(
            "rejected",
            f"{count} {'events' if count > 1 else 'event'} came and could not be stored.",
            f"See why: `thamesthrive rejected list --source {source.id}`",
            count=count,
            last_at=last,
        )
    ]


def _silence(source: Source, state: InstallState, address: str | None) -> list[Cause]:
    """Why nothing has come at all."""
    if state.page.is_lit:
        return [
            Cause(
                "nothing_sent",
                "A page has fetched the tracker, but has sent nothing yet.",
                "Does the page track anything? Consent may be pending, the visitor may have asked not"
                " to be tracked (respectDoNotTrack), the browser may block the request, or the page"
                " was left at once. Open it with #thamesthrive-debug at the end of its address: a box"
                " says what happens.",
                origin=state.page.origin,
            )
        ]
    found = []
    if address and (problem := _address_problem(source, address)):
        found.append(problem)
    found.append(
        Cause(
            "nothing_fetched",
            "No page has fetched the tracker yet.",
            "Is the snippet in the page's source, as the browser shows it? A cache may keep the page"
            " without it, the page's Content-Security-Policy may refuse it, or a blocker may. The"
            " browser's console says which.",
        )
    )
    return found


def _address_problem(source: Source, address: str) -> Cause | None:
    """What keeps visitors from a collector's address, as far as it shows in the address itself."""
    cure = (
        "Put the collector behind your site's domain, and name its public address in the snippet:"
        f" `thamesthrive snippet {source.id} --api https://events.example.com`"
    )
    if _is_loopback(address) and not all(map(_is_loopback, source.origins)):
        text = f"The snippet names {address}, which only browsers on the collector's machine reach."
        return Cause("loopback_address", text, cure)
    is_secure = any(origin.startswith("https://") for origin in source.origins)
    if address.startswith("http://") and is_secure and not _is_loopback(address):
        text = f"The snippet names {address}, and browsers load nothing by http into an https page."
        return Cause("insecure_address", text, cure)
    return None


def _is_loopback(address: str) -> bool:
    host = urlsplit(address).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _requests(sighting: Sighting) -> str:
    shown = {"": "no page", ODD: "an odd origin", OTHERS: "several pages"}
    origin = shown.get(sighting.origin, sighting.origin)
    if sighting.count == 1:
        return f"1 request from {origin} was"
    return f"{sighting.count} requests from {origin} were"


def _cause_of(sighting: Sighting, text: str, cure: str, action: str | None = None) -> Cause:
    return Cause(
        sighting.what, text, cure, action, sighting.origin, sighting.count, sighting.last_at
    )
