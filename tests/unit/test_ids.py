"""Ids are never given twice."""

import subprocess
import sys

from ..support import ROOT

# After the first id, there are random bytes left for others.
FORKED = """
import os
from collector.ids import uuid7
uuid7()
if child := os.fork():
    os.waitpid(child, 0)
print(uuid7(), flush=True)
"""


def test_a_fork_does_not_give_the_ids_of_its_parent() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORKED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    # The end of an id is random; the beginning is the time, which may be the same.
    ends = [line.partition("-")[2].partition("-")[2] for line in done.stdout.splitlines()]
    assert len(ends) == 2, done.stdout
    assert ends[0] != ends[1]
    assert all(len(end) == len("7000-8000-000000000000") for end in ends)
