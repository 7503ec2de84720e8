"""What befalls a storm: what the network does to requests, the collector to itself, and clocks to
pages."""

import asyncio
import random
import threading
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Protocol

from ..support import Collector
from .environment import Reply

HOUR = 3_600_000  # milliseconds

# Runs in each page before its own scripts. `jumps`: [milliseconds since 1970, how far the clock is
# ahead from then on].
CLOCK = """(() => {
  const jumps = JUMPS, real = Date;
  const ahead = () => jumps.filter(([from]) => from <= real.now()).reduce((_, [, by]) => by, 0);
  globalThis.Date = class extends real {
    constructor(...given) { given.length ? super(...given) : super(real.now() + ahead()); }
    static now() { return real.now() + ahead(); }
  };
})()"""


class Network(Protocol):
    """What can fail: see `visitor.Network`."""

    weather: Callable[[dict[str, Any]], Reply | str | None]
    over: threading.Event


@dataclass
class Weather:
    """A storm's time, for what must happen in its course."""

    chance: random.Random
    network: Network
    collector: Collector | None  # None: somebody else's, which can't be killed
    seconds: float  # how long it takes
    started: float = 0.0  # by the event loop's clock

    def progress(self) -> float:
        """0 at the beginning, 1 at the end."""
        return (asyncio.get_running_loop().time() - self.started) / self.seconds

    async def until(self, progress: float) -> None:
        """Waits for a moment of the storm."""
        await asyncio.sleep(max(0.0, (progress - self.progress()) * self.seconds))


@dataclass(frozen=True)
class Mood:
    """`weather`: happens beside the storm. `jumps`: moments of it, and how far clocks are ahead
    then, in milliseconds."""

    name: str
    weather: Callable[[Weather], Awaitable[None]]
    jumps: tuple[tuple[float, int], ...] = ()


async def _clean(_: Weather) -> None:
    pass


async def _flaky(weather: Weather) -> None:
    """Of ten requests two are cut before they are stored, two after, and one is somebody else's
    page; all take a while."""
    chance, network = weather.chance, weather.network

    def verdict(_: dict[str, Any]) -> Any:
        network.over.wait(chance.random() * 0.3)
        found = chance.random()
        if found < 0.4:
            return "down" if found < 0.2 else "lost"
        return (502, {"Content-Type": "text/html"}, b"<h1>502</h1>") if found < 0.5 else None

    network.weather = verdict


async def _outage(weather: Weather) -> None:
    """15 of 40 seconds without a network."""
    await weather.until(0.3)
    weather.network.weather = lambda _: "down"
    await weather.until(0.675)
    weather.network.weather = lambda _: None


async def _restart(weather: Weather) -> None:
    """kill -9 of the whole collector, twice."""
    assert weather.collector
    for progress in (0.3, 0.6):
        await weather.until(progress)
        weather.collector.kill()
        await weather.until(progress + 0.05)
        await asyncio.to_thread(weather.collector.start)


async def _half_open(weather: Weather) -> None:
    """10 of 40 seconds in which requests are accepted and never answered. In a short storm their
    connections end then; in a long one the tracker has to give them up."""
    over = threading.Event()

    def verdict(_: dict[str, Any]) -> str:
        over.wait(60)
        return "down"

    await weather.until(0.3)
    weather.network.weather = verdict
    await weather.until(0.55)
    weather.network.weather = lambda _: None
    if weather.seconds < 10:
        over.set()


MOODS = [
    Mood("clean", _clean),
    Mood("flaky", _flaky),
    Mood("outage", _outage),
    Mood("restart", _restart),
    Mood("half-open", _half_open),
    Mood("clocks", _flaky, ((0.2, HOUR), (0.4, 0), (0.6, 400 * HOUR), (0.8, -2 * HOUR))),
]
