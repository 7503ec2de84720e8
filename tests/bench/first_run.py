"""What the tracker takes of a page's main thread: its first run, the longest task, a click."""

import json
import statistics
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser

from ..support import wait_for

TRACED = 4  # seconds from the browser's start
CLICKS = 20
_TASKS = ("RunTask", "ThreadControllerImpl::RunTask")

TraceEvent = dict[str, Any]


def processor_time_of_first_run(executable: str, address: str, folder: Path, script: str) -> float:
    """Milliseconds of processor that a script's first run takes: in a new browser with a new
    profile that nothing drives, because a driver has it collect call stacks."""
    folder.mkdir()
    trace = folder / "trace.json"
    command = [
        executable,
        "--headless=new",
        "--no-sandbox",
        "--no-first-run",
        f"--user-data-dir={folder / 'profile'}",
        "--trace-startup=devtools.timeline",
        f"--trace-startup-file={trace}",
        f"--trace-startup-duration={TRACED}",
        "--trace-startup-format=json",
        address,
    ]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        events: list[TraceEvent] = wait_for(lambda: _read(trace), "the trace", 60)
        process.terminate()
    microseconds: float = next(
        event["tdur"]
        for event in events
        if event["name"] == "EvaluateScript" and event["args"]["data"]["url"].endswith(script)
    )
    return microseconds / 1000


def _read(trace: Path) -> list[TraceEvent] | None:
    try:
        return list(json.loads(trace.read_text())["traceEvents"])
    except (FileNotFoundError, ValueError):  # it is being written
        return None


def trace_of(browser: Browser, address: str, *, slowdown: int, clicks: int = 0) -> list[TraceEvent]:
    """What Chromium notes of a page, loaded with a slower processor and clicked so often; only the
    thread that runs its scripts."""
    context = browser.new_context()
    page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Emulation.setCPUThrottlingRate", {"rate": slowdown})
    browser.start_tracing(page=page, categories=["devtools.timeline", "toplevel"])
    page.goto(address)
    page.wait_for_timeout(1200)
    for _ in range(clicks):
        page.click("#target")
        page.wait_for_timeout(50)
    events: list[TraceEvent] = json.loads(browser.stop_tracing())["traceEvents"]
    context.close()
    thread = next(
        (event["pid"], event["tid"])
        for event in events
        if event["name"] == "ParseHTML" and address in json.dumps(event["args"])
    )
    return [event for event in events if (event["pid"], event["tid"]) == thread]


def longest_task(events: list[TraceEvent]) -> float:
    """Milliseconds by the clock on the wall of the longest task that ran a script."""
    scripts = [
        _span(event) for event in events if event["name"] in ("EvaluateScript", "FunctionCall")
    ]
    return max(
        (end - start) / 1000
        for start, end in (_span(event) for event in events if event["name"] in _TASKS)
        if any(start <= begun < end for begun, _ in scripts)
    )


def _span(event: TraceEvent) -> tuple[float, float]:
    return event["ts"], event["ts"] + event.get("dur", 0)


def click_times(events: list[TraceEvent]) -> Iterator[float]:
    """Milliseconds for which each click kept the page from painting."""
    for event in events:
        if event["name"] == "EventDispatch" and event["args"]["data"]["type"] == "click":
            yield event["dur"] / 1000


def median_of_first_runs(
    executable: str, address: str, folder: Path, script: str, rounds: int
) -> float:
    return statistics.median(
        processor_time_of_first_run(executable, address, folder / f"first-{number}", script)
        for number in range(rounds)
    )
