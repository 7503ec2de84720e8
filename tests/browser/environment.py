"""Where the tests take place: a site of another origin, pages that come slowly, and a network between
them and the collector that can fail."""

import contextlib
import json
import re
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
from playwright.sync_api import BrowserContext, Error, Page

from cli.builder.snippet import render_snippet

from ..support import ROOT, Collector, QuietServer, running, web_server

DIST = ROOT / "js" / "dist"
EVENTS = """
  window.tracker.track("purchase-order", {"product": "Sun glasses - Badoo", "price": 13.45});
  window.tracker.track("interest", {"Eletronics": ["Mobile phones", "Accessories"]});
  window.tracker.track("page-view", {});
"""
TYPES = ["purchase-order", "interest", "page-view"]


class Site:
    """Pages served on a port of their own."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._server = web_server(folder)
        self.origin = ""

    def __enter__(self) -> "Site":
        self.origin = self._server.__enter__()
        return self

    def __exit__(self, *error: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._server.__exit__(*error)  # type: ignore[arg-type]

    def add(self, name: str, script: str = "", *, head: str = "", body: str = "") -> str:
        """Writes a page and gives its address."""
        html = f"<!doctype html><html><head><title>{name}</title>\n{head}\n</head><body>{body}\n"
        (self.folder / name).write_text(
            f"{html}<script>{script}</script></body></html>", encoding="utf-8"
        )
        return f"{self.origin}/{name}"


@contextlib.contextmanager
def page_server(
    html: str, headers: dict[str, str], certificate: Path | None = None
) -> Iterator[str]:
    """Answers everything with one page, on a free port; gives its address. `certificate`: a PEM
    file, for https."""

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

        def do_GET(self) -> None:
            self.send_response(200)
            for name, value in {"Content-Type": "text/html", **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(html.encode())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if certificate:
        secure = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        secure.load_cert_chain(certificate)
        server.socket = secure.wrap_socket(server.socket, server_side=True)
    with running(server) as port:
        yield f"{'https' if certificate else 'http'}://127.0.0.1:{port}/"


@contextlib.contextmanager
def streaming_server(start: str, other: str) -> Iterator[str]:
    """Answers `slow` with the start of a page whose rest never comes, and everything else with
    `other`; gives its address."""
    over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

        def do_GET(self) -> None:
            slow = self.path.endswith("slow")
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write((start if slow else other).encode())
            if slow:
                self.wfile.flush()
                over.wait(60)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    with running(server) as port:
        try:
            yield f"http://127.0.0.1:{port}/"
        finally:
            over.set()


def opened(context: BrowserContext, address: str) -> Page:
    """Another tab, with a page in it."""
    page = context.new_page()
    page.goto(address)
    return page


def crash(page: Page) -> None:
    """Ends the process of a page, which does not see it coming."""
    with page.expect_event("crash"), contextlib.suppress(Error):  # it is gone, as it should be
        page.goto("chrome://crash", wait_until="commit", timeout=1000)


def snippet(source: str, api: str, **options: Any) -> str:
    """What `thamesthrive snippet` prints."""
    return render_snippet(source, api, DIST, **options).html


Reply = tuple[int, dict[str, str], bytes]


def cut(handler: BaseHTTPRequestHandler) -> None:
    """Resets the connection of a request."""
    handler.close_connection = True
    now = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, now)
    handler.connection.close()


class Network:
    """Stands between pages and a collector. `weather` sees each POST's body and says what happens
    to it: None passes it on, "lost" passes it on and cuts the answer, "down" cuts at once, "hang"
    says nothing, a (status, headers, body) answers in the collector's place. `alter` may change the
    collector's answers."""

    def __init__(self, collector: Collector) -> None:
        self.weather: Callable[[dict[str, Any]], Reply | str | None] = lambda _: None
        self.alter: Callable[[dict[str, Any]], dict[str, Any]] = lambda answer: answer
        self.over = threading.Event()
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []  # of the same requests
        network = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

            def do_POST(self) -> None:
                raw = self.rfile.read(int(self.headers["Content-Length"]))
                body = json.loads(raw)
                network.headers.append(dict(self.headers))
                network.bodies.append(body)
                verdict = network.weather(body)
                if verdict == "hang":
                    network.over.wait(60)
                if verdict in ("hang", "down"):
                    return cut(self)
                if isinstance(verdict, tuple):
                    cors = {
                        "Access-Control-Allow-Origin": "*",
                        "Access-Control-Expose-Headers": "Retry-After, X-Collector-Reason",
                    }
                    return self._reply(verdict[0], {**cors, **verdict[1]}, verdict[2])
                answer = httpx.post(
                    f"{collector.url}/track",
                    content=raw,
                    headers={"Origin": self.headers["Origin"]},
                    timeout=20,
                )
                if verdict == "lost":
                    return cut(self)
                content = json.dumps(network.alter(answer.json())).encode()
                return self._reply(answer.status_code, dict(answer.headers), content)

            def _reply(self, status: int, headers: dict[str, str], content: bytes) -> None:
                self.send_response(status)
                for name, value in headers.items():
                    if name.lower() not in ("content-length", "connection", "content-encoding"):
                        self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Network":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()


def through(network: Network, head: str) -> str:
    """A snippet whose page has the bundle from the collector, and sends through the network."""
    return re.sub('api: "[^"]+"', f'api: "{network.url}"', head)


def split_snippet(source: str, collector: Collector, network: Network) -> str:
    """The same of a source of a collector."""
    return through(network, snippet(source, collector.url))
