"""Opens a browser, and watches what a person does in it and which events are stored meanwhile."""

import asyncio
import contextlib
import json
import os
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

from ..errors import CollectorError
from .client import Client, CollectorUnreachable
from .recorded_test import as_test
from .recording import Recording
from .steps import Ask
from .watcher import ACTED, recorder

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Playwright

SYSTEM = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = (("idle", "500ms"), ("timeout", "10s"))
PAGE = 1000  # events of one answer


class RecordingFailed(CollectorError):
    """Nothing can be recorded: no browser, no collector, or a page that does not open."""


class BrowserMissing(RecordingFailed):
    """There is no browser, or nothing to drive one with."""

    exit_code = 3


class RecordedTest(NamedTuple):
    """A test: its code, and the options that pytest is to be run with."""

    code: str
    options: str


async def record(
    url: str,
    collector: str,
    *,
    token: str | None = None,
    headless: bool = False,
    on_ready: Callable[[str], None] = lambda _: None,
    finished: asyncio.Event | None = None,
) -> RecordedTest:
    """Opens a page and returns, once its window is closed or `finished` is set, a test that does the
    same again. Raises RecordingFailed.

    `collector`: the address of the collector that the page sends to, started with `--qa`. `on_ready`:
    called when the page is open, with the address at which a browser without a window can be driven
    (Chromium's debugging protocol), else with an empty text.
    """
    client = Client(collector, token)
    run = f"record-{uuid.uuid4().hex[:12]}"
    await asyncio.to_thread(_require_runs, client)
    recording = Recording(url, 1000 * time.time())
    try:
        from playwright.async_api import Error, async_playwright
    except ImportError as error:
        raise BrowserMissing("Playwright is missing: pip install 'thamesthrive[qa]'") from error
    try:
        async with async_playwright() as driver:
            settle = partial(client.ask, Ask(f"{_base(run)}/quiesce", QUIET, 10.0))
            with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
                context = await _open(driver, Path(profile), headless)
                await _prepare(context, recording, run)
                address = partial(_address, Path(profile)) if headless else str
                await _watch(context, url, lambda: on_ready(address()), finished)
                await _leave(context, settle)
    except Error as error:
        raise RecordingFailed(f"The browser says: {error.message.splitlines()[0]}") from error
    return await asyncio.to_thread(_written, client, recording, run)


def _base(run: str) -> str:
    return f"/qa/runs/{quote(run, safe='')}"


def _require_runs(client: Client) -> None:
    try:
        status, _ = client.ask(Ask("/qa/runs"))
    except CollectorUnreachable as error:
        raise RecordingFailed(str(error)) from error
    if status != 200:
        raise RecordingFailed(
            f"The collector at {client.url} has no /qa/runs for us: start it with"
            " `thamesthrive serve --qa`; on another machine, it needs a token as well."
        )


async def _watch(
    context: "BrowserContext",
    url: str,
    on_ready: Callable[[], None],
    finished: asyncio.Event | None,
) -> None:
    """Returns when the window is closed, or `finished` is set."""
    finished = finished or asyncio.Event()
    page = context.pages[0] if context.pages else await context.new_page()
    page.on("close", lambda _: finished.set())
    context.on("close", lambda _: finished.set())
    await page.goto(url)
    on_ready()
    await finished.wait()


async def _open(driver: "Playwright", profile: Path, headless: bool) -> "BrowserContext":
    own = driver.chromium.executable_path
    system = next((found for name in SYSTEM if (found := shutil.which(name))), None)
    executable = own if Path(own).is_file() else system
    if executable is None:
        raise BrowserMissing("There is no Chromium. Install one: playwright install chromium")
    # Whoever drives a browser that has no window needs a door to it, on this machine only.
    door = ["--remote-debugging-port=0"] if headless else []
    return await driver.chromium.launch_persistent_context(
        str(profile),
        executable_path=executable,
        headless=headless,
        no_viewport=not headless,
        handle_sigint=False,  # Ctrl-C ends the recording, and not the browser below it
        args=["--no-first-run", *door, *(["--no-sandbox"] if os.geteuid() == 0 else [])],
    )


async def _prepare(context: "BrowserContext", recording: Recording, run: str) -> None:
    def tell(_source: Any, text: str) -> None:
        recording.tell(text)

    await context.expose_binding(ACTED, tell)
    of_run = f"window.__tt_qa = {json.dumps({'run': run})};"
    await context.add_init_script(script=f"{of_run}\n{recorder()}")


def _address(profile: Path) -> str:
    """Where Chromium listens: it writes its port into its profile."""
    port = (profile / "DevToolsActivePort").read_text().split()[0]
    return f"http://127.0.0.1:{port}"


async def _leave(context: "BrowserContext", settle: Callable[[], Any]) -> None:
    """Leaves the pages as visitors do, waits for what is still on its way, and closes the browser."""
    from playwright.async_api import Error

    # The person may have closed it.
    with contextlib.suppress(Error):
        for page in context.pages:
            await page.goto("about:blank")
        await asyncio.to_thread(settle)
        await context.close()


def _written(client: Client, recording: Recording, run: str) -> RecordedTest:
    ask = partial(_asked, client, run)
    events: list[dict[str, Any]] = []
    while True:
        after = str(max((event["seq"] for event in events), default=0))
        new = ask("events", after=after, limit=str(PAGE))["events"]
        events += new
        if len(new) < PAGE:
            break
    rejected = ask("rejected")["rejected"]
    refused = {
        str(request["reason"]): None
        for request in ask("journal")["requests"]
        if 400 <= int(request["status"]) < 500 and int(request["status"]) != 429
    }
    actions = recording.actions(events, rejected)
    options = f"--tracking-collector {client.url}"
    if events:
        options += f" --tracking-source {events[0]['source_id']}"
    return RecordedTest(as_test(recording.url, options, actions, [*refused]), options)


def _asked(client: Client, run: str, what: str, **query: str) -> dict[str, Any]:
    try:
        status, answer = client.ask(Ask(f"{_base(run)}/{what}", tuple(query.items())))
    except CollectorUnreachable as error:
        raise RecordingFailed(str(error)) from error
    if status != 200:
        raise RecordingFailed(f"{client.url}{_base(run)}/{what}: {status} {answer.get('detail')}")
    return answer
