"""`tracking`: what a test expects of the events of its run."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlencode

from .drive import AsyncDriver, Driver
from .evidence import Event
from .expectations import Expectations, Item
from .matching import Matcher
from .record import StepRecord
from .session import Session
from .whole_run import WholeRun

Values = Mapping[str, Any]


class _Base:
    """What both kinds share. `run`: the id that the test's events carry. `source`: the id of the
    source that they are looked for in the messages with."""

    def __init__(self, session: Session, folder: Path, *, update: bool) -> None:
        self._session = session
        self._expectations = Expectations(session)
        self._whole = WholeRun(session, folder, update=update)
        self.run = session.run.run
        self.source = session.run.source

    @property
    def headers(self) -> dict[str, str]:
        """What a server-side sender has to send along, so that its events belong to this test."""
        return {"X-ThamesThrive-Run": self.run}

    def url(self, address: str) -> str:
        """An address with the run in its query: for pages that no bound browser opens."""
        base, mark, fragment = address.partition("#")
        joint = "&" if "?" in base else "?"
        return f"{base}{joint}{urlencode({'__tt_run': self.run})}{mark}{fragment}"

    def step(self, name: str) -> "Step":
        """Begins a named part of the test, for the report; as `with tracking.step(…):` it also
        ends."""
        return Step(self._session.start_step(name))

    def allow_rejected(self) -> None:
        """Rejected events and refused requests of this test are no failure."""
        self._session.no_rejected = False


class Step:
    """A named part of a test."""

    def __init__(self, record: StepRecord) -> None:
        self._record = record

    def __enter__(self) -> "Step":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        import time

        self._record.ended_at = time.time()


class Tracking(_Base):
    """For tests without `await`. A method that is not met raises ExpectationFailed, an AssertionError;
    `within` is in seconds, by default those of `--tracking-timeout`."""

    def __init__(self, session: Session, driver: Driver, folder: Path, *, update: bool) -> None:
        super().__init__(session, folder, update=update)
        self._driver = driver

    def attach(self, page_or_context: Any) -> None:
        """Binds another page or context of Playwright to this test's run, before it opens anything.
        The fixtures `page` and `context` are bound already."""
        context = getattr(page_or_context, "context", page_or_context)
        for call in self._session.watcher.attachments(context):
            call()

    @property
    def events(self) -> list[Event]:
        """The stored events until now, in the order in which they were tracked."""
        return list(self._driver.run(self._session.run.fetch()))

    @property
    def rejected(self) -> list[dict[str, Any]]:
        """The rejected events until now."""
        return self._driver.run(self._session.run.rejected())

    @property
    def requests(self) -> list[dict[str, Any]]:
        """The requests until now, as the collector's journal has them."""
        return self._driver.run(self._session.run.journal())

    @property
    def console(self) -> list[str]:
        """What the consoles of the bound pages have said until now."""
        return list(self._driver.run(self._session.seen()).console)

    @property
    def uncaught(self) -> list[str]:
        """The first line of each error that no script of the bound pages has caught until now."""
        return list(self._driver.run(self._session.seen()).uncaught)

    def expect(
        self,
        type: str,  # noqa: A002 - the word of the events
        properties: Values | None = None,
        *,
        context: Values | None = None,
        times: int | None = None,
        within: float | None = None,
    ) -> Event:
        """Waits for an event and returns the last of those that match. `times`: exactly so many, until
        the end of the test."""
        __tracebackhide__ = True
        return self._driver.run(self._expectations.expect(type, properties, context, times, within))

    def expect_none(
        self,
        type: str,  # noqa: A002
        properties: Values | None = None,
        *,
        context: Values | None = None,
    ) -> None:
        """No such event until the end of the test, unless a later `expect` asks for it."""
        __tracebackhide__ = True
        self._driver.run(self._expectations.expect_none(type, properties, context))

    def expect_sequence(self, *items: Item, within: float | None = None) -> list[Event]:
        """Waits for events in this order, and returns them; others may come between them. An item is a
        type, or `(type, properties)`."""
        __tracebackhide__ = True
        return self._driver.run(self._expectations.expect_sequence(items, within))

    def expect_exactly(self, *items: Item, within: float | None = None) -> list[Event]:
        """Waits for these events in the order in which they were tracked, and returns them. There are to
        be no others until the end of the test, or until this is called again; without any, none at
        all. Items are those of `expect_sequence`."""
        __tracebackhide__ = True
        return self._driver.run(self._expectations.expect_exactly(items, within))

    def expect_console(self, text: str, *, within: float | None = None) -> str:
        """Waits for a message in the pages' consoles that contains the text, and returns it."""
        __tracebackhide__ = True
        return self._driver.run(self._expectations.expect_console(text, within))

    def expect_rejected(
        self,
        reason: str | None = None,
        pointer: str | None = None,
        *,
        type: str | None = None,  # noqa: A002
        within: float | None = None,
    ) -> dict[str, Any]:
        """Waits for a rejected event, and returns it. `pointer`: the place in its properties."""
        __tracebackhide__ = True
        return self._driver.run(self._expectations.expect_rejected(reason, pointer, type, within))

    def expect_refused(self, reason: str, *, within: float | None = None) -> dict[str, Any]:
        """Waits for a request that the collector refuses as a whole, and returns it."""
        __tracebackhide__ = True
        return self._driver.run(self._expectations.expect_refused(reason, within))

    def expect_no_rejected(self) -> None:
        """Nothing rejected and nothing refused, judged at the end of the test. This is on by default;
        it takes back `allow_rejected`."""
        self._session.no_rejected = True

    def expect_identity(
        self,
        *events: Event,
        same_profile: bool | None = None,
        same_session: bool | None = None,
    ) -> None:
        """One visitor, or one visit: of the events that are given, otherwise of all, at the end."""
        __tracebackhide__ = True
        self._driver.run(self._whole.expect_identity(events, same_profile, same_session))

    def expect_delivery(
        self,
        type: str | None = None,  # noqa: A002
        *,
        requests: int | None = None,
        within: float | None = None,
        duplicates: int | None = None,
        in_order: bool = False,
    ) -> None:
        """How events have come, judged at the end: in how many requests, in how many seconds after
        they were tracked, at most how many of them came again, and whether each was stored after those
        of its source that were tracked before it. A page that is left sends what it has no answer for again: that is
        stored once, and only requests count that brought something."""
        self._driver.run(self._whole.expect_delivery(type, requests, within, duplicates, in_order))

    def expect_privacy(self, no: Iterable[str | Matcher]) -> None:
        """None of these in any event, stored or rejected, judged at the end: strings, or matchers as
        `regex()`, EMAIL, CARD_NUMBER."""
        self._driver.run(self._whole.expect_privacy(no))

    def snapshot(self, name: str, *, ignore: Sequence[str] = ()) -> None:
        """Types and properties of all events are those of a file beside the test, judged at the end.
        `pytest --tracking-update` writes it. `ignore`: paths that differ each time, as
        `properties.order`."""
        self._driver.run(self._whole.snapshot(name, ignore))


