"""A file that is sent as it is read: memory stays the same however large it is."""

from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from threading import Lock
from typing import Any

from sanic import HTTPResponse, Request

from .page import Download
from .responses import download_headers

PIECE = 128 * 1024  # characters that are read at a time, about

InThread = Callable[..., Awaitable[Any]]


class FileToSend:
    """Reads its first piece at once, so that what fails there is answered as for any page."""

    def __init__(self, download: Download, held: ExitStack) -> None:
        """`held`: what the file is read from. It takes that over."""
        self._download = download
        self._parts = iter(download.parts)
        self._lock = Lock()
        self._is_over = False
        self._piece = self._read()
        self._held = held.pop_all()

    def _read(self) -> str:
        """The next piece; empty at the end."""
        found: list[str] = []
        size = 0
        with self._lock:
            while size < PIECE and not self._is_over:
                part = next(self._parts, None)
                if part is None:
                    break
                found.append(part)
                size += len(part)
        return "".join(found)

    async def send(self, request: Request, in_thread: InThread) -> HTTPResponse | None:
        """Answers a request with it. No thread waits while the browser is slow."""
        headers, kind = download_headers(self._download.name), self._download.content_type
        with self._held:
            if len(self._piece) < PIECE:
                return HTTPResponse(self._piece, 200, headers, kind)
            try:
                response: Any = await request.respond(content_type=kind, headers=headers)
                while self._piece:
                    await response.send(self._piece)
                    self._piece = await in_thread(self._read)
                await response.eof()
            finally:
                # If the browser has gone, a thread may be reading: what it reads from is not given
                # to others meanwhile.
                self._is_over = True
                with self._lock:
                    pass
        return None
