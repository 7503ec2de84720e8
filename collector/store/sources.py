"""Event sources: administration."""

import json
import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from sqlite_utils import Database

from ..clock import now
from ..errors import InUse, NotFound, StoreError
from ..payload import is_plain

BRIDGES = ("rest", "webhook", "redirect")
IP_POLICIES = ("truncate", "full", "none")
ORIGIN = r"https?://(\*\.)?([A-Za-z0-9]([A-Za-z0-9.\-]*[A-Za-z0-9])?|\[[0-9A-Fa-f:]+\])(:([0-9]{1,5}|\*))?"


@dataclass(frozen=True)
class Source:
    """An event source. `origins`: the only ones whose pages may send, none means any. `bridges`:
    routes it accepts.

    `transitional`: events are checked and answered, not stored. `rate_limit`: events a minute, None
    for any number. `ip_policy`: what is stored of a client's address. `keep_days`: events older
    than that are removed, None keeps them.
    """

    id: str
    name: str
    enabled: bool
    origins: tuple[str, ...]
    bridges: tuple[str, ...]
    static_profiles: bool
    created_at: str
    transitional: bool = False
    rate_limit: int | None = None
    ip_policy: str = "truncate"
    keep_days: int | None = None

    def as_dict(self) -> dict[str, Any]:
        """The source as JSON-ready data."""
        return {**asdict(self), "origins": list(self.origins), "bridges": list(self.bridges)}


def from_row(row: Any) -> Source:
    return Source(
        id=row["id"],
        name=row["name"],
        enabled=bool(row["enabled"]),
        origins=tuple(json.loads(row["origins"])),
        bridges=tuple(json.loads(row["bridges"])),
        static_profiles=bool(row["static_profiles"]),
        created_at=row["created_at"],
        transitional=bool(row["transitional"]),
        rate_limit=row["rate_limit"],
        ip_policy=row["ip_policy"],
        keep_days=row["keep_days"],
    )


def add_source(
    db: Database,
    name: str,
    *,
    origins: Sequence[str] = (),
    bridges: Sequence[str] = ("rest",),
    static_profiles: bool = False,
    transitional: bool = False,
    rate_limit: int | None = None,
    ip_policy: str = "truncate",
    keep_days: int | None = None,
) -> Source:
    """Creates an event source with a random id. Raises StoreError for a value that it cannot
    have."""
    given = {
        "name": name,
        "origins": origins,
        "bridges": bridges,
        "static_profiles": static_profiles,
        "transitional": transitional,
        "rate_limit": rate_limit,
        "ip_policy": ip_policy,
        "keep_days": keep_days,
    }
    row = {"id": str(uuid.uuid4()), "enabled": 1, "created_at": now(), **_checked(given)}
    db.table("sources").insert(row)
    return from_row(row)


def update_source(db: Database, source_id: str, changes: dict[str, Any]) -> Source:
    """Changes some fields of a source, named as in `add_source`, and `enabled`. Running collectors
    notice within a second.

    Raises NotFound, and StoreError for a field or a value that there is not.
    """
    source = get_source(db, source_id)
    db.table("sources").update(source.id, _checked(changes))
    return get_source(db, source_id)


def _checked(given: dict[str, Any]) -> dict[str, Any]:
    """Fields of a source as columns. Raises StoreError for a field that there is not, or a value it
    cannot have."""
    row = {}
    for field, value in given.items():
        if field not in _CHECKS:
            raise StoreError(f"A source has no {field!r}. Choose from {', '.join(_CHECKS)}.")
        row[field] = _CHECKS[field](field, value)
    return row


def _name(_: str, value: Any) -> str:
    if not isinstance(value, str) or not value.strip():
        raise StoreError("An event source needs a name.")
    if not is_plain(value):
        raise StoreError("The name of an event source is one line without control characters.")
    return value.strip()


def _flag(field: str, value: Any) -> int:
    if not isinstance(value, bool):
        raise StoreError(f"{field} is true or false, not {value!r}.")
    return int(value)


def _count(field: str, value: Any) -> int | None:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # JSON knows one kind of number
    if value is not None and (
        not isinstance(value, int) or isinstance(value, bool) or not 0 < value < 2**31
    ):
        raise StoreError(f"{field} is a whole number of at least 1, or none, not {value!r}.")
    return value


def _policy(_: str, value: Any) -> str:
    if value not in IP_POLICIES:
        raise StoreError(f"{value!r} is not an IP policy. Choose from {', '.join(IP_POLICIES)}.")
    return str(value)


def _texts(field: str, value: Any) -> list[str]:
    if not isinstance(value, list | tuple) or not all(isinstance(item, str) for item in value):
        raise StoreError(f"{field} is a list of texts, not {value!r}.")
    return list(value)


def _origins(field: str, value: Any) -> str:
    origins = [origin.strip().rstrip("/").lower() for origin in _texts(field, value)]
    for origin in origins:
        if not re.fullmatch(ORIGIN, origin):
            raise StoreError(
                f"{origin!r} is not an origin. Write scheme, host and port, as in https://shop.example.com"
            )
    return json.dumps(origins)


def _bridges(field: str, value: Any) -> str:
    bridges = _texts(field, value)
    for bridge in bridges:
        if bridge not in BRIDGES:
            raise StoreError(f"{bridge!r} is not a bridge. Choose from {', '.join(BRIDGES)}.")
    if not bridges:
        raise StoreError("A source without a bridge accepts nothing. Disable it instead.")
    return json.dumps(bridges)


_CHECKS = {
    "name": _name,
    "enabled": _flag,
    "origins": _origins,
    "bridges": _bridges,
    "static_profiles": _flag,
    "transitional": _flag,
    "rate_limit": _count,
    "ip_policy": _policy,
    "keep_days": _count,
}


def list_sources(db: Database) -> list[Source]:
    """All event sources, oldest first."""
    return [from_row(row) for row in db["sources"].rows_where(order_by="created_at, id")]


def get_source(db: Database, source_id: str) -> Source:
    """One event source. Raises NotFound."""
    for row in db["sources"].rows_where("id = ?", [source_id]):
        return from_row(row)
    raise NotFound(
        f"There is no event source {source_id!r}. `thamesthrive source list` shows those there are."
    )


def remove_source(db: Database, source_id: str, *, with_events: bool = False) -> int:
    """Removes a source, and its events only when asked to. Returns how many events went.

    Raises NotFound, and InUse if it has events and `with_events` is false.
    """
    source = get_source(db, source_id)
    with db.atomic():
        events = int(
            db.execute("SELECT count(*) FROM events WHERE source_id = ?", [source.id]).fetchone()[0]
        )
        if events and not with_events:
            raise InUse(
                f"Source {source.id} has {events} events. Disable it to keep them (`thamesthrive source disable {source.id}`),"
                " or remove them too with --with-events."
            )
        db.execute("DELETE FROM events WHERE source_id = ?", [source.id])
        db.execute("DELETE FROM sources WHERE id = ?", [source.id])
    return events
