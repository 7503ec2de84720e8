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
from .growth import Growth

PAGE = ROOT / "site" / "docs" / "explanation" / "endurance.md"


def report(run: Endurance, growth_: Growth) -> str:
    """The page of the docs."""
    samples = growth_.samples
    first, last = samples[0], samples[-1]
    writers = [look["writer"][0] for look in run.memory_mb]
    workers = [size for look in run.memory_mb for size in look["worker"]]
    lines = [
        "+++",
        'title = "Endurance"',
        'summary = "Minutes at half of the peak, and what an event costs in a table of millions."',
        "order = 8",
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
        "stage: the median of the groups, the mean with the checkpoints in it, the processor's part of that mean, and what the processor",
        "needs to count the event in the rollups. They are the events of a year: 1,000 open visits, of which one in ten requests begins",
        "another, on 500 pages, of 205 types.",
        "",
        "| rows | median µs | mean µs | processor µs | counting µs | file MB |",
        "|---|---|---|---|---|---|",
        *(
            f"| {s.rows:,} | {s.median:.1f} | {s.mean:.1f} | {s.processor:.1f} | {s.counting:.1f} | {s.file_mb:,} |"
            for s in samples
        ),
        "",
        f"From first to last: median {last.median / first.median:.2f} times, processor with counting"
        f" {(last.processor + last.counting) / (first.processor + first.counting):.2f} times.",
        "",
        "Bytes an event, by table and index: "
        + ", ".join(f"{name} {size:.1f}" for name, size in growth_.bytes_by_table.items())
        + ".",
        "",
        f"## An overview of {last.rows:,} events",
        "",
        "Each query on a new connection, the events that are not counted yet included.",
        "",
        "| query | rows | median ms | slowest of five ms |",
        "|---|---|---|---|",
        *(
            f"| {look.query} | {look.rows:,} | {look.median:.1f} | {look.worst:.1f} |"
            for look in growth_.looks
        ),
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
    growth_ = growth.measure(options.rows)
    PAGE.write_text(report(run, growth_), encoding="utf-8")
    talk.print(f"Written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
