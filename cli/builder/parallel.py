"""Work on many pages, on all cores."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

SERIAL_LIMIT = 200  # items that one process has done by the time another would have begun
CHUNK = 50  # items handed out at a time

T = TypeVar("T")
R = TypeVar("R")

_work: Callable[[Any], Any] | None = None


def map_parallel(work: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """The results of `work` for each item, in their order. Many items are map_parallel over processes
    that begin as copies of this one, so `work` may use all that is there, and its results must be
    picklable. What it raises is raised here."""
    # A copy of a process with other threads may hold their locks for ever.
    if len(items) <= SERIAL_LIMIT or threading.active_count() > 1 or sys.platform != "linux":
        yield from map(work, items)
        return
    global _work  # noqa: PLW0603 - copies find it there; a closure could not be sent to them
    _work = work
    try:
        with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
            yield from pool.imap(_do, items, CHUNK)
    finally:
        _work = None


def _do(item: Any) -> Any:
    assert _work is not None  # noqa: S101 - set before the copies were made
    return _work(item)
