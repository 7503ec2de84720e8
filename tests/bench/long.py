"""`make bench-long`, about twenty minutes: half of the peak for five minutes, and a table that
grows to twenty million rows.

Writes site/docs/explanation/endurance.md.
"""

import argparse
from datetime import UTC, datetime

from ..support import ROOT
from . import endurance, growth
from .__main__ import find_wrk, machine, talk
from .endurance import Endurance
from .growth import Sample

PAGE = ROOT / "site" / "docs" / "explanation" / "endurance.md"


def report(run: Endurance, samples: list[Sample]) -> str:
    """The page of the docs."""
    first, last = samples[0], samples[-1]
    writers = [look["writer"][0] for look in run.memory_mb]
    workers = [size for look in run.memory_mb for size in look["worker"]]
    lines = [
        "+++",
        'title = "Endurance"',
        'summary = "Minutes at half of the peak, and what an event costs in a table of millions."',
        "order = 7",
        'aliases = ["docs/endurance.html"]',
        "+++",
        "",
        f"`make bench-long` wrote this page. Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}.",
        "",
        "## Half of the peak",
        "",
        f"{run.seconds} s with {run.workers} workers, at the rate of {run.rate:,.0f} requests a second (peak of ten seconds before:",
        f"{run.peak:,.0f}), three events each, arriving as from visitors who know nothing of each other. The load generator shares",
        "the machine.",
        "",
        "| p50 ms | p99 ms | rows stored | memory of the writer, MB | of a worker, MB |",
        "|---|---|---|---|---|",
        f"| {run.p50:.1f} | {run.p99:.1f} | {run.rows:,} | {writers[0]} at first, {writers[-1]} at last, {max(writers)} at most |"
        f" {min(workers)} to {max(workers)} |",
        "",
        "## Growth",
        "",
        f"The writer alone, {growth.GROUP} requests of three events in each transaction. Time for one event, over 90,000 events at each",
        "stage: the median of the groups, the mean with the checkpoints in it, and the processor's part of that mean.",
        "",
        "| rows | median µs | mean µs | processor µs | file MB |",
        "|---|---|---|---|---|",
        *(
            f"| {s.rows:,} | {s.median:.1f} | {s.mean:.1f} | {s.processor:.1f} | {s.file_mb:,} |"
            for s in samples
        ),
        "",
        f"From first to last: median {last.median / first.median:.2f} times, mean {last.mean / first.mean:.2f} times.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=300)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rows", type=int, default=20_000_000)
    options = parser.parse_args()
    find_wrk()
    (ROOT / "build").mkdir(exist_ok=True)
    run = endurance.measure(options.seconds, options.workers)
    samples = growth.measure(options.rows)
    PAGE.write_text(report(run, samples), encoding="utf-8")
    talk.print(f"Written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
