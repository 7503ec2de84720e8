"""Opens a page in a browser as visitors do, and keeps what it saw."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlencode, urlsplit, urlunsplit

import msgspec

from . import page_state
from .blocker import KINDS, listed_word
from .visits import (
    MAX_TEXT,
    PROBE,
    ConsentState,
    Request,
    TrackerState,
    Violation,
    Visit,
    VisitName,
)

if TYPE_CHECKING:
    from playwright.async_api import Browser, BrowserContext, Page, Response, Route
    from playwright.async_api import Request as PageRequest

RUN = "__tt_run"
LOAD = 20.0  # seconds for a page to load
IDLE = 5.0  # for the network to be quiet
LATE = 2.0  # for a tracker that comes after that
SLOW = 6.0  # for one whose snippet is there
ANSWER = 4.0  # for its first answer
CONSENT = 6.0  # for a consent manager
STEP = 5.0  # for anything that a page is asked
POLL = 0.05
MAX_REQUESTS = 2000

T = TypeVar("T")


def address_with(url: str, **values: str) -> str:
    """An address with more values in its query."""
    parts = urlsplit(url)
    query = "&".join(filter(None, [parts.query, urlencode(values)]))
    return urlunsplit(parts._replace(query=query))


class Opener:
    """Opens pages in a browser. `consent_script`: agrees to what consent managers ask."""

    def __init__(self, browser: "Browser", consent_script: str) -> None:
        self._browser = browser
        self._consent_script = consent_script

    @asynccontextmanager
    async def visit(self, name: VisitName, url: str, run: str) -> AsyncIterator[Visit]:
        """Opens a page, does there what the visit is about, and leaves it. Within the context the
        browser is still there, so that what was sent last arrives."""
        visit = Visit(name, run, address_with(url, **{RUN: run}))
        context = await self._browser.new_context()
        try:
            await self._prepare(context, visit)
            page = await context.new_page()
            watcher = _Watcher(visit, page)
            if await _load(page, visit):
                await self._look(page, visit, watcher)
            yield visit
        finally:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(context.close(), STEP)

    async def _prepare(self, context: "BrowserContext", visit: Visit) -> None:
        qa = f"window.__tt_qa = {json.dumps({'run': visit.run})};"
        await context.add_init_script(page_state.WATCH + qa)
        if visit.name == "consent":
            await context.add_init_script(self._consent_script)
        if visit.name == "blocker":
            await context.route("**/*", _Blocker(visit))

    async def _look(self, page: "Page", visit: Visit, watcher: "_Watcher") -> None:
        await _settle(page, visit)
        if visit.name == "consent":
            await _wait_for_consent(page, visit)
            await _settle(page, visit)
        if visit.name != "blocker":
            await _change_address(page, visit)
        visit.tracker = await _state(page)
        visit.violations = await _ask(page, page_state.VIOLATIONS, list[Violation], [])
        await watcher.read_answers()
        if visit.name != "blocker":
            await _leave(page, visit)


class _Blocker:
    """Blocks what a content blocker's rules are about."""

    def __init__(self, visit: Visit) -> None:
        self._visit = visit

    async def __call__(self, route: "Route") -> None:
        request = route.request
        if request.resource_type in KINDS and listed_word(request.url):
            self._visit.blocked.append(request.url[:MAX_TEXT])
            await route.abort("blockedbyclient")
        else:
            await route.continue_()


class _Watcher:
    """Keeps a page's requests, console and errors in a visit."""

    def __init__(self, visit: Visit, page: "Page") -> None:
        self._visit = visit
        self._requests: dict[PageRequest, Request] = {}
        self._answers: list[tuple[Request, Response]] = []
        page.on("request", self._keep_request)
        page.on("response", self._keep_response)
        page.on("requestfailed", self._keep_failure)
        page.on("console", lambda message: self._keep(visit.console, message.text))
        page.on("pageerror", lambda error: self._keep(visit.errors, str(error)))

    @staticmethod
    def _keep(texts: list[str], text: str) -> None:
        if len(texts) < 200:
            texts.append(text[:MAX_TEXT])

    def _keep_request(self, request: "PageRequest") -> None:
        if len(self._requests) >= MAX_REQUESTS:
            return
        kept = Request(request.method, request.url[:2000], request.resource_type)
        if request.method == "POST":
            _read_body(kept, _body_of(request))
        self._requests[request] = kept
        self._visit.requests.append(kept)

    def _keep_response(self, response: "Response") -> None:
        if kept := self._requests.get(response.request):
            kept.status = response.status
            kept.content_type = response.headers.get("content-type", "")
            kept.reason = response.headers.get("x-collector-reason", "")
            if kept.is_track:
                self._answers.append((kept, response))

    def _keep_failure(self, request: "PageRequest") -> None:
        if kept := self._requests.get(request):
            kept.failure = (request.failure or "failed")[:MAX_TEXT]

    async def read_answers(self) -> None:
        """Reads what the collector has answered, while the page is still there."""
        from playwright.async_api import Error

        for kept, response in self._answers:
            with contextlib.suppress(Error, TimeoutError, ValueError):
                body = json.loads(await asyncio.wait_for(response.body(), STEP))
                kept.answer = body if isinstance(body, dict) else None


