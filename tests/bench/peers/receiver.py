"""A server that answers a tracker as its vendor's does, and notes which events came. It stands
behind the same weather as our collector in the storm."""

import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Any

from ...browser.environment import Reply, cut
from ...support import QuietServer
from .decode import Delivery, deliveries

CONFIG = "/config/"
"""Below it, what trackers read before they start. It is always there, as our script is: vendors
serve both from a network of servers that has nothing to do with the one for events."""

Answer = Callable[[str, bytes, str], Reply]
"""Of an address's path, a body and an origin."""


class Receiver:
    """`weather` as in `visitor.Network`: None stores and answers, "lost" stores and cuts, "down"
    cuts, "hang" says nothing, a reply is somebody else's. `deliveries` are the stored events, in
    order, repeats included."""

    def __init__(self, id_key: str, answer: Answer, config: dict[str, Any]) -> None:
        self.weather: Callable[[dict[str, Any]], Reply | str | None] = lambda _: None
        self.over = threading.Event()
        self.deliveries: list[Delivery] = []
        self.requests = 0  # that carried events, whatever became of them
        self.latest = time.monotonic()  # when an event was stored last
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
                pass

            def do_GET(self) -> None:
                self._serve()

            def do_POST(self) -> None:
                self._serve()

            def do_OPTIONS(self) -> None:
                self._serve()

            def _serve(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if self.path.startswith(CONFIG):
                    return self._reply(_json(200, config))
                verdict = receiver.weather({})
                if verdict == "hang":
                    receiver.over.wait(60)
                found = deliveries(body, id_key)
                receiver.requests += bool(found)
                if verdict in ("hang", "down"):
                    return cut(self)
                if isinstance(verdict, tuple):
                    return self._reply(verdict)
                receiver.keep(found)
                reply = self._answer(body)
                return cut(self) if verdict == "lost" else self._reply(reply)

            def _answer(self, body: bytes) -> Reply:
                if self.command == "OPTIONS":
                    return 204, {}, b""
                return answer(self.path, body, self.headers.get("Origin", ""))

            def _reply(self, reply: Reply) -> None:
                status, headers, content = reply
                self.send_response(status)
                for name, value in {**headers, **self._cors()}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def _cors(self) -> dict[str, str]:
                """Allows everything, for as long as Chromium remembers it: two hours."""
                asked = self.headers.get("Access-Control-Request-Headers")
                return {
                    "Access-Control-Allow-Origin": self.headers.get("Origin", "*"),
                    "Access-Control-Allow-Credentials": "true",
                    "Access-Control-Allow-Methods": "GET, POST, OPTIONS",
                    "Access-Control-Max-Age": "7200",
                    **({"Access-Control-Allow-Headers": asked} if asked else {}),
                }

        self._server = QuietServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> "Receiver":
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self.over.set()
        self._server.shutdown()
        self.close()

    def close(self) -> None:
        """Gives its port back."""
        self._server.server_close()

    def keep(self, found: list[Delivery]) -> None:
        """Stores events."""
        self.deliveries += found
        if found:
            self.latest = time.monotonic()


def _json(status: int, value: Any) -> Reply:
    return status, {"Content-Type": "application/json"}, json.dumps(value).encode()
