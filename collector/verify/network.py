"""Connections of a verification: each name is resolved once, judged, and what was judged is what is
connected to; and everything ends when the time is over, however slowly bytes drip."""

import socket
import ssl
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as TookTooLong
from typing import Any

import certifi
import httpcore

from .guard import Guard, Refusal

CONNECT_SECONDS = 5.0
CHUNK = 64 * 1024


class UnknownName(httpcore.ConnectError):
    """A name has no address."""


class Network(httpcore.NetworkBackend):
    """Resolves and connects. Keeps what it has resolved, so a name means the same address
    throughout."""

    def __init__(self, guard: Guard) -> None:
        self._guard = guard
        self._known: dict[tuple[str, int], list[str]] = {}
        self._sockets = httpcore.SyncBackend()

    def resolve(self, host: str, port: int) -> list[str]:
        """The addresses of a name. Raises UnknownName, and Refusal."""
        key = (host, port)
        if key not in self._known:
            named = self._guard.hosts.get(host.lower())
            found = [named] if named else _look_up(host, port, self._guard.remaining())
            self._guard.check_addresses(host, port, found)
            self._known[key] = found
        return self._known[key]

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connects to the first address that accepts."""
        failure: httpcore.NetworkError | httpcore.TimeoutException | None = None
        for address in self.resolve(host, port):
            patience = min(CONNECT_SECONDS, self._guard.remaining())
            try:
                stream = self._sockets.connect_tcp(
                    address, port, patience, local_address, socket_options
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return _Bounded(stream, self._guard)
        raise failure or UnknownName(f"{host} has no address")


class _Bounded(httpcore.NetworkStream):
    """A stream that ends with the time of the verification."""

    def __init__(self, stream: httpcore.NetworkStream, guard: Guard) -> None:
        self._stream = stream
        self._guard = guard

    def _time(self, timeout: float | None) -> float:
        left = self._guard.remaining()
        return left if timeout is None else min(left, timeout)

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            return self._stream.read(max_bytes, self._time(timeout))
        except httpcore.ReadTimeout:
            self._guard.remaining()  # the time of all is over, rather than that of one answer
            raise

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._time(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        secured = self._stream.start_tls(ssl_context, server_hostname, self._time(timeout))
        return _Bounded(secured, self._guard)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


def _look_up(host: str, port: int, seconds: float) -> list[str]:
    """In a thread: the system's resolver has no deadline."""
    thread = ThreadPoolExecutor(1)
    try:
        looking = thread.submit(socket.getaddrinfo, host, port, type=socket.SOCK_STREAM)
        found = looking.result(seconds)
    except socket.gaierror as error:
        raise UnknownName(f"{host}: {error.strerror}") from error
    except UnicodeError as error:
        raise UnknownName(f"{host}: {error}") from error
    except TookTooLong as error:
        raise Refusal(f"Looking {host} up took longer than {seconds:.0f} seconds.") from error
    finally:
        thread.shutdown(wait=False)
    return list(dict.fromkeys(str(address[4][0]) for address in found))


def trust() -> ssl.SSLContext:
    """The certificate authorities of this machine, and those that browsers trust."""
    context = ssl.create_default_context()
    context.load_verify_locations(certifi.where())
    return context
