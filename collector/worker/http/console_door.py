"""Passes connections that ask for the console on to its process: the socket, and what has arrived
through it. So neither its pages nor its queries share an interpreter with ingestion.

The console answers one request on a connection and closes it, so no later one is for a worker.
"""

import asyncio
import re
import socket
from collections.abc import Callable
from time import monotonic

from .local_peer import is_local_head
from .responses import refusal_bytes

PATIENCE = 10.0  # seconds until the console must have taken a connection; it may have to start
AGAIN = 0.05  # seconds between two tries
# Bytes of a request that may have arrived when its head has. A datagram takes no more.
MAX_ARRIVED = 128 * 1024
ELSEWHERE = (
    "The console answers browsers of the collector's own machine. From another one, connect with"
    " `ssh -L 8686:localhost:8686 HOST` and open http://localhost:8686/console, or start the"
    " collector with --console everywhere, behind HTTPS."
)
_ROOT = b"/console"
_TARGET = re.compile(rb"/console(?:[/?].*)?", re.DOTALL)


class ConsoleDoor:
    """A worker's way to the console. `descriptor`: of the socket that it takes connections from,
    negative if there is no console. `is_open`: whether it answers other machines, too."""

    def __init__(self, descriptor: int, *, is_open: bool = True) -> None:
        self._is_open = is_open
        self._socket = socket.socket(fileno=descriptor) if descriptor >= 0 else None
        if self._socket:
            self._socket.setblocking(False)  # Python's `send_fds` ignores its flags

    def is_asked_for(self, target: bytes) -> bool:
        """Whether a request is the console's."""
        # Every request is asked this: most are answered by their beginning.
        return (
            target.startswith(_ROOT)
            and self._socket is not None
            and _TARGET.fullmatch(target) is not None
        )

    def pass_on(
        self, transport: asyncio.Transport, arrived: bytes, on_failure: Callable[[], None]
    ) -> None:
        """Passes a connection on, and lets go of it here. Calls `on_failure` if the console takes
        none. Another machine's is refused here, so that no stranger has the console started."""
        if not self._is_open and not is_local_head(transport, arrived):
            transport.write(refusal_bytes(403, ELSEWHERE, {}))
            transport.close()
            return
        transport.pause_reading()
        self._try(transport, arrived, on_failure, monotonic() + PATIENCE)

    def _try(
        self,
        transport: asyncio.Transport,
        arrived: bytes,
        on_failure: Callable[[], None],
        deadline: float,
    ) -> None:
        if transport.is_closing():
            return
        connection = transport.get_extra_info("socket")
        try:
            send_connection(self._socket, arrived, connection.fileno())
        except BlockingIOError:  # the console is starting, or busy
            if monotonic() < deadline:
                again = (transport, arrived, on_failure, deadline)
                asyncio.get_running_loop().call_later(AGAIN, self._try, *again)
            else:
                on_failure()
        except OSError:
            on_failure()
        else:
            transport.abort()  # which ends this process's hold on it alone


def send_connection(door: socket.socket | None, arrived: bytes, descriptor: int) -> None:
    """Sends a connection to the console. Raises OSError, BlockingIOError if it has to wait."""
    if door is None or len(arrived) > MAX_ARRIVED:
        raise OSError("there is no console, or too much has arrived")
    socket.send_fds(door, [arrived], [descriptor])


def take_connection(door: socket.socket) -> tuple[bytes, socket.socket] | None:
    """The next connection, and what has arrived through it; None if none waits. The socket must not
    block."""
    try:
        arrived, descriptors, _, _ = socket.recv_fds(door, MAX_ARRIVED, 1)
    except BlockingIOError:
        return None
    return (arrived, socket.socket(fileno=descriptors[0])) if descriptors else None
