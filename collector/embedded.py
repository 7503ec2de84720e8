"""A collector for tests and for programs that embed one: real processes, as `serve` has them."""

import json
import select
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, cast

from .errors import SettingsError
from .ipc import Task, start_process
from .settings import Settings

START_TIMEOUT = 40.0  # seconds until it answers
STOP_TIMEOUT = 30.0  # seconds to finish what was accepted


@dataclass(frozen=True)
class Running:
    """A collector that answers. `url`: its address, e.g. `http://127.0.0.1:41763`."""

    url: str
    settings: Settings


@contextmanager
def running(settings: Settings) -> Iterator[Running]:
    """Runs a collector beside this program, and stops it at the end of the block.

    With `port=0` it takes a free port; `url` has it. The database is created if it is missing. The
    collector also ends when this program does, however it ends. Raises SettingsError if it cannot
    start, and says why.
    """
    process = start_process(Task("supervisor", settings), stdout=subprocess.PIPE)
    output = cast("IO[bytes]", process.stdout)
    try:
        if not select.select([output], [], [], START_TIMEOUT)[0]:
            # Its processes end again and again, each with a traceback.
            raise SettingsError(
                f"The collector has not answered within {START_TIMEOUT:.0f} s. Its log on standard"
                " error says why."
            )
        line = output.readline()
        message = json.loads(line) if line else {"error": "The collector ended while starting."}
        if "error" in message:
            raise SettingsError(message["error"])
        yield Running(message["url"], settings)
    finally:
        process.terminate()
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for pipe in (output, cast("IO[bytes]", process.stdin)):
            pipe.close()
