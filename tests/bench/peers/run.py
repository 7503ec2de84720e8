"""One storm of one tracker."""

import asyncio
import contextlib
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import httpx
from playwright.async_api import BrowserContext

from ...browser.environment import Reply, Site, snippet
from ...browser.moods import Mood, Weather
from ...browser.storm import BODY, IN_TIME, Storm, in_a_browser, visit
from ...support import Collector
from .receiver import CONFIG, Receiver
from .trackers import OURS_KEEPS, OURS_SETUP, Tracker

EVENTS, SECONDS = 200, 40.0  # as `make storm`
QUIET = 10.0  # seconds without a delivery after which no more repeats are waited for
# What the collector says of where answers may be read is said by the receiver.
OWN_HEADERS = ("access-control-expose-headers", "content-type", "retry-after", "x-collector-reason")


@dataclass(frozen=True)
class Run:
    """What became of a storm's events. `repeats`: deliveries of an event that had come before;
    `twice`: those that are left without those whose id had come before."""

    tracker: str
    version: str
    mood: str
    seed: int
    tracked: int
    requests: int
    lost: int
    repeats: int
    twice: int
    day: str
    chromium: str

    @property
    def key(self) -> tuple[str, str, str, int]:
        """What a later run replaces an earlier one by."""
        return self.tracker, self.version, self.mood, self.seed


class Case:
    """A storm of a tracker that others may follow while its last events are waited for."""

    def __init__(self, tracker: Tracker, version: str, mood: Mood, seed: int) -> None:
        self.tracker, self.version, self.mood, self.seed = tracker, version, mood, seed
        self.receiver = Receiver(tracker.id_key, tracker.answer, tracker.config)
        self.tracked: list[int] = []
        self.chromium = ""

    async def run(self, executable: str, site: Site, script: str, turn: asyncio.Lock) -> Run:
        """The storm, once it is its turn, and what was delivered until `IN_TIME` later."""
        with self.receiver:
            addresses = self.pages(site, script)
            await turn.acquire()
            try:
                await in_a_browser(executable, lambda context: self.storm(context, addresses, turn))
            finally:
                if not self.chromium:  # it has failed before it could free its turn
                    turn.release()
        return self.result()

    def pages(self, site: Site, script: str) -> list[str]:
        """The addresses of two pages with the tracker."""
        name = f"{self.tracker.key}-{self.mood.name}-{self.seed}"
        attributes = self.tracker.attributes.format(api=self.receiver.url)
        head = script
        if not script.startswith("<"):
            (site.folder / f"{name}.js").write_text(script, encoding="utf-8")
            head = (
                f'<script>window.peer = {{api: "{self.receiver.url}",'
                f' config: "{self.receiver.url}{CONFIG[:-1]}"}}</script>\n'
                f'<script src="{name}.js" {attributes}></script>'
            )
        head = head.replace("RECEIVER", self.receiver.url)
        return [site.add(f"{name}-{n}.html", head=head, body=BODY) for n in (1, 2)]

    async def storm(
        self, context: BrowserContext, addresses: list[str], turn: asyncio.Lock
    ) -> None:
        storm = Storm(context, addresses, random.Random(self.seed), EVENTS)
        weather = Weather(random.Random(self.seed + 1), self.receiver, None, SECONDS)
        weather.started = asyncio.get_running_loop().time()
        await asyncio.gather(storm.run(SECONDS), self.mood.weather(weather))
        self.receiver.weather = lambda _: None
        well = time.monotonic()
        await visit(context, addresses)
        # Some trackers try again when the next event is tracked, and not before.
        for page in context.pages[-len(addresses) :]:
            await page.evaluate("() => void tracker.track('arrival', {})")
        self.tracked = storm.tracked
        assert context.browser
        self.chromium = context.browser.version
        turn.release()
        while not self.settled() and time.monotonic() < well + IN_TIME:
            await asyncio.sleep(0.1)

    def settled(self) -> bool:
        """All events have come, and no repeats for a while."""
        return not self.missing() and time.monotonic() > self.receiver.latest + QUIET

    def missing(self) -> set[int]:
        return set(self.tracked) - {number for number, _ in self.receiver.deliveries}

    def result(self) -> Run:
        came = self.receiver.deliveries
        numbers = len({number for number, _ in came})
        return Run(
            tracker=self.tracker.key,
            version=self.version,
            mood=self.mood.name,
            seed=self.seed,
            tracked=len(self.tracked),
            requests=self.receiver.requests,
            lost=len(self.missing()),
            repeats=len(came) - numbers,
            twice=(len(set(came)) if self.tracker.id_key else len(came)) - numbers,
            day=f"{datetime.now(UTC):%Y-%m-%d}",
            chromium=self.chromium,
        )


@contextlib.contextmanager
def ours(folder: Path) -> Iterator[tuple[Tracker, str]]:
    """Our tracker with a collector behind the receiver, as the storm's own harness; and the
    snippet, with RECEIVER where its address is to be."""
    collector = Collector(folder).start()
    html = snippet(collector.add_source(), collector.url)
    # One for all requests: to make a client takes 60 ms.
    client = httpx.Client(base_url=collector.url, timeout=20)

    def forward(path: str, body: bytes, origin: str) -> Reply:
        answer = client.post(path, content=body, headers={"Origin": origin})
        headers = {name: answer.headers[name] for name in OWN_HEADERS if name in answer.headers}
        return answer.status_code, headers, answer.content

    tracker = Tracker("ours", "ThamesThrive", "thamesthrive", "id", forward, OURS_SETUP, OURS_KEEPS)
    try:
        yield tracker, html.replace(f'api: "{collector.url}"', 'api: "RECEIVER"')
    finally:
        client.close()
        collector.end()
