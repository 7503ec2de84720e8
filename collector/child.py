"""A process of a running collector, started by `start_process`.

Its role is in the process list, for people who read that; the task comes on standard input.
"""

import faulthandler
import gc
import json
import logging
import os
import signal
import sqlite3
import sys
import threading

from . import metrics
from .counters import SharedMemory
from .errors import CollectorError, ReplacedDatabase
from .ipc import Task, read_task
from .logs import log_to_stderr

log = logging.getLogger("collector")


def main() -> None:
    """Does the task on standard input."""
    task = read_task()
    if task is None:
        sys.exit("collector.child is started by `thamesthrive serve`, not by hand.")
    os.umask(0o077)  # what it writes is for its user alone
    threading.Thread(target=_exit_with_parent, daemon=True).start()
    # Shows on standard error where a process that seems to hang is.
    faulthandler.register(signal.SIGUSR2)
    log_to_stderr(task.settings)
    if task.counters >= 0:
        metrics.share(SharedMemory(task.counters, task.processes), task.number)
    if task.database:
        try:
            task.database.require()
        except ReplacedDatabase as error:
            # It replaces a process that has ended. The other file is not what was served so far.
            log.error("nothing is stored: %s", error)
            sys.exit(1)
    # Each process imports only what it needs.
    if task.role == "writer":
        from .writer.server import run

        run(task, _collect_garbage_seldom)
    elif task.role == "worker":
        from .worker.app import run

        run(task, _collect_garbage_seldom)
    elif task.role == "forwarder":
        from .forward.process import run as run_forwarder

        run_forwarder(task)
    elif task.role == "console":
        from .console.app import run as run_console

        run_console(task)
    else:
        _supervise(task)


def _supervise(task: Task) -> None:
    """Runs a collector for the program that started this one, which reads the address, or what is
    wrong, from standard output."""
    from .supervisor import serve

    try:
        serve(task.settings, lambda url: _say({"url": url}))
    except (CollectorError, sqlite3.Error) as error:
        _say({"error": str(error)})
        sys.exit(1)


def _say(message: dict[str, str]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def _collect_garbage_seldom() -> None:
    # What a request makes is freed when it ends. Searching it for cycles as often as Python does
    # takes a twentieth of the time.
    gc.freeze()
    gc.set_threshold(50_000)


def _exit_with_parent() -> None:
    """Ends at once when the parent was killed: an orphan would hold the port, and what was answered
    is on disk."""
    while os.read(0, 1):
        pass
    os._exit(1)