def _body_of(request: "PageRequest") -> bytes:
    return request.post_data_buffer or b""


def _read_body(kept: Request, body: bytes) -> None:
    """Finds the events in a request, if it is one of the tracker's."""
    try:
        payload = json.loads(body)
        events = payload["events"]
        kept.types = tuple(str(event["type"])[:MAX_TEXT] for event in events)
        kept.source = str(payload["source"]["id"])[:MAX_TEXT]
        kept.views = tuple(
            str(event["context"]["page"]["url"])
            for event in events
            if event["type"] == "page-view" and "page" in (event.get("context") or {})
        )
    except (ValueError, KeyError, TypeError):
        kept.types = kept.types if kept.source else ()


async def _load(page: "Page", visit: Visit) -> bool:
    """Whether there is a page to look at."""
    from playwright.async_api import Error
    from playwright.async_api import TimeoutError as Late

    try:
        response = await page.goto(visit.url, wait_until="load", timeout=LOAD * 1000)
    except Late:
        return True  # something on it takes long, such as an image
    except Error as error:
        visit.failure = str(error).strip().splitlines()[0][:MAX_TEXT]
        return False
    visit.status = response.status if response else None
    return True


async def _settle(page: "Page", visit: Visit) -> None:
    """Waits until the tracker has done what it does on a page that has loaded."""
    from playwright.async_api import Error

    with contextlib.suppress(Error):
        await page.wait_for_load_state("networkidle", timeout=IDLE * 1000)
    with contextlib.suppress(Error):
        patience = SLOW if (await _state(page)).has_config else LATE
        await page.wait_for_function(page_state.READY, timeout=patience * 1000)
        await asyncio.wait_for(page.evaluate(page_state.ANSWERED, ANSWER * 1000), ANSWER + STEP)
        state = await _state(page)
        await _until(lambda: _drained(page), state.flush_interval / 1000 + 1)


async def _drained(page: "Page") -> bool:
    return not (await _state(page)).waiting


async def _until(look: Callable[[], Any], patience: float) -> bool:
    """Whether `look` becomes true in time."""
    loop = asyncio.get_running_loop()
    until = loop.time() + min(patience, 10.0)
    while True:
        found = look()
        if await found if asyncio.iscoroutine(found) else found:
            return True
        if loop.time() > until:
            return False
        await asyncio.sleep(POLL)


async def _wait_for_consent(page: "Page", visit: Visit) -> None:
    async def is_done() -> bool:
        states = [
            await _ask(frame, page_state.CONSENT, ConsentState, ConsentState())
            for frame in page.frames
        ]
        visit.consent = max(states, key=lambda state: (state.done, len(state.asking)))
        return visit.consent.done

    await _until(is_done, CONSENT)


async def _change_address(page: "Page", visit: Visit) -> None:
    """Does what a single-page application does when its visitor goes on."""
    state = await _state(page)
    may_send = state.consent == "granted" or visit.consent.agreed
    if state.page_views != "spa" or not state.ready or not may_send:
        return
    address = address_with(visit.url, __tt_visit="spa")
    await _ask(page, page_state.PUSH, type(None), None, address)
    visit.spa = await _until(
        lambda: any("__tt_visit=spa" in url for one in visit.requests for url in one.views),
        state.flush_interval / 1000 + 2,
    )


async def _leave(page: "Page", visit: Visit) -> None:
    """Leaves a page whose tracker is at work, right after something was tracked."""
    from playwright.async_api import Error

    state = visit.tracker
    if state.ready and not state.refused and (state.consent == "granted" or visit.consent.agreed):
        probe = [PROBE, {"run": visit.run, "visit": visit.name}]
        await _ask(page, page_state.PROBE, type(None), None, probe)
        visit.left = True
    with contextlib.suppress(Error):
        await page.goto("about:blank", timeout=STEP * 1000)


async def _state(page: "Page") -> TrackerState:
    return await _ask(page, page_state.STATE, TrackerState, TrackerState())


async def _ask(page: Any, script: str, kind: type[T], otherwise: T, argument: Any = None) -> T:
    """What a script finds in a page or frame; `otherwise` if the page does not let it, or answers
    something else."""
    from playwright.async_api import Error

    try:
        found = await asyncio.wait_for(page.evaluate(script, argument), STEP)
        return msgspec.convert(found, kind, strict=False)
    except (Error, TimeoutError, msgspec.ValidationError):
        return otherwise
