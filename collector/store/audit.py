"""The audit: who changed what, and when. Whatever an administrator changes passes through here.

A row is committed in the transaction of its change, so there is neither without the other. What
takes several transactions gets its row in the first of them, and its numbers in the last.
"""

import json
import os
import pwd
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, fields
from typing import Any

from ..event.timestamps import now
from .connection import transaction
from .rows import Search, compared, select_rows

MAX_DAYS = 400  # a row is kept: a year, and time to look at it. There is no limit in number,
# because whoever fills it would remove what was there before.
MAX_TEXT = 200  # characters of a value, a name or an object

TABLES = (
    """
    CREATE TABLE audit (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        at TEXT NOT NULL,
        actor TEXT NOT NULL,
        token_id TEXT,
        action TEXT NOT NULL,
        object TEXT NOT NULL,
        source_id TEXT,
        changes TEXT NOT NULL,
        counts TEXT
    )
    """,
    "CREATE INDEX audit_by_time ON audit(at)",
    "CREATE INDEX audit_of_source ON audit(source_id)",
)

Changes = Mapping[str, tuple[Any, Any]]
"""Names of fields, with the values before and after."""


@dataclass(frozen=True)
class Actor:
    """Who changes something: a token by its name and id, or a user of this machine, who has no
    `token_id`."""

    name: str
    token_id: str | None = None


_actor: ContextVar[Actor | None] = ContextVar("actor", default=None)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """What is changed inside, in this thread or task, is changed by `actor`. Elsewhere it is the
    operating system's user."""
    before = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(before)


def local_user() -> Actor:
    """The process's user. Not from the environment, which says whatever one likes."""
    try:
        name = pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container's user need not have a name
        name = str(os.getuid())
    return Actor(f"{name}@{socket.gethostname()}")


@dataclass(frozen=True)
class AuditEntry:
    """One row of `audit`.

    `changes`: `{field: {"from": …, "to": …}}`. `counts`: how many rows of what were stored or
    removed, where that is the change; None if it was interrupted.
    """

    seq: int
    at: str
    actor: str
    token_id: str | None
    action: str
    object: str
    source_id: str | None
    changes: dict[str, dict[str, Any]]
    counts: dict[str, int] | None

    def as_dict(self) -> dict[str, Any]:
        """The entry as JSON-ready data."""
        return asdict(self)


def add_entry(
    connection: sqlite3.Connection,
    action: str,
    object_: str = "",
    *,
    source_id: str | None = None,
    changes: Changes | None = None,
) -> int:
    """Adds a row inside the caller's transaction. Returns its number, for `complete_entry`.

    Called by every function that changes what an administrator decides about: a change that cannot
    be recorded is rolled back. `object_`: the id of what is changed; never that of a visitor.
    `source_id`: the source that it belongs to. Secrets must not be in `changes`.
    """
    actor = _actor.get() or local_user()
    values = {
        name: {"from": _bounded(old), "to": _bounded(new)}
        for name, (old, new) in (changes or {}).items()
        if old != new
    }
    added = connection.execute(
        "INSERT INTO audit (at, actor, token_id, action, object, source_id, changes)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            now(), _text(actor.name), actor.token_id, action, _text(object_), source_id,
            json.dumps(values, ensure_ascii=False),
        ),
    )  # fmt: skip
    return int(added.lastrowid or 0)


def complete_entry(
    connection: sqlite3.Connection, seq: int, counts: Mapping[str, int | bool]
) -> None:
    """Adds the numbers of a change that took several transactions, inside the last of them."""
    connection.execute("UPDATE audit SET counts = ? WHERE seq = ?", (json.dumps(counts), seq))


def _text(text: str) -> str:
    """A text that can be stored, and is not too long."""
    text = text.encode("utf-8", "replace").decode()
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 1] + "…"


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return _text(value)
    written = json.dumps(value, ensure_ascii=False)
    return value if len(written) <= MAX_TEXT else _text(written)


_NAMES = tuple(field.name for field in fields(AuditEntry))


def iter_audit(
    connection: sqlite3.Connection,
    *,
    source_id: str | None = None,
    since: str | None = None,
    before: int | None = None,
    limit: int | None = None,
) -> Iterator[AuditEntry]:
    """Changes, the latest first. Those of a source are also those made when it had another id.
    `since`: the stored form of a time. See `select_rows`."""
    ids = None if source_id is None else _ids_of(connection, source_id)
    terms = compared(">=", {"at": since})
    if ids is not None:
        terms.append((f"source_id IN ({', '.join('?' * len(ids))})", ids))
    rows = select_rows(connection, Search("audit", terms), _NAMES, before=before, limit=limit)
    for row in rows:
        yield _entry(dict(zip(_NAMES, row, strict=True)))


def _ids_of(connection: sqlite3.Connection, source_id: str) -> list[str]:
    """A source's id, and those that it had before it was rotated."""
    ids = [source_id]
    find = (
        "SELECT json_extract(changes, '$.id.from') FROM audit"
        " WHERE source_id = ? AND action = 'source.rotate'"
    )
    while row := connection.execute(find, [ids[-1]]).fetchone():
        ids.append(str(row[0]))
    return ids


def _entry(row: dict[str, Any]) -> AuditEntry:
    counts = json.loads(row["counts"]) if row["counts"] else None
    return AuditEntry(**{**row, "changes": json.loads(row["changes"]), "counts": counts})


def expire_audit(connection: sqlite3.Connection, oldest: str, limit: int) -> int:
    """Removes some rows from before `oldest`, in a transaction. Returns how many."""
    old = "SELECT seq FROM audit WHERE at < ?"
    if not connection.execute(f"{old} LIMIT 1", [oldest]).fetchone():
        return 0
    with transaction(connection):
        return connection.execute(
            f"DELETE FROM audit WHERE seq IN ({old} LIMIT ?)", [oldest, limit]
        ).rowcount
