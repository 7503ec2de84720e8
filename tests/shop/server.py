"""The shop's server: pages from a folder, and refunds, which it reports to the collector by itself."""

import json
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

PAGES = Path(__file__).parent / "pages"
TYPES = {".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css"}


class Shop:
    """`values`: what pages write as `{{ name }}`: snippet, collector, source."""

    def __init__(
        self, values: dict[str, str], pages: Path = PAGES, headers: dict[str, str] | None = None
    ) -> None:
        self.values = values
        self.pages = pages
        self.headers = headers or {}
        self.url = ""

    def page(self, path: str) -> tuple[bytes, str] | None:
        """The content and the type of a page, None if there is none."""
        name = "app.html" if path.startswith("/app/") else path.lstrip("/") or "index.html"
        file = self.pages / name
        if "/" in name or not file.is_file():
            return None
        text = file.read_text(encoding="utf-8")
        for key, value in self.values.items():
            text = text.replace(f"{{{{ {key} }}}}", value)
        return text.encode(), TYPES[file.suffix]

    def refund(self, order: dict[str, Any], run: str | None) -> int:
        """Pays money back, and tells the collector; gives what that has answered."""
        request = urllib.request.Request(
            f"{self.values['collector']}/collect/refund/{self.values['source']}",
            json.dumps({"order": order["order"], "amount": order["amount"]}).encode(),
            {"Content-Type": "application/json", **({"X-ThamesThrive-Run": run} if run else {})},
        )
        try:
            with urllib.request.urlopen(request) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
            pass

        def do_GET(self) -> None:
            found = shop.page(self.path.partition("?")[0])
            body, kind = found or (b"Not found", "text/plain")
            self._answer(200 if found else 404, body, kind)

        def do_POST(self) -> None:
            order = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = shop.refund(order, self.headers.get("X-ThamesThrive-Run"))
            self._answer(200, json.dumps({"collector": status}).encode(), "application/json")

        def _answer(self, status: int, body: bytes, kind: str) -> None:
            self.send_response(status)
            for name, value in shop.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Handler


@contextmanager
def serve(shop: Shop) -> Iterator[Shop]:
    """Serves a shop on a free port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(shop))
    server.daemon_threads = True
    shop.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield shop
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
