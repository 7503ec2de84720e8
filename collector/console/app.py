"""The console's process: takes connections from workers, and serves /console on them."""

import asyncio
import contextlib
import logging
import os
import resource
import signal
import socket
from functools import partial
from typing import Any

from sanic import Sanic
from sanic.models.server_types import Signal
from sanic.server.async_server import AsyncioServer

from ..database_file import DatabaseFile
from ..descriptors import most_connections
from ..event.limits import MAX_WIRE
from ..ipc import Task
from ..settings import Settings
from ..worker.http import host_check
from ..worker.http.connection import Connection
from ..worker.http.connections import Connections
from ..worker.http.console_door import ConsoleDoor, take_connection
from ..worker.http.head import MAX_HEAD
from ..worker.replays import Replays
from ..worker.stopping import Stopping
from ..worker.writer_client import WriterClient, write_from_thread
from . import routes

log = logging.getLogger("collector.console")

NICENESS = 10  # ingestion goes first where there are not enough cores
MAX_CONNECTIONS = 500
BUFFER = 64 * 1024 * 1024  # bytes of requests and answers on their way
LAST_SECONDS = 1.0  # for answers that are on their way when it ends


class ConsoleConnection(Connection):
    """A connection that a worker has passed on, with what had arrived."""

    __slots__ = ("_arrived",)

    def __init__(self, *, arrived: bytes, **options: Any) -> None:
        super().__init__(**options)
        self._arrived = arrived

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self.data_received(self._arrived)


def run(task: Task) -> None:
    """The body of the console's process. Returns after SIGTERM."""
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    # A hint for Sanic's own users, on terminals.
    os.environ["SANIC_IGNORE_PRODUCTION_WARNING"] = "1"
    database = task.database or DatabaseFile.at(task.settings.db)
    app = create_app(task.settings, database, socket.socket(fileno=task.writer))
    with socket.socket(fileno=task.descriptor) as door:
        door.setblocking(False)
        asyncio.run(_serve(app, door))
    if app.ctx.stopping.has_threads:
        os._exit(0)  # Python would wait for them


def create_app(
    settings: Settings, database: DatabaseFile, writer_socket: socket.socket
) -> Sanic[Any, Any]:
    """The console as a Sanic app. The writer takes its connection from the socket."""
    app: Sanic[Any, Any] = Sanic("thamesthrive-console", configure_logging=False)
    app.config.update(
        {
            "REQUEST_MAX_SIZE": MAX_WIRE,
            "REQUEST_MAX_HEADER_SIZE": MAX_HEAD,
            "REQUEST_TIMEOUT": settings.request_seconds,
            "RESPONSE_TIMEOUT": 3600,
            "FALLBACK_ERROR_FORMAT": "json",
            "ACCESS_LOG": False,
            "MOTD": False,
            # The next request on the connection may be one for a worker.
            "KEEP_ALIVE": False,
            "AUTO_EXTEND": False,
        }
    )
    app.ctx.settings = settings
    app.ctx.database = database
    app.ctx.writer = WriterClient(writer_socket, max_bytes=BUFFER)
    app.ctx.stopping = Stopping(app, app.ctx.writer)
    app.ctx.connections = Connections(
        most_connections(MAX_CONNECTIONS, resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        None,
        BUFFER,
    )
    # What a worker's connection knows, and this one has no use for.
    app.ctx.pipeline = None
    app.ctx.console_door = ConsoleDoor(-1)
    app.ctx.track_targets = app.ctx.ingestion_paths = ()
    app.ctx.draining = False
    routes.add(app)
    host_check.add(app, settings.host, settings.allowed_hosts)
    return app


async def _serve(app: Sanic[Any, Any], door: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    connections: set[Any] = set()
    server: Any = AsyncioServer(app, loop, None, connections)
    await server.startup()
    await server.before_start()
    await app.ctx.writer.open()
    app.ctx.replays = Replays(app.ctx.settings.db, write_from_thread(loop, app.ctx.writer))
    state = Signal()
    tasks: set[asyncio.Task[Any]] = set()

    def take() -> None:
        while (found := take_connection(door)) is not None:
            arrived, connection = found
            make = partial(
                ConsoleConnection,
                arrived=arrived,
                loop=loop,
                app=app,
                connections=connections,
                signal=state,
            )
            task = loop.create_task(_connect(make, connection))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

    loop.add_reader(door.fileno(), take)
    await ended.wait()
    loop.remove_reader(door.fileno())
    state.stopped = True
    app.ctx.stopping.begin()
    await server.before_stop()
    for connection in list(connections):
        connection.close_if_idle()
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(LAST_SECONDS):
            while connections:
                await asyncio.sleep(0.02)
    await server.after_stop()


async def _connect(make: Any, connection: socket.socket) -> None:
    connection.setblocking(False)
    try:
        await asyncio.get_running_loop().connect_accepted_socket(make, connection)
    except OSError as error:  # its client is gone already
        log.debug("a connection ended at once: %s", error)
        connection.close()
