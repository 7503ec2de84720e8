"""What the management API consists of: an operation, and a call of it with its arguments."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Raw
from sqlite_utils import Database

from ...errors import StoreError
from ...ipc import WriteRequest, WriteResult
from .openapi import TEXT
from .routes import query_parameter

DEFAULT_LIMIT, MAX_LIMIT = 50, 1000
MAX_ANSWER = 8_000_000  # bytes of a list; what does not fit is on the next page
MAX_SEQ = 2**62


@dataclass(frozen=True)
class Call:
    """A request with a valid token.

    `path` and `query`: names and values in the address; `body`: its fields, if it is a JSON object;
    `text`: the body as it came; `database`: where it is; `write`: has the writer store requests.
    """

    db: Database
    path: dict[str, str]
    query: dict[str, str]
    body: dict[str, Any]
    text: str
    database: Path
    write: Callable[[Sequence[WriteRequest]], Sequence[WriteResult]]

    def number(self, name: str, highest: int) -> int | None:
        """A whole number of the query, None if it is not given. Raises StoreError."""
        text = self.query.get(name)
        if text is None:
            return None
        if not re.fullmatch(r"[0-9]{1,18}", text) or not 1 <= int(text) <= highest:
            raise StoreError(f"{name} must be a whole number from 1 to {highest}.")
        return int(text)

    def flag(self, name: str) -> bool:
        """`true` or `false` in the query; false if it is not given. Raises StoreError."""
        text = self.query.get(name, "false")
        if text not in ("true", "false"):
            raise StoreError(f"{name} must be true or false.")
        return text == "true"

    def choice(self, name: str, words: Sequence[str], default: str) -> str:
        """One of some words in the query. Raises StoreError."""
        text = self.query.get(name, default)
        if text not in words:
            raise StoreError(f"{name} must be one of {', '.join(words)}.")
        return text

    def only(self, *names: str) -> None:
        """Raises StoreError if the body has fields with other names."""
        for name in self.body:
            if name not in names:
                raise StoreError(f"There is no field {name!r}. Choose from {', '.join(names)}.")

    def optional(self, name: str) -> str | None:
        """A string of the body, None if it is not given. Raises StoreError."""
        value = self.body.get(name)
        if name in self.body and not isinstance(value, str):
            raise StoreError(f"{name} must be a string.")
        return value

    def required(self, name: str) -> str:
        """A string of the body. Raises StoreError."""
        value = self.optional(name)
        if value is None:
            raise StoreError(f"{name} is required.")
        return value


Work = Callable[[Call], Any]


class Reach(Enum):
    """How an operation keeps a token that is limited to a source within it: by the name
    `source_id` in its path, its query or its body, or not at all."""

    ALL = "all"  # it reaches things of several sources, so such a token may not use it
    PATH = "path"  # the source that is named must be the token's
    QUERY = "query"  # the same, and where none is named, it is the token's; the work goes by it
    BODY = "body"


@dataclass(frozen=True)
class Operation:
    """A route of the API: its library call, who may use it, and what OpenAPI says of it.

    `role`: the least that a token must have; `reach`: what becomes of one that is limited to a
    source.
    """

    method: str
    path: str
    work: Work
    summary: str
    role: str
    reach: Reach
    query: tuple[dict[str, Any], ...] = ()
    body: dict[str, Any] | None = None  # the schema of its body
    body_required: bool = False
    takes_text: bool = False  # the work reads the body as it came
    status: int = 200
    returns: dict[str, Any] | None = None  # the schema of its answer; None: any object


def page_parameters(*filters: str) -> tuple[dict[str, Any], ...]:
    """What a list takes in its query: filters, `limit` and `cursor`."""
    limit = {"type": "integer", "minimum": 1, "maximum": MAX_LIMIT}
    cursor = {"type": "string", "pattern": "^[1-9][0-9]{0,17}$"}
    return (
        *(
            query_parameter(name, TEXT, f"Only those of this {name.removesuffix('_id')}.")
            for name in filters
        ),
        query_parameter("limit", limit, f"How many; {DEFAULT_LIMIT} by default."),
        query_parameter("cursor", cursor, "`next` of the page before."),
    )


# For lists whose cursors are texts.
CURSOR = query_parameter("cursor", TEXT, "`next` of the page before.")


def page_of(
    call: Call, name: str, find: Callable[..., Iterable[Any]], filters: Sequence[str]
) -> dict[str, Any]:
    """A page of a list, the latest first: `{name: […], "next": cursor}`."""
    limit = call.number("limit", MAX_LIMIT) or DEFAULT_LIMIT
    found = find(
        call.db.conn,
        **{name: call.query.get(name) for name in filters},
        before=call.number("cursor", MAX_SEQ),
        limit=limit,
    )
    page = Page((str(row.seq), row.as_dict()) for row in found)
    rows = list(page)
    return {name: rows, "next": page.next or (page.last if len(rows) == limit else None)}


def whole_list(call: Call, name: str, rows: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """A list that mostly fits one answer: `{name: […], "next": cursor}`.

    `rows`: each with its cursor, in the order of the cursors.
    """
    after = call.query.get("cursor", "")
    page = Page((cursor, row) for cursor, row in rows if cursor > after)
    return {name: [*page], "next": page.next}


class Page:
    """Rows, encoded one after the other, up to MAX_ANSWER bytes of them, and at least one.

    `rows`: each with the cursor from which a next page would go on. When they have been iterated,
    `last` is the cursor of the last row, and `next` is the same if there are more than fit.
    """

    def __init__(self, rows: Iterable[tuple[str, Any]]) -> None:
        self._rows = rows
        self.last: str | None = None
        self.next: str | None = None

    def __iter__(self) -> Iterator[Raw]:
        size = 0
        for cursor, row in self._rows:
            encoded = msgspec.json.encode(row)
            size += len(encoded) + 1
            if self.last is not None and size > MAX_ANSWER:
                self.next = self.last
                return
            self.last = cursor
            yield Raw(encoded)
