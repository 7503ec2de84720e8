"""Live reload: sends the status of each build to open pages, as server-sent events."""

import json
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from typing import Any

HEARTBEAT = 10.0  # seconds between messages, which find out that a page was closed


@dataclass(frozen=True)
class BuildStatus:
    """What open pages receive, as JSON.

    `time` is that of the last build that succeeded, in milliseconds since 1970; it tells builds
    apart, also those of a program that was started again. `css` says that only styles changed.
    After a build that failed, `error` is its message, `path` and `line` where the mistake is, and
    `source` the lines around it with their numbers.
    """

    time: float = 0.0
    css: bool = False
    error: str = ""
    path: str = ""
    line: int = 0
    source: tuple[tuple[int, str], ...] = ()


class LiveReload:
    """The status of the last build, and the pages that wait for the next one.

    Within its context `url` is where pages connect; they are answered once `serve` was called. It
    is on a free port of `host`, or goes on with the socket that another one has kept.
    """

    def __init__(self, host: str, kept: int | None = None) -> None:
        self.status = BuildStatus()
        self._socket = (
            socket.create_server((host, 0)) if kept is None else socket.socket(fileno=kept)
        )
        self.url = f"http://{host}:{self._socket.getsockname()[1]}/live"
        self._server: HTTPServer | None = None
        self._changed = threading.Condition()
        self._version = 0
        self._stopped = False

    def __enter__(self) -> "LiveReload":
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        with self._changed:
            self._changed.notify_all()
        if self._server:
            self._server.shutdown()
        self._socket.close()

    def keep(self) -> int:
        """Lets the program that is executed next in this process go on with the socket; returns its
        descriptor. Pages that connect meanwhile wait."""
        self._socket.set_inheritable(True)
        return self._socket.fileno()

    def report_success(self, *, css: bool) -> None:
        """Makes open pages reload; with `css`, they reload their styles only."""
        css = css and not self.status.error
        self._publish(BuildStatus(time.time() * 1000, css=css))

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

    def serve(self) -> None:
        """Begins to answer, in other threads."""
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

        server = Server(self._socket.getsockname(), Handler, bind_and_activate=False)
        server.socket.close()  # the one that it would have bound
        server.socket = self._socket
        self._server = server
        threading.Thread(target=server.serve_forever, daemon=True).start()
