"""What the collector's processes say to each other.

The supervisor gives each child a `Task`, as JSON on its standard input. Workers and the writer
exchange `WriteRequest` and `WriteResult`, as frames of msgpack on a pair of Unix sockets. A worker
makes the pair and passes the writer one end, through a socket that both have inherited: no other
process can connect, and no file can be in the way.
"""

import contextlib
import os
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Generic, TypeVar, cast

import msgspec
from msgspec import Struct

from .database_file import DatabaseFile
from .event.types import Payload
from .settings import Settings

# Blocks of more than 128 KB go back to the system when they are freed. Else glibc soon takes them from
# its heap, and keeps tens of megabytes after a rush of large requests.
_MALLOC = {"MALLOC_MMAP_THRESHOLD_": "131072", "MALLOC_TRIM_THRESHOLD_": "1048576"}
_LENGTH = struct.Struct("!I")
_LAUNCH = Path(__file__).with_name("launch.py")

T = TypeVar("T")


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    """What a child process does."""

    # "writer", "worker", "console", "forwarder", or "supervisor" for a collector that another program
    # embeds
    role: str
    settings: Settings
    # Of the socket that it serves: for a worker the public one, for the writer and the console that
    # on which they get connections from workers.
    descriptor: int = -1
    writer: int = -1  # of the socket through which a worker passes the writer a connection
    console: int = -1  # of that through which it passes the console one; -1 if there is none
    counters: int = -1  # of the memory for the metrics; -1 if there is none
    database: DatabaseFile | None = None  # as the supervisor found it
    destination: str = ""  # of a forwarder, by its name
    number: int = 0  # of the process, among those that share that memory
    processes: int = 1  # how many those are

    @property
    def inherited(self) -> list[int]:
        """The descriptors that the process inherits."""
        all_ = (self.descriptor, self.writer, self.console, self.counters)
        return [number for number in all_ if number >= 0]


def start_process(task: Task, stdout: int | None = None) -> subprocess.Popen[bytes]:
    """Starts a process for a task.

    Its standard input ends when this process does, however it ends. Its own process group keeps a
    terminal's Ctrl-C from it: who started it decides when it finishes.
    """
    process = subprocess.Popen(
        [sys.executable, "-P", str(_LAUNCH), "collector.child", task.role],
        pass_fds=task.inherited,
        stdin=subprocess.PIPE,
        stdout=stdout,
        process_group=0,
        env=_MALLOC | os.environ,
    )
    pipe = cast("IO[bytes]", process.stdin)
    with contextlib.suppress(BrokenPipeError):  # it has ended already, which its owner will notice
        pipe.write(msgspec.json.encode(task, enc_hook=str) + b"\n")
        pipe.flush()
    return process


def read_task() -> Task | None:
    """The task of this process. None if it was not started by `start_process`."""
    line = sys.stdin.buffer.readline()
    if not line:
        return None
    return msgspec.json.decode(line, type=Task, dec_hook=lambda kind, value: kind(value))


# Of the work of large requests, so much is with the writer for each worker, and in one transaction:
# what is small never waits for more. An event counts 1, and half a KB as well.
BULK_AT_ONCE = 500


class SenderInfo(Struct, frozen=True, array_like=True, gc=False):
    """Who sent a request: its `Origin` header, the address as the source wants it stored, whether
    the user agent is a program's, and the country of the address, if that is looked up."""

    origin: str | None = None
    ip: str | None = None
    bot: bool = False
    country: str | None = None


class WriteRequest(Struct, array_like=True, gc=False):
    """One admitted request on its way to the disk. `size`: bytes that it takes, about.

    `number`, `size` and `work` are set by the client that sends it; the result has the same number.
    `work`: what it takes to store a large request, which lets small ones go first; 0 for those.

    `replays`: the sequence number of the rejected event that this request stores after all. It
    leaves the rejected events in the same transaction; if it is gone, nothing is stored.
    """

    source_id: str
    request_id: str
    received_at: str
    sender: SenderInfo
    payload: Payload
    number: int = 0
    size: int = 0
    work: int = 0
    static_profiles: bool = False
    profile_scope: str = ""  # only profiles of this scope are known to the source
    rate_limit: int | None = None  # events a minute
    quota_mb: int | None = (
        None  # megabytes a minute, if the source has another limit than the usual one
    )
    address: str = ""  # whose bytes are limited, as `sender.limited_address`; empty for nobody's
    replays: int | None = None
    run: str | None = None  # the run of tests that it belongs to


class WriteResult(Struct, frozen=True, array_like=True, gc=False):
    """What became of a write request. `refused`: a reason code if nothing was stored."""

    number: int
    session_id: str | None = None
    profile_id: str | None = None
    duplicates: tuple[str, ...] = ()  # ids that were stored before
    missing: tuple[str, ...] = ()  # of the ids the sender asked about, those not stored
    unknown_profile: bool = False  # it passed on a profile of another site that does not exist
    large_context: bool = False  # the session's context has no room for the request's
    refused: str | None = None
    retry_after: int | None = None  # seconds, if it was refused for its rate
    refused_detail: str | None = None  # if there is more to say than the reason does


class Frames(Generic[T]):
    """Lists of `T` to bytes, and back from whatever pieces the socket delivers."""

    def __init__(self, kind: type[T]) -> None:
        self._buffer = bytearray()
        self._decode = msgspec.msgpack.Decoder(list[kind]).decode  # type: ignore[valid-type]

    @staticmethod
    def pack(items: list[T]) -> bytes:
        """Returns one frame."""
        body = msgspec.msgpack.encode(items)
        return _LENGTH.pack(len(body)) + body

    def feed(self, data: bytes | memoryview) -> Iterator[T]:
        """Yields the items of all frames that are complete now."""
        self._buffer += data
        while len(self._buffer) >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(self._buffer)
            end = _LENGTH.size + length
            if len(self._buffer) < end:
                return
            with memoryview(self._buffer) as view, view[_LENGTH.size : end] as frame:
                items = self._decode(frame)
            del self._buffer[:end]
            yield from items
