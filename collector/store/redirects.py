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
    db.table("redirects").insert(redirect.as_dict())
    return redirect


def list_redirects(db: Database) -> list[Redirect]:
    """All redirects, oldest first."""
    return [Redirect(**row) for row in db["redirects"].rows_where(order_by="created_at, id")]


def remove_redirect(db: Database, redirect_id: str) -> None:
    """Removes a redirect: its address answers 404 from now on. Raises NotFound."""
    if not db["redirects"].count_where("id = ?", [redirect_id]):
        raise NotFound(
            f"There is no redirect {redirect_id!r}. `thamesthrive redirect list` lists them."
        )
    db.table("redirects").delete(redirect_id)
