"""Numbers in memory that a collector's processes share: each counts in its part of it, and all can read the whole.

The supervisor makes the memory and its children inherit it. There is no file system in it, so none
that is full or vanishes ends a process. A process that replaces another goes on with its
predecessor's numbers, so nothing that was counted is lost, even by kill -9.
"""

import logging
import mmap
import os
import struct
import sys
import tempfile
from collections.abc import Iterator

log = logging.getLogger("collector")

# Memory is taken in steps, process by process: 0, 1, 2, 0, 1, 2, …
STEP = 64 * 1024  # bytes
GAUGES = 8  # numbers in a step's head, used in a process's first: they count while it lives
# A step: the bytes that are used, gauges, and entries of a number, the length of its key, the key.
_USED = struct.Struct("Q")
_NUMBER = struct.Struct("d")
_LENGTH = struct.Struct("Q")
_HEAD = _USED.size + GAUGES * _NUMBER.size
_KEY = _NUMBER.size + _LENGTH.size  # where the key begins in an entry


class SharedMemory:
    """Memory that processes inherit as a descriptor."""

    def __init__(self, descriptor: int, processes: int) -> None:
        self.descriptor = descriptor
        self._processes = processes

    @classmethod
    def create(cls, processes: int) -> "SharedMemory":
        """Makes memory for this number of processes. Raises OSError if there is none."""
        if sys.platform == "linux":
            descriptor = os.memfd_create("counters")
        else:
            with tempfile.TemporaryFile() as file:  # it has no name that could vanish
                descriptor = os.dup(file.fileno())
        memory = cls(descriptor, processes)
        try:
            for process in range(processes):
                memory.take_step(process, 0).close()
        except OSError:
            memory.close()
            raise
        return memory

    def take_step(self, process: int, number: int) -> mmap.mmap:
        """A process's step, reserved: touching memory that cannot be had would end the process.

        Raises OSError if it cannot be had.
        """
        start = (number * self._processes + process) * STEP
        if sys.platform == "linux":
            os.posix_fallocate(self.descriptor, start, STEP)
        elif os.fstat(self.descriptor).st_size < start + STEP or not self._read(start):
            os.pwrite(self.descriptor, bytes(STEP), start)
        return mmap.mmap(self.descriptor, STEP, offset=start)

    def clear_gauges(self, process: int) -> None:
        """Forgets the gauges of a process that has ended."""
        size = GAUGES * _NUMBER.size
        os.pwrite(self.descriptor, bytes(size), process * STEP + _USED.size)

    def close(self) -> None:
        """Closes the descriptor. Steps that were taken stay."""
        os.close(self.descriptor)

    def _read(self, start: int) -> bytes:
        """A step as it is; empty if nothing is in it."""
        step = os.pread(self.descriptor, STEP, start)
        return step if len(step) == STEP and _USED.unpack_from(step)[0] else b""

    def read_steps(self) -> Iterator[bytes]:
        """Copies of all steps that have something in them."""
        for start in range(0, os.fstat(self.descriptor).st_size, STEP):
            if step := self._read(start):
                yield step

    def holds(self, process: int, number: int) -> bool:
        """Whether a process, or its predecessor, has something in a step."""
        return bool(self._read((number * self._processes + process) * STEP))


def share_memory(processes: int) -> SharedMemory | None:
    """Memory for the counts of this number of processes. None if there is none, which ends
    nothing."""
    try:
        return SharedMemory.create(processes)
    except OSError as error:
        log.warning("/metrics shows one worker's counts only: no shared memory (%s)", error)
        return None


class Counters:
    """The numbers of this process, by keys. Used from one thread."""

    def __init__(self, memory: SharedMemory | None = None, process: int = 0) -> None:
        """`process`: which of those that share the memory this is. Without memory nobody else sees
        the numbers."""
        self._memory = memory
        self._process = process
        self._steps: list[mmap.mmap] = []
        self._places: dict[bytes, tuple[mmap.mmap, int]] = {}
        self._add_step()
        while memory and memory.holds(process, len(self._steps)):
            self._add_step()
        for step in self._steps:
            for place, key in _entries(step):
                self._places[key] = step, place
        for index in range(GAUGES):
            self.set_gauge(index, 0)

    def add(self, key: bytes, number: float) -> None:
        """Adds to a number, which is 0 at first."""
        step, place = self._places.get(key) or self._new_entry(key)
        _NUMBER.pack_into(step, place, _NUMBER.unpack_from(step, place)[0] + number)

    def set_gauge(self, index: int, number: float) -> None:
        """Sets one of the numbers that count while this process lives."""
        _NUMBER.pack_into(self._steps[0], _USED.size + index * _NUMBER.size, number)

    def totals(self) -> dict[bytes, float]:
        """The sums of all processes, also of those that have ended."""
        sums: dict[bytes, float] = {}
        for step in self._all_steps():
            for place, key in _entries(step):
                sums[key] = sums.get(key, 0.0) + _NUMBER.unpack_from(step, place)[0]
        return sums

    def gauges(self, index: int) -> list[float]:
        """One of the gauges, of each step; 0 in those that have none."""
        place = _USED.size + index * _NUMBER.size
        return [_NUMBER.unpack_from(step, place)[0] for step in self._all_steps()]

    def _all_steps(self) -> Iterator[bytes | mmap.mmap]:
        return self._memory.read_steps() if self._memory else iter(self._steps)

    def _new_entry(self, key: bytes) -> tuple[mmap.mmap, int]:
        size = _KEY + -(-len(key) // _NUMBER.size) * _NUMBER.size
        step = self._steps[-1]
        (place,) = _USED.unpack_from(step)
        if place + size > STEP:
            step, place = self._add_step(), _HEAD
        _LENGTH.pack_into(step, place + _NUMBER.size, len(key))
        step[place + _KEY : place + _KEY + len(key)] = key
        _USED.pack_into(step, 0, place + size)  # last: whoever reads sees whole entries
        self._places[key] = step, place
        return step, place

    def _add_step(self) -> mmap.mmap:
        step = None
        if self._memory:
            try:
                step = self._memory.take_step(self._process, len(self._steps))
            except OSError as error:
                # What is counted from now on is not shown, but nothing ends.
                log.warning("/metrics lacks new counts of this process: no memory (%s)", error)
        step = step or mmap.mmap(-1, STEP)
        if not _USED.unpack_from(step)[0]:
            _USED.pack_into(step, 0, _HEAD)
        self._steps.append(step)
        return step


def _entries(step: bytes | mmap.mmap) -> Iterator[tuple[int, bytes]]:
    """The place and the key of each number in a step."""
    (used,) = _USED.unpack_from(step)
    place = _HEAD
    while place < used:
        (length,) = _LENGTH.unpack_from(step, place + _NUMBER.size)
        start = place + _KEY
        yield place, step[start : start + length]
        place = start + -(-length // _NUMBER.size) * _NUMBER.size
