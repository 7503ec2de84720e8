"""`make bench-tracker`: what the tracker costs a page, in Chromium. Writes
site/docs/explanation/tracker-benchmarks.md."""

import statistics
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

from cli.builder.sizes import feature_sizes

from ..browser.environment import EVENTS, Site, opened, snippet
from ..browser.install import find_chromium, launch
from ..support import ROOT, Collector
from .__main__ import machine, talk
from .first_run import CLICKS, click_times, longest_task, median_of_first_runs, trace_of

PAGE = ROOT / "site" / "docs" / "explanation" / "tracker-benchmarks.md"
ROUNDS = 15
SLOWDOWN = 4
READY = "window.tracker && window.tracker.ready && document.readyState == 'complete'"

TAGGED = """
  options.tracker.auto = {triggers: [
    {tag: "seen", trigger: "onVisible", data: {event: "seen"}}, {tag: "seen", trigger: "onClick", data: {event: "clicked"}}]};
"""
CLICKED = """
  options.tracker.auto = {triggers: [{tag: "buy", trigger: "onClick", data: {event: "clicked"}}]};
"""
TARGET = '<button id="target" data-thamesthrive-tag="buy">Buy</button>'
FILL = """
  const add = (n) => { for (; n; n--) { const e = document.createElement("p"); e.textContent = "row " + n;
    e.setAttribute("data-thamesthrive-tag", "seen"); document.body.append(e); } };
  add(1000);
  addEventListener("load", () => setInterval(add, 100, 10));
"""
# What any tracker asks of the browser, and nothing else: visit, memory, a script, a lock, a
# request.
FLOOR = """
  document.cookie = "visit=1"; document.cookie.split(";"); localStorage.a = "1"; delete localStorage.a;
  document.head.append(Object.assign(document.createElement("script"), {src: "nothing.js"}));
  addEventListener("pageshow", () => navigator.locks.request("a", () =>
    fetch("API/track", {method: "POST", body: '{"source":{"id":"SOURCE"},"events":[{"type":"a"}]}', keepalive: true}).then((r) => r.text())));
"""
FRAMES = """() => new Promise((done) => { const times = []; let before = performance.now(); const until = before + 6000;
  const look = (now) => { times.push(now - before); before = now; now < until ? requestAnimationFrame(look) : done(times.slice(5)); };
  requestAnimationFrame(look); })"""
CALLS = """(count) => { const times = [];
  for (let n = 0; n < count; n++) { const before = performance.now(); for (let k = 0; k < 10; k++) tracker.track("a", {n, k});
    times.push((performance.now() - before) / 10); } return times; }"""


