"""Redirects: addresses that store an event and redirect to a target that an administrator has
chosen."""

import re
import secrets
from dataclasses import asdict, dataclass
from string import ascii_letters
from typing import Any

from sqlite_utils import Database

from ..errors import NotFound, StoreError
from ..event.limits import MAX_TYPE
from ..event.timestamps import now
from .audit import add_entry
from .connection import transaction
from .sources import get_source

MAX_TARGET = 2048
# ASCII, no backslash, nobody's password
TARGET = r"https?://[A-Za-z0-9][A-Za-z0-9.\-]*(:[0-9]{1,5})?([/?#][!-\[\]-~]*)?"


@dataclass(frozen=True)
class Redirect:
    """`/redirect/<id>` stores an event of `event_type` and redirects to `target`."""

    id: str
    source_id: str
    target: str
    event_type: str
    created_at: str

    def as_dict(self) -> dict[str, Any]:
        """The redirect as JSON-ready data."""
        return asdict(self)


def add_redirect(
    db: Database, source_id: str, target: str, event_type: str = "redirect"
) -> Redirect:
    """Creates a redirect. Raises NotFound for the source, StoreError for a target that is no http
    address."""
    source = get_source(db, source_id)
    event_type = event_type.strip()
    if not 0 < len(event_type) <= MAX_TYPE:
        raise StoreError(f"An event type must have 1 to {MAX_TYPE} characters.")
    if not re.fullmatch(TARGET, target) or len(target) > MAX_TARGET:
        raise StoreError(
            "A target is a whole address, as in https://shop.example.com/sale (spaces and accents percent-encoded)."
        )
    # An id that begins with a dash would be taken for an option on a command line.
    redirect = Redirect(
        secrets.choice(ascii_letters) + secrets.token_urlsafe(9)[1:],
        source.id,
        target,
        event_type,
        now(),
    )
    changes = {"target": (None, _without_query(target)), "event_type": (None, event_type)}
    with transaction(db.conn):
        db.table("redirects").insert(redirect.as_dict())
        add_entry(db.conn, "redirect.add", redirect.id, source_id=source.id, changes=changes)
    return redirect


def _without_query(target: str) -> str:
    """A target as it may be shown to others: its query may have a key in it."""
    shown = re.split(r"[?#]", target, maxsplit=1)[0]
    return shown if shown == target else f"{shown}?…"


def list_redirects(db: Database, source_id: str | None = None) -> list[Redirect]:
    """The redirects of one source, or of all, oldest first."""
    where, values = (None, None) if source_id is None else ("source_id = ?", [source_id])
    rows = db["redirects"].rows_where(where, values, order_by="created_at, id")
    return [Redirect(**row) for row in rows]


def remove_redirect(db: Database, redirect_id: str, source_id: str | None = None) -> None:
    """Removes a redirect, of this source if one is given: its address answers 404 from now on.
    Raises NotFound."""
    with transaction(db.conn):
        redirect = _get_redirect(db, redirect_id, source_id)
        db.table("redirects").delete(redirect.id)
        changes = {
            "target": (_without_query(redirect.target), None),
            "event_type": (redirect.event_type, None),
        }
        owner = redirect.source_id
        add_entry(db.conn, "redirect.remove", redirect.id, source_id=owner, changes=changes)


def _get_redirect(db: Database, redirect_id: str, source_id: str | None) -> Redirect:
    for row in db["redirects"].rows_where("id = ?", [redirect_id]):
        if source_id in (None, row["source_id"]):
            return Redirect(**row)
    raise NotFound(
        f"There is no redirect {redirect_id!r}. `thamesthrive redirect list` lists them."
    )
