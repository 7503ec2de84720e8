"""Watches the pages of a test: what the observer in them says, and what the browser says of their
requests. Nothing here imports Playwright: its objects are what a test brings along."""

import json
import time
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .evidence import BrowserRequest, BrowserSide, Call, Violation

BINDING = "__tt_qa_saw"
ACTED = "__tt_qa_recorded"
MAX_SEEN = 2000  # calls, requests or errors that are kept of one test


@cache
def _observer() -> str:
    return Path(__file__).with_name("observer.js").read_text(encoding="utf-8")


@cache
def recorder() -> str:
    """The script that tells, by the binding ACTED, what is clicked, filled and chosen."""
    return Path(__file__).with_name("recorder.js").read_text(encoding="utf-8")


class Watcher:
    """Collects what is seen in the contexts of one test. `collector`: its address, by which requests
    are told apart from the page's own."""

    def __init__(self, run: str, collector: str) -> None:
        self.contexts: list[Any] = []
        self.actions: list[dict[str, Any]] = []
        self._run = run
        self._collector = collector
        self._pages: list[str] = []
        self._stubs: list[str] = []
        self._loaded: list[str] = []
        self._calls: dict[str, Call] = {}
        self._requests: dict[Any, BrowserRequest] = {}  # by Playwright's request
        self._violations: list[Violation] = []
        self._errors: list[str] = []
        self._uncaught: list[str] = []
        self._console: list[str] = []
        self._config: dict[str, Any] = {}
        self._decisions: list[str] = []
        self._do_not_track = False

    def attachments(self, context: Any) -> list[Callable[[], Any]]:
        """The calls that bind a browser context to the run. Those of Playwright's async API are to be
        awaited."""
        if any(context is known for known in self.contexts):
            return []
        self.contexts.append(context)
        context.on("request", self._on_request)
        context.on("requestfailed", self._on_failed)
        context.on("response", self._on_response)
        context.on("console", self._on_console)
        context.on("weberror", self._on_error)
        observer = _observer().replace('"__RUN__"', json.dumps(self._run))
        # Each binding and each script costs every page a moment, so the recorder tells by the observer.
        script = f"{observer}\n{recorder()}"
        return [
            lambda: context.expose_binding(BINDING, self._on_told),
            lambda: context.add_init_script(script=script),
        ]

    @property
    def pages(self) -> list[Any]:
        """The open pages of all contexts."""
        return [page for context in self.contexts for page in context.pages]

    def side(self) -> BrowserSide:
        """What was seen until now."""
        return BrowserSide(
            pages=self._pages,
            stubs=self._stubs,
            loaded=self._loaded,
            calls=list(self._calls.values()),
            requests=list(self._requests.values()),
            violations=self._violations,
            errors=self._errors,
            uncaught=self._uncaught,
            console=self._console,
            config=self._config,
            decisions=self._decisions,
            do_not_track=self._do_not_track,
        )

    def _on_told(self, _source: Any, text: str) -> None:
        told = json.loads(text)
        page, kind = told["page"], told["kind"]
        if kind == "call" and len(self._calls) < MAX_SEEN:
            self._calls[told["call"]] = Call(told["type"], told["properties"], page, told["at"])
        elif kind == "outcome" and (call := self._calls.get(told["call"])):
            self._calls[told["call"]] = Call(
                call.type, call.properties, call.page, call.at, told["outcome"]
            )
        elif kind == "acted":
            self._on_acted(json.loads(told["text"]))
        elif kind == "consent":
            self._decisions.append(told["decision"])
        elif kind == "stub":
            self._stubs.append(page)
        elif kind == "loaded":
            self._loaded.append(page)
            self._config = {**self._config, **_known(told.get("config"))}
        elif kind == "page":
            self._do_not_track = self._do_not_track or told["doNotTrack"]
            self._config = {**self._config, **_known(told.get("config"))}
        elif kind == "violation":
            found = Violation(told["directive"], told["blocked"], page)
            if found not in self._violations and self._is_ours(found.blocked):
                self._violations.append(found)

    def _on_acted(self, told: dict[str, Any]) -> None:
        """Notes what was done to which element; not what was typed."""
        if "target" in told and len(self.actions) < MAX_SEEN:
            on, at = told["target"]["value"], told["at"] / 1000
            self.actions.append({"action": told["kind"], "on": on, "at": at})

    def _is_ours(self, address: str) -> bool:
        """Whether a blocked address is the collector's, or an inline script, as the snippet is."""
        return (
            not address.startswith(("http:", "https:"))
            or address.startswith(self._collector)
            or "tracker" in address
            or address.endswith("/track")
        )

    def _kind_of(self, request: Any) -> str:
        """Of requests, only those of the tracker count."""
        url = request.url
        path = urlsplit(url).path
        ours = url.startswith(self._collector)
        if request.method == "POST" and (ours or path.endswith("/track")):
            return "track"
        name = path.rpartition("/")[2]
        if request.resource_type == "script" and (ours or name.startswith("tracker.")):
            return "script"
        return ""

    def _on_request(self, request: Any) -> None:
        if request.is_navigation_request() and _is_of_page(request):
            if len(self._pages) < MAX_SEEN:
                self._pages.append(request.url)
                self.actions.append({"action": "open", "url": request.url, "at": time.time()})
            return
        kind = self._kind_of(request)
        if kind and len(self._requests) < MAX_SEEN:
            self._requests[request] = BrowserRequest(kind, request.url)

    def _on_failed(self, request: Any) -> None:
        if known := self._requests.get(request):
            failure = request.failure or "failed"
            self._requests[request] = BrowserRequest(known.kind, known.url, known.status, failure)

    def _on_response(self, response: Any) -> None:
        request = response.request
        if known := self._requests.get(request):
            self._requests[request] = BrowserRequest(known.kind, known.url, response.status)

    def _on_console(self, message: Any) -> None:
        # Browsers ask for an icon by themselves, and say so when they do not get it. Chromium has its
        # address in the location only.
        if "favicon.ico" in message.text + message.location["url"]:
            return
        if len(self._console) < MAX_SEEN:
            self._console.append(message.text)
        if message.type == "error":
            self._note(self._errors, message.text)

    def _on_error(self, error: Any) -> None:
        self._note(self._uncaught, str(error.error))

    @staticmethod
    def _note(errors: list[str], text: str) -> None:
        if text and "favicon.ico" not in text and len(errors) < MAX_SEEN:
            errors.append(text.splitlines()[0])


def _is_of_page(request: Any) -> bool:
    """Whether a navigation is a page's, and not that of a frame in it."""
    from playwright.sync_api import Error

    try:
        return request.frame.parent_frame is None
    except Error:
        return True  # of a tab that a page opens: it asks before it has a frame


def _known(config: Any) -> dict[str, Any]:
    return config if isinstance(config, dict) else {}
