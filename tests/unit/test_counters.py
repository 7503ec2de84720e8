"""Numbers in shared memory: sums of processes, also of those that have ended."""

import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager

from collector.counters import STEP, Counters, SharedMemory

MANY = 3 * STEP // 50  # keys that need more than a step


@contextmanager
def no_more_memory(size: int) -> Iterator[None]:
    """Files, and memory that is shared like one, cannot grow beyond a size."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)


def test_processes_see_the_sums_of_all() -> None:
    memory = SharedMemory.create(3)
    processes = [Counters(memory, number) for number in range(3)]
    for number, counters in enumerate(processes):
        counters.add(b"all", number + 1)
        counters.add(f"of {number}".encode(), 0.5)
        counters.set_gauge(1, number)
    for counters in processes:
        assert counters.totals() == {b"all": 6, b"of 0": 0.5, b"of 1": 0.5, b"of 2": 0.5}
        assert max(counters.gauges(1)) == 2
    memory.close()


def test_a_process_goes_on_with_the_numbers_of_its_predecessor() -> None:
    memory = SharedMemory.create(2)
    keys = [f"key {number}".encode() for number in range(MANY)]
    steps = set()
    for _ in range(3):
        counters = Counters(memory, 1)  # those before are never closed, as after kill -9
        for key in keys:
            counters.add(key, 2)
        steps.add(sum(1 for _ in memory.read_steps()))
    assert Counters(memory, 0).totals() == dict.fromkeys(keys, 6)
    assert len(steps) == 1  # each key has one place, however often a process is replaced
    memory.close()


def test_the_gauges_of_a_process_that_has_ended_are_forgotten() -> None:
    memory = SharedMemory.create(2)
    first, second = Counters(memory, 0), Counters(memory, 1)
    first.set_gauge(0, 5)
    second.set_gauge(0, 7)
    second.add(b"kept", 1)
    memory.clear_gauges(1)
    assert sum(first.gauges(0)) == 5
    assert first.totals() == {b"kept": 1}
    Counters(memory, 0)
    assert sum(second.gauges(0)) == 0
    memory.close()


def test_what_finds_no_memory_is_not_shown_and_ends_nothing() -> None:
    memory = SharedMemory.create(1)
    counters = Counters(memory)
    with no_more_memory(STEP):
        for number in range(MANY):
            counters.add(f"key {number}".encode(), 1)
    counters.add(b"key 0", 1)
    shown = counters.totals()
    assert 0 < len(shown) < MANY
    assert shown[b"key 0"] == 2
    memory.close()
