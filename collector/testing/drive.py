"""Does the steps of an expectation: with Playwright's synchronous API, with its asynchronous one, or
without a browser."""

import asyncio
import base64
from collections.abc import Callable
from typing import Any, TypeVar

from .client import Client, address_of
from .record import TestRecord
from .steps import Ask, Leave, Look, Reply, Steps
from .watcher import Watcher

T = TypeVar("T")
BLANK = "about:blank"
NOTHING: Reply = (0, {})
MOMENT = 3000  # milliseconds that a page has for a screenshot


class Driver:
    """For tests without `await`. `api`: makes Playwright's APIRequestContext, through which a question
    is asked that may take long: so the browser's events, and the test's routes, are served meanwhile.
    """

    def __init__(
        self,
        client: Client,
        watcher: Watcher,
        record: TestRecord,
        api: Callable[[], Any] | None = None,
    ) -> None:
        self._client = client
        self._watcher = watcher
        self._record = record
        self._make_api = api
        self._api: Any = None

    def run(self, steps: Steps[T]) -> T:
        """Does all steps; gives what they come to."""
        __tracebackhide__ = True
        reply = NOTHING
        try:
            step = next(steps)
            while True:
                reply = self._do(step)
                step = steps.send(reply)
        except StopIteration as done:
            result: T = done.value
            return result

    def close(self) -> None:
        """Gives back what was opened."""
        if self._api:
            self._api.dispose()
            self._api = None

    def _do(self, step: Ask | Leave | Look) -> Reply:
        if isinstance(step, Ask):
            return self._ask(step)
        for page in self._watcher.pages:
            if isinstance(step, Leave):
                self._leave(page)
            else:
                self._look(page, step)
        return NOTHING

    def _ask(self, question: Ask) -> Reply:
        if not question.patience or not self._make_api or not self._watcher.pages:
            return self._client.ask(question)
        self._api = self._api or self._make_api()
        answer = self._api.get(
            f"{self._client.url}{address_of(question)}",
            headers=self._client.headers,
            timeout=(question.patience + 20) * 1000,
        )
        return answer.status, answer.json()

    def _leave(self, page: Any) -> None:
        from playwright.sync_api import Error

        if page.url != BLANK:
            try:
                page.goto(BLANK, wait_until="commit")
            except Error:
                return  # closed or crashed: it is left already

    def _look(self, page: Any, step: Look) -> None:
        from playwright.sync_api import Error

        try:
            page.evaluate("() => 0")  # events are delivered while the browser is being talked to
            if step.screenshot and not self._record.screenshots:
                picture = page.screenshot(timeout=MOMENT)
                self._record.screenshots.append(base64.b64encode(picture).decode())
        except Error:
            return  # closed, crashed, or in a dialog


class AsyncDriver:
    """The same for tests with `await`, with any event loop of asyncio."""

    def __init__(self, client: Client, watcher: Watcher, record: TestRecord) -> None:
        self._client = client
        self._watcher = watcher
        self._record = record

    async def run(self, steps: Steps[T]) -> T:
        """Does all steps; gives what they come to."""
        __tracebackhide__ = True
        try:
            step = next(steps)
            while True:
                step = steps.send(await self._do(step))
        except StopIteration as done:
            result: T = done.value
            return result

    async def _do(self, step: Ask | Leave | Look) -> Reply:
        if isinstance(step, Ask):
            return await asyncio.to_thread(self._client.ask, step)
        for page in self._watcher.pages:
            if isinstance(step, Leave):
                await self._leave(page)
            else:
                await self._look(page, step)
        return NOTHING

    async def _leave(self, page: Any) -> None:
        from playwright.async_api import Error

        if page.url != BLANK:
            try:
                await page.goto(BLANK, wait_until="commit")
            except Error:
                return  # closed or crashed: it is left already

    async def _look(self, page: Any, step: Look) -> None:
        from playwright.async_api import Error

        try:
            await page.evaluate("() => 0")
            if step.screenshot and not self._record.screenshots:
                picture = await page.screenshot(timeout=MOMENT)
                self._record.screenshots.append(base64.b64encode(picture).decode())
        except Error:
            return  # closed, crashed, or in a dialog