class AsyncTracking(_Base):
    """For tests with `await`: the same methods, as coroutines. Use it as `async with
    async_tracking(page) as tracking:`; what is judged at the end is judged there."""

    def __init__(
        self,
        session: Session,
        driver: AsyncDriver,
        folder: Path,
        bound: Sequence[Any],
        *,
        update: bool,
    ) -> None:
        super().__init__(session, folder, update=update)
        self._driver = driver
        self._bound = bound

    async def __aenter__(self) -> "AsyncTracking":
        for each in self._bound:
            await self.attach(each)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        try:
            if error is None:
                await self._driver.run(self._session.finish())
        finally:
            await self._driver.run(self._session.collect())

    async def attach(self, page_or_context: Any) -> None:
        """Binds a page or context of Playwright to this test's run, before it opens anything."""
        context = getattr(page_or_context, "context", page_or_context)
        for call in self._session.watcher.attachments(context):
            await call()

    async def events(self) -> list[Event]:
        """The stored events until now, in the order in which they were tracked."""
        return list(await self._driver.run(self._session.run.fetch()))

    async def expect(
        self,
        type: str,  # noqa: A002
        properties: Values | None = None,
        *,
        context: Values | None = None,
        times: int | None = None,
        within: float | None = None,
    ) -> Event:
        """As `Tracking.expect`."""
        __tracebackhide__ = True
        return await self._driver.run(
            self._expectations.expect(type, properties, context, times, within)
        )

    async def expect_none(
        self,
        type: str,  # noqa: A002
        properties: Values | None = None,
        *,
        context: Values | None = None,
    ) -> None:
        """As `Tracking.expect_none`."""
        __tracebackhide__ = True
        await self._driver.run(self._expectations.expect_none(type, properties, context))

    async def expect_sequence(self, *items: Item, within: float | None = None) -> list[Event]:
        """As `Tracking.expect_sequence`."""
        __tracebackhide__ = True
        return await self._driver.run(self._expectations.expect_sequence(items, within))

    async def expect_exactly(self, *items: Item, within: float | None = None) -> list[Event]:
        """As `Tracking.expect_exactly`."""
        __tracebackhide__ = True
        return await self._driver.run(self._expectations.expect_exactly(items, within))

    async def expect_console(self, text: str, *, within: float | None = None) -> str:
        """As `Tracking.expect_console`."""
        __tracebackhide__ = True
        return await self._driver.run(self._expectations.expect_console(text, within))

    async def expect_rejected(
        self,
        reason: str | None = None,
        pointer: str | None = None,
        *,
        type: str | None = None,  # noqa: A002
        within: float | None = None,
    ) -> dict[str, Any]:
        """As `Tracking.expect_rejected`."""
        __tracebackhide__ = True
        return await self._driver.run(
            self._expectations.expect_rejected(reason, pointer, type, within)
        )

    async def expect_refused(self, reason: str, *, within: float | None = None) -> dict[str, Any]:
        """As `Tracking.expect_refused`."""
        __tracebackhide__ = True
        return await self._driver.run(self._expectations.expect_refused(reason, within))

    async def expect_identity(
        self,
        *events: Event,
        same_profile: bool | None = None,
        same_session: bool | None = None,
    ) -> None:
        """As `Tracking.expect_identity`."""
        __tracebackhide__ = True
        await self._driver.run(self._whole.expect_identity(events, same_profile, same_session))

    async def expect_delivery(
        self,
        type: str | None = None,  # noqa: A002
        *,
        requests: int | None = None,
        within: float | None = None,
        duplicates: int | None = None,
        in_order: bool = False,
    ) -> None:
        """As `Tracking.expect_delivery`."""
        await self._driver.run(
            self._whole.expect_delivery(type, requests, within, duplicates, in_order)
        )

    async def expect_privacy(self, no: Iterable[str | Matcher]) -> None:
        """As `Tracking.expect_privacy`."""
        await self._driver.run(self._whole.expect_privacy(no))

    async def snapshot(self, name: str, *, ignore: Sequence[str] = ()) -> None:
        """As `Tracking.snapshot`."""
        await self._driver.run(self._whole.snapshot(name, ignore))
