"""A site for `verify` to look at: pages with headers and behaviour of their own, over http or https,
under any name."""

import contextlib
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from ..support import QuietServer

HOST = "shop.example"


@dataclass(frozen=True)
class Asked:
    """A request. `path` with its query; `base`: scheme, name and port of the site."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    base: str = ""

    @property
    def is_past_caches(self) -> bool:
        return "__tt_verify=" in self.path


@dataclass(frozen=True)
class Answered:
    """An answer. Pairs, because a header may come twice."""

    body: bytes = b""
    status: int = 200
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"),)


Answers = Callable[[Asked], Answered]


@dataclass
class Site:
    """A running site: what it answers may be changed between tests."""

    port: int
    scheme: str
    answers: Answers = field(default=lambda _: Answered(status=404))

    @property
    def url(self) -> str:
        return f"{self.scheme}://{HOST}:{self.port}"


@contextlib.contextmanager
def site(context: ssl.SSLContext | None = None) -> Iterator[Site]:
    """Serves on a free port of this machine."""
    served: list[Site] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
            pass

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            asked = Asked(self.command, self.path, dict(self.headers), body, served[0].url)
            answer = served[0].answers(asked)
            self.send_response_only(answer.status)
            for name, value in answer.headers:
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.send_header("Connection", "close")
            self.end_headers()
            self.close_connection = True
            if self.command != "HEAD":
                self.wfile.write(answer.body)

        do_GET = do_HEAD = do_POST = do_OPTIONS = _answer  # noqa: N815 - the library's names

    server: ThreadingHTTPServer = QuietServer(("127.0.0.1", 0), Handler)
    if context:
        server.socket = context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
    served.append(Site(server.server_port, "https" if context else "http"))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield served[0]
    finally:
        server.shutdown()
        server.server_close()


def server_context(certificate: Path) -> ssl.SSLContext:
    """TLS with a certificate and its key in one file."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
