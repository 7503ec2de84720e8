"""Servers that mean harm to whoever looks at them."""

import contextlib
import gzip
import socket
import threading
import zlib
from collections.abc import Callable, Iterator

Behaviour = Callable[[socket.socket, bytes, int], None]
"""What is done with a connection: its socket, the request's head, the server's port."""

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n"


@contextlib.contextmanager
def hostile(behave: Behaviour, family: int = socket.AF_INET) -> Iterator[int]:
    """Serves so on a free port of this machine; gives the port."""
    host = "::1" if family == socket.AF_INET6 else "127.0.0.1"
    with socket.create_server((host, 0), family=family) as server:
        port: int = server.getsockname()[1]
        over = threading.Event()

        def serve() -> None:
            while not over.is_set():
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                threading.Thread(target=handle, args=(connection,), daemon=True).start()

        def handle(connection: socket.socket) -> None:
            # It hangs up whenever it likes.
            with connection, contextlib.suppress(OSError):
                head = b""
                while b"\r\n\r\n" not in head:
                    part = connection.recv(65536)
                    if not part:
                        return
                    head += part
                behave(connection, head, port)

        threading.Thread(target=serve, daemon=True).start()
        try:
            yield port
        finally:
            over.set()
            server.shutdown(socket.SHUT_RDWR)


def drip_body(connection: socket.socket, _: bytes, __: int) -> None:
    """A byte every twentieth of a second, for ever: each read succeeds in time."""
    connection.sendall(HEAD + b"Content-Length: 1000000\r\n\r\n")
    pause = threading.Event()
    while True:
        connection.sendall(b" ")
        pause.wait(0.05)


def drip_head(connection: socket.socket, _: bytes, __: int) -> None:
    """Headers without an end."""
    connection.sendall(HEAD)
    pause = threading.Event()
    while True:
        connection.sendall(b"X: y\r\n")
        pause.wait(0.05)


def endless_body(connection: socket.socket, _: bytes, __: int) -> None:
    """As many bytes as somebody takes."""
    connection.sendall(HEAD + b"\r\n")
    while True:
        connection.sendall(b"<p>more</p>" * 6000)


def bomb(connection: socket.socket, _: bytes, __: int) -> None:
    """100 KB that inflate to 100 MB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    body = b"".join(packer.compress(b" " * 1_000_000) for _ in range(100)) + packer.flush()
    head = b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    connection.sendall(HEAD + head + body)


def bomb_in_bomb(connection: socket.socket, _: bytes, __: int) -> None:
    """Inflated twice."""
    body = gzip.compress(gzip.compress(b" " * 100_000_000))
    head = b"Content-Encoding: gzip, gzip\r\nContent-Length: %d\r\n\r\n" % len(body)
    connection.sendall(HEAD + head + body)


def redirect_to(target: str) -> Behaviour:
    """Redirects to an address, in which PORT is the server's own."""

    def behave(connection: socket.socket, _: bytes, port: int) -> None:
        location = target.replace("PORT", str(port)).encode()
        connection.sendall(
            b"HTTP/1.1 302 Found\r\nLocation: " + location + b"\r\nContent-Length: 0\r\n\r\n"
        )

    return behave


def no_http(connection: socket.socket, _: bytes, __: int) -> None:
    """Something else."""
    connection.sendall(b"\0\1\2 220 ready\r\n" * 10)
