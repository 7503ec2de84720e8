"""Live reload: sends the status of each build to open pages, as server-sent events."""

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

HEARTBEAT = 10.0  # seconds between messages, which find out that a page was closed


@dataclass(frozen=True)
class BuildStatus:
    """What open pages receive, as JSON.

    `number` counts the builds that succeeded, and `time` is that of the last one, in milliseconds
    since 1970. `css` says that only styles changed. After a build that failed, `error` is its
    message, `path` and `line` where the mistake is, and `source` the lines around it with their
    numbers.
    """

    number: int = 0
    time: float = 0.0
    css: bool = False
    error: str = ""
    path: str = ""
    line: int = 0
    source: tuple[tuple[int, str], ...] = ()


class LiveReload:
    """The status of the last build, and the pages that wait for the next one."""

    def __init__(self) -> None:
        self.status = BuildStatus()
        self.url = ""
        self._changed = threading.Condition()
        self._version = 0
        self._stopped = False

    def report_success(self, *, css: bool) -> None:
        """Makes open pages reload; with `css`, they reload their styles only."""
        css = css and not self.status.error
        self._publish(BuildStatus(self.status.number + 1, time.time() * 1000, css=css))

    def report_failure(
        self, error: str, path: str, line: int, source: list[tuple[int, str]]
    ) -> None:
        """Makes open pages show an error on top of their content."""
        status = replace(self.status, error=error, path=path, line=line, source=tuple(source))
        self._publish(status)

    def _publish(self, status: BuildStatus) -> None:
        with self._changed:
            self.status = status
            self._version += 1
            self._changed.notify_all()

    def messages(self) -> Iterator[str]:
        """Yields the messages for one page: the current status at once, then each new one."""
        seen = -1
        while not self._stopped:
            with self._changed:
                if seen == self._version:
                    self._changed.wait(HEARTBEAT)
                is_new, seen, status = seen != self._version, self._version, self.status
            yield f"data: {json.dumps(asdict(status))}\n\n" if is_new else ": heartbeat\n\n"

    @contextmanager
    def serve(self, host: str) -> Iterator[None]:
        """Serves the messages within the context, on a free port; `url` is the address."""
        live = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
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
                self._stopped = True
                with self._changed:
                    self._changed.notify_all()
                server.shutdown()