def work_of(browser: Browser, address: str, *, slowdown: int, clock: str) -> float:
    """Milliseconds of script that a page runs until it has loaded and its events are stored, by the
    clock on the wall (`timeTicks`) or by the processor's (`threadTicks`)."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    session.send("Performance.enable", {"timeDomain": clock})
    page.goto(address)
    page.wait_for_timeout(1200)
    metrics: dict[str, float] = {
        m["name"]: m["value"] for m in session.send("Performance.getMetrics")["metrics"]
    }
    context.close()
    return metrics["ScriptDuration"] * 1000


def frames_of(browser: Browser, address: str) -> list[float]:
    """Milliseconds between frames for six seconds."""
    context = browser.new_context()
    page = opened(context, address)
    page.wait_for_function("document.readyState == 'complete'")
    found: list[float] = page.evaluate(FRAMES)
    context.close()
    return found


def tasks_of(browser: Browser, tracked: str, floor: str) -> dict[str, Any]:
    """The longest task with a script, with the tracker and without, medians; milliseconds."""
    pairs = [
        [longest_task(trace_of(browser, page, slowdown=SLOWDOWN)) for page in (tracked, floor)]
        for _ in range(ROUNDS)
    ]
    talk.print(f"longest task: {', '.join(f'{a:.1f} beside {b:.1f}' for a, b in pairs)}")
    return {
        "task": statistics.median(a for a, _ in pairs),
        "floor task": statistics.median(b for _, b in pairs),
    }


def clicks_of(browser: Browser, site: Site, head: str) -> dict[str, Any]:
    """How long a click is handled, with a trigger for it and without a tracker, medians;
    milliseconds."""
    pages = {
        "click": site.add("click.html", CLICKED + EVENTS, head=head, body=TARGET),
        "floor click": site.add("plain-click.html", "onclick = () => 1", body=TARGET),
    }
    return {
        name: statistics.median(
            click_times(trace_of(browser, page, slowdown=SLOWDOWN, clicks=CLICKS))
        )
        for name, page in pages.items()
    }


def calls_of(browser: Browser, site: Site, collector: Collector, source: str) -> list[float]:
    """Milliseconds of a call of `track` while 500 events and more wait, because the collector is
    away."""
    context = browser.new_context()
    page = opened(context, site.add("calls.html", head=snippet(source, collector.url)))
    page.wait_for_function(READY)
    collector.kill()
    page.evaluate("() => { for (let n = 0; n < 500; n++) tracker.track('waits', {n}) }")
    found: list[float] = page.evaluate(CALLS, 30)
    context.close()
    return found


def report(facts: dict[str, Any]) -> str:
    """The page of the docs."""
    lines = [
        "+++",
        'title = "What the tracker costs a page"',
        'summary = "Bytes, time on the main thread, and frames, measured in Chromium."',
        "order = 10",
        'aliases = ["docs/tracker-benchmarks.html"]',
        "+++",
        "",
        f"`make bench-tracker` wrote this page. Measured on {datetime.now(UTC):%Y-%m-%d}: {machine()}, Chromium {facts['chromium']}.",
        "",
        "| what | measured |",
        "|---|---|",
        f"| A call of `track` with 500 and more events waiting, median of {facts['calls_n']} times 10 calls | {facts['calls']:.3f} ms |",
        f"| Script time of a page with the snippet and three events, processor slowed {SLOWDOWN} times, by the clock on the wall"
        f" | {facts['wall']:.1f} ms |",
        f"| The same for a page that asks the browser for the same things without a tracker | {facts['floor wall']:.1f} ms |",
        f"| First run of `tracker.min.js` on a page with three events: processor time, not slowed | {facts['first']:.1f} ms |",
        f"| Longest task with a script on that page, processor slowed {SLOWDOWN} times | {facts['task']:.0f} ms |",
        f"| The same for the page without a tracker | {facts['floor task']:.0f} ms |",
        f"| A click with a trigger, until all is done that delays the next frame, slowed {SLOWDOWN} times | {facts['click']:.2f} ms |",
        f"| A click on a page without a tracker | {facts['floor click']:.2f} ms |",
        f"| Processor time of the page with the snippet, not slowed | {facts['processor']:.1f} ms |",
        f"| The same for the page without a tracker | {facts['floor processor']:.1f} ms |",
        "| Frames a second with 1,000 tagged elements and 100 added each second, over six seconds |"
        f" {facts['fps']:.1f} (without the tracker {facts['plain_fps']:.1f}) |",
        f"| Longest time between two frames there | {facts['longest']:.0f} ms (without {facts['plain_longest']:.0f}) |",
        "",
        f"Script times are medians of {ROUNDS} pages, each in a new process of the browser, where everything is done for the first time.",
        "The page without a tracker reads and writes a cookie and localStorage, adds a script element, takes a lock and sends a",
        "request: the first use of each of those crosses processes, and is the browser's own part of the cost.",
        "The first run is that of a browser which nothing drives: a driver has it collect call stacks, a third on top. A task of more",
        f"than 50 ms counts as long. Clicks are medians of {CLICKS}.",
        "",
        "Bytes of each feature, brotli, measured by leaving it out:",
        "",
        "| feature | bytes |",
        "|---|---|",
        *(f"| {name} | {size} |" for name, size in facts["sizes"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    executable = find_chromium()
    assert executable, "no Chromium: python -m tests.browser.install"
    (ROOT / "build").mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=ROOT / "build") as folder,
        sync_playwright() as playwright,
        Site(Path(folder) / "site") as site,
    ):
        browser = launch(playwright, executable)
        collector = Collector(Path(folder), workers=1).start()
        source = collector.add_source()
        head = snippet(source, collector.url)
        tracked = site.add("with.html", EVENTS, head=head)
        (Path(folder) / "site" / "nothing.js").write_text("")
        floor = site.add(
            "floor.html", FLOOR.replace("API", collector.url).replace("SOURCE", source)
        )
        times: dict[str, float] = {}
        for clock, name, slowdown in (
            ("timeTicks", "wall", SLOWDOWN),
            ("threadTicks", "processor", 1),
        ):
            pairs = [
                [
                    work_of(browser, address, slowdown=slowdown, clock=clock)
                    for address in (tracked, floor)
                ]
                for _ in range(ROUNDS)
            ]
            times |= {
                name: statistics.median(a for a, _ in pairs),
                f"floor {name}": statistics.median(b for _, b in pairs),
            }
            talk.print(f"{name}: {', '.join(f'{a:.1f} beside {b:.1f}' for a, b in pairs)}")
        frames = frames_of(browser, site.add("tagged.html", TAGGED + FILL, head=head))
        plain_frames = frames_of(browser, site.add("untagged.html", FILL))
        facts: dict[str, Any] = {
            "chromium": browser.version,
            **times,
            "fps": 1000 / statistics.mean(frames),
            "plain_fps": 1000 / statistics.mean(plain_frames),
            "longest": max(frames),
            "plain_longest": max(plain_frames),
        }
        first = median_of_first_runs(executable, tracked, Path(folder), "/tracker.min.js", ROUNDS)
        talk.print(f"first run: {first:.2f} ms")
        facts |= {"first": first, **tasks_of(browser, tracked, floor)}
        facts |= clicks_of(browser, site, head)
        calls = calls_of(browser, site, collector, source)
        facts |= {
            "calls": statistics.median(calls),
            "calls_n": len(calls),
            "sizes": feature_sizes(ROOT / "js"),
        }
        browser.close()
        collector.end()
    PAGE.write_text(report(facts), encoding="utf-8")
    talk.print(f"Written to {PAGE.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
