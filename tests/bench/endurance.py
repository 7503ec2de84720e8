"""Minutes at half of the peak, with the memory of each process looked at meanwhile."""

import re
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path

from ..support import ROOT, Collector
from .__main__ import rows_of, wrk

CONNECTIONS = 64
LOOK = 10.0  # seconds between looks at the memory


def memory(collector: Collector) -> dict[str, list[int]]:
    """Resident memory in MB, by role."""
    found: dict[str, list[int]] = {}
    for role in ("writer", "worker"):
        texts = [
            Path(f"/proc/{pid}/status").read_text()
            for pid in collector.children(f"collector.child\0{role}")
        ]
        found[role] = [
            int(match[1]) // 1024 for text in texts if (match := re.search(r"VmRSS:\s+(\d+)", text))
        ]
    return found


@dataclass(frozen=True)
class Endurance:
    """Rates per second, latencies in milliseconds, memory in MB by role for each look."""

    workers: int
    seconds: int
    peak: float
    rate: float
    p50: float
    p99: float
    rows: int
    memory_mb: list[dict[str, list[int]]]


def measure(seconds: int, workers: int) -> Endurance:
    """Finds the peak, then runs at half of it."""
    with tempfile.TemporaryDirectory(prefix="endurance-", dir=ROOT / "build") as folder:
        collector = Collector(Path(folder), workers=workers).start()
        source = collector.add_source()
        wrk(collector.url, source, 0, 2)
        peak = wrk(collector.url, source, 1, 10)
        # A connection's turn is its pause and the answer; the answer's time is small beside it.
        pause = max(1.0, CONNECTIONS / (peak.rate / 2) * 1000 - peak.p50 / 2)
        samples, over = [memory(collector)], threading.Event()

        def look() -> None:
            while not over.wait(LOOK):
                samples.append(memory(collector))

        threading.Thread(target=look, daemon=True).start()
        half = wrk(collector.url, source, 2, seconds, connections=CONNECTIONS, pause=pause)
        over.set()
        samples.append(memory(collector))
        rows = rows_of(collector)
        collector.stop()
    return Endurance(workers, seconds, peak.rate, half.rate, half.p50, half.p99, rows, samples)
