"""When a browser shows something of each page of the console, on a database of a year:

    python -m tests.bench.first_paint --history FILE

Each page is opened in pairs: by a browser that has nothing of the console yet, and once more by the
same one. Replaces the last section of site/docs/explanation/console-benchmarks.md, which
`make bench-console HISTORY=FILE` writes as well.
"""

import argparse
import os
import statistics
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from playwright.sync_api import Browser, Page, sync_playwright

from collector import store

from ..browser.install import find_chromium, launch
from ..support import Collector
from .__main__ import machine, talk
from .console_pages import DOCS, PAGES, logged_in

RUNS = 5
HEADING = "## First paint"
# The first paint, and the largest one so far, in milliseconds since the page was asked for.
PAINTS = """() => new Promise((resolve) => {
  const find = () => {
    const [first] = performance.getEntriesByName("first-contentful-paint");
    if (!first) return requestAnimationFrame(find);
    new PerformanceObserver((list) => {
      resolve([first.startTime, list.getEntries().at(-1).startTime]);
    }).observe({ type: "largest-contentful-paint", buffered: true });
  };
  find();
})"""


class Paints(NamedTuple):
    """Of a page, in milliseconds: first and largest paint, of a browser that has nothing of the
    console yet, and of one that has seen the page."""

    cold: tuple[float, float]
    warm: tuple[float, float]


def measure_paints(file: Path, runs: int = RUNS) -> dict[str, Paints]:
    """Medians of each page."""
    collector = Collector(file.parent, workers=1)
    collector.db = file
    collector.start()
    executable = find_chromium()
    if executable is None:
        raise SystemExit("There is no Chromium: python -m tests.browser.install chromium")
    try:
        cookie = logged_in(collector)
        with collector.database() as database:
            source = store.list_sources(database)[0].id
        with sync_playwright() as playwright:
            browser = launch(playwright, executable)
            _open_pair(browser, collector.url, cookie, f"{collector.url}/console")
            found = {}
            for name, path in PAGES.items():
                url = f"{collector.url}/console{path.format(source=source)}"
                pairs = [_open_pair(browser, collector.url, cookie, url) for _ in range(runs)]
                found[name] = Paints(*(_medians([pair[n] for pair in pairs]) for n in (0, 1)))
                talk.print(f"{name}: {found[name].cold[0]:.0f} ms, {found[name].warm[0]:.0f} ms")
            browser.close()
    finally:
        collector.stop()
    return found


def _open_pair(browser: Browser, root: str, cookie: str, url: str) -> list[tuple[float, float]]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    name, _, value = cookie.partition("=")
    host = urlsplit(root).hostname or ""
    context.add_cookies([{"name": name, "value": value, "domain": host, "path": "/"}])
    page = context.new_page()
    found = [_open(page, url), _open(page, url)]
    context.close()
    return found


def _open(page: Page, url: str) -> tuple[float, float]:
    page.goto(url)
    first, largest = page.evaluate(PAINTS)
    return float(first), float(largest)


def _medians(paints: list[tuple[float, float]]) -> tuple[float, float]:
    first, largest = (statistics.median(values) for values in zip(*paints, strict=True))
    return first, largest


def section(paints: dict[str, Paints], events: int, load: float, runs: int = RUNS) -> list[str]:
    """The lines of the docs. `load`: the machine's, when it began."""
    cores = os.cpu_count() or 1
    busy = (
        f" The machine was busy with other work meanwhile (load {load:.0f})."
        if load > cores
        else ""
    )
    slowest = max(one.cold[0] for one in paints.values())
    return [
        "",
        HEADING,
        "",
        f"When Chromium shows the first text of a page, and its largest part, on a database of {events:,} events: the median of {runs} runs on",
        f"{datetime.now(UTC):%Y-%m-%d} ({machine()}).{busy} *First visit*: nothing of the console is in the browser yet.",
        f"The slowest page begins to appear after {slowest:.0f} ms; the aim is 500.",
        "",
        "| page | first visit: first paint | largest paint | again: first paint | largest paint |",
        "|---|---|---|---|---|",
        *(
            f"| {name} | {p.cold[0]:.0f} ms | {p.cold[1]:.0f} ms | {p.warm[0]:.0f} ms | {p.warm[1]:.0f} ms |"
            for name, p in paints.items()
        ),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--history", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    with closing(store.connect_readonly(options.history)) as connection:
        events = store.last_seq(connection)
    lines = section(measure_paints(options.history, options.runs), events, load, options.runs)
    before = DOCS.read_text(encoding="utf-8").partition(f"\n{HEADING}")[0].rstrip("\n")
    DOCS.write_text("\n".join([before, *lines]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
