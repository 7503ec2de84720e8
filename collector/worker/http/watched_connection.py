"""A connection of a collector for tests: the journal knows of a request from its first byte on."""

import asyncio
from time import perf_counter
from typing import Any
from urllib.parse import unquote

from sanic import Request, Sanic

from ...event.run_id import HEADER, is_run_id, run_in_query
from ..answer import Answer
from ..journal import Entry, Journal
from ..watched import CURRENT
from .connection import Connection
from .cors import is_ingestion
from .head import Head
from .header_mask import masked

_METHODS = (b"GET", b"POST")


class WatchedConnection(Connection):
    """One connection of a worker. `_entry`: the request with events that is arriving or served."""

    __slots__ = ("_began", "_entry")

    def __init__(self, *, app: Sanic[Any, Any], **options: Any) -> None:
        super().__init__(app=app, **options)
        self._entry: Entry | None = None
        self._began = 0.0

    @property
    def entry(self) -> Entry | None:
        """The request with events that is arriving or served."""
        return self._entry

    @property
    def is_beginning(self) -> bool:
        """Whether a request is arriving of which nothing is known yet."""
        return bool(self._buffer) and self._head is None and not self._is_discarding

    @property
    def _journal(self) -> Journal:
        journal: Journal = self.app.ctx.journal
        return journal

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.app.ctx.watched.add(self)

    def data_received(self, data: bytes) -> None:
        if not self._buffer and self._head is None:
            self._began = perf_counter()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.app.ctx.watched.discard(self)
        self._drop_entry()
        super().connection_lost(exc)

    def drop(self) -> None:
        self._drop_entry()
        super().drop()

    def _take_head(self) -> Head | None:
        head = super()._take_head()
        if head and head.method in _METHODS and self._has_events(head.target.decode()):
            self._entry = entry = _entry_of(head)
            entry.started = self._began
            self._journal.begin(entry)
        return head

    def _has_events(self, target: str) -> bool:
        path = target.partition("?")[0]
        return is_ingestion(path, self.app) and not path.startswith("/tracker/")

    def _answer(self, head: Head, body: bytes) -> None:
        if self._entry:
            self._entry.is_taken = True
        token = CURRENT.set(self._entry)
        try:
            super()._answer(head, body)
        finally:
            CURRENT.reset(token)

    def _finish_answer(self, origin: str | None, keep: bool, task: asyncio.Task[Answer]) -> None:
        self._entry = None
        super()._finish_answer(origin, keep, task)

    def _go_on(self) -> None:
        self._drop_entry()
        super()._go_on()

    def _drop_entry(self) -> None:
        """Forgets the request, unless the pipeline has it."""
        entry, self._entry = self._entry, None
        if entry and not entry.is_taken:
            self._journal.drop(entry)

    def _end_entry(self, status: int, reason: str, detail: str) -> None:
        """Notes that a request was refused before the pipeline had it."""
        entry, self._entry = self._entry, None
        if entry and not entry.is_taken:
            self._journal.end(entry, status, reason, detail)

    def _refuse(self, status: int, detail: str) -> None:
        self._end_entry(status, "", detail)
        super()._refuse(status, detail)

    def _refuse_overloaded(self, head: Head | None) -> None:
        self._end_entry(503, "overloaded", "")
        super()._refuse_overloaded(head)

    def _refuse_too_large(self, error: Any) -> None:
        self._end_entry(413, error.code, error.detail)
        super()._refuse_too_large(error)


def set_current(request: Request) -> None:
    """Middleware of Sanic: says which request the pipeline is called for."""
    protocol = request.transport.get_protocol() if request.transport else None
    CURRENT.set(protocol.entry if isinstance(protocol, WatchedConnection) else None)


def _entry_of(head: Head) -> Entry:
    path, _, query = head.target.decode().partition("?")
    headers = _headers_of(head.raw)
    header, in_query = headers.get(HEADER), run_in_query(query)
    run, run_from = (in_query, "query") if in_query else (None, None)
    if is_run_id(header):
        run, run_from = header, "header"
    return Entry(
        route=unquote(path),
        method=head.method.decode(),
        origin=headers.get("origin"),
        headers=headers,
        run=run,
        run_from=run_from,
        size=head.length,
    )


def _headers_of(raw: bytes) -> dict[str, str]:
    """All headers, by their names in lower case; secrets are masked."""
    found: dict[str, str] = {}
    for line in raw.decode("utf-8", "replace").split("\r\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            key = name.lower()
            text = masked(key, value.strip())
            found[key] = f"{found[key]}, {text}" if key in found else text
    return found
