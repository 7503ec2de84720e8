"""Maps a function over many pages, on all cores."""

import multiprocessing
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

SERIAL_LIMIT = 200  # items that one process finishes before others would have started
CHUNK = 50  # items sent to a process at a time

T = TypeVar("T")
R = TypeVar("R")

_function: Callable[[Any], Any] | None = None


def map_parallel(function: Callable[[T], R], items: Sequence[T]) -> Iterator[R]:
    """Yields `function(item)` for each item, in order. Raises what `function` raises.

    Many items are shared among forks of this process, so `function` may use any object that exists,
    and its results must be picklable.
    """
    # A fork of a process with other threads may inherit a locked lock that nobody releases.
    if len(items) <= SERIAL_LIMIT or threading.active_count() > 1 or sys.platform != "linux":
        yield from map(function, items)
        return
    global _function  # noqa: PLW0603 - forks inherit it; a bound method could not be pickled
    _function = function
    try:
        with multiprocessing.get_context("fork").Pool(os.cpu_count()) as pool:
            yield from pool.imap(_call, items, CHUNK)
    finally:
        _function = None


def _call(item: Any) -> Any:
    assert _function is not None  # noqa: S101 - set before the fork
    return _function(item)
