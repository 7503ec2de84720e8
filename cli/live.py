"""Tells open pages of new builds, by server-sent events on a port of its own."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HEARTBEAT = 10.0  # seconds: how soon a page that was closed is noticed


@dataclass(frozen=True)
class Build:
    """What pages are told. `number` counts the builds that succeeded; `time`: of the last
    of them, milliseconds since 1970; `source` are lines around the mistake, with their numbers."""

    number: int = 0
    time: float = 0.0
    css: bool = False
    error: str = ""
    path: str = ""
    line: int = 0
    source: tuple[tuple[int, str], ...] = ()


class Live:
    """The last build, and who waits for the next."""

    def __init__(self) -> None:
        self.build = Build()
        self.url = ""
        self._changed = threading.Condition()
        self._turn = 0
        self._over = False

    def succeeded(self, *, css: bool) -> None:
        """Pages reload; with `css` they take new styles only."""
        self._tell(
            Build(self.build.number + 1, time.time() * 1000, css=css and not self.build.error)
        )

    def failed(self, error: str, path: str, line: int, source: list[tuple[int, str]]) -> None:
        """Pages show what is wrong, over what they show now."""
        self._tell(replace(self.build, error=error, path=path, line=line, source=tuple(source)))

    def _tell(self, build: Build) -> None:
        with self._changed:
            self.build = build
            self._turn += 1
            self._changed.notify_all()

    def messages(self) -> Iterator[str]:
        """What the page of one connection is told: at once how things are, then each change."""
        seen = -1
        while not self._over:
            with self._changed:
                if seen == self._turn:
                    self._changed.wait(HEARTBEAT)
                fresh, seen, build = seen != self._turn, self._turn, self.build
            yield f"data: {json.dumps(asdict(build))}\n\n" if fresh else ": still here\n\n"

    @contextmanager
    def served(self, host: str) -> Iterator[None]:
        """Serves while it is entered; `url` says where."""
        live = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                pass

            def do_GET(self) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/event-stream")
                self.send_header("Cache-Control", "no-store")
                self.send_header("Access-Control-Allow-Origin", "*")
                self.end_headers()
                try:
                    for message in live.messages():
                        self.wfile.write(message.encode())
                        self.wfile.flush()
                except (BrokenPipeError, ConnectionResetError):
                    pass  # the page was closed

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

        with Server((host, 0), Handler) as server:
            self.url = f"http://{host}:{server.server_port}/live"
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                yield
            finally:
                self._over = True
                with self._changed:
                    self._changed.notify_all()
                server.shutdown()
