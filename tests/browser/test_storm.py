"""Four tabs that track, navigate, go back, reload, crash and close, in good and bad networks: lost
0, stored twice 0, nothing late, in order, one visitor.

Short here; `make storm` runs it ten times in each mood, with two hundred events in forty seconds.
"""

import asyncio
import contextlib
import json
import os
import random
import time
from collections import defaultdict
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from ..support import Collector, run_async, wait_for
from .environment import Network, Site, snippet, split_snippet
from .moods import CLOCK, MOODS, Mood, Weather
from .storm import BODY, IN_TIME, Storm, in_a_browser, visit

LONG = os.environ.get("STORM") == "long"
RUNS = range(10) if LONG else range(1)
EVENTS, SECONDS = (200, 40.0) if LONG else (30, 3.0)


class Case:
    """A storm with its collector, its network, and the pages of two sources."""

    def __init__(self, collector: Collector, site: Site, network: Network, seed: int) -> None:
        self.collector, self.network, self.seed = collector, network, seed
        self.sources = [collector.add_source(), collector.add_source()]
        classic, second = self.sources
        one_line = snippet(second, collector.url, one_line=True).replace(
            "data-source", f'data-api="{network.url}" data-source'
        )
        self.addresses = [
            site.add("classic.html", head=split_snippet(classic, collector, network), body=BODY),
            site.add("one-line.html", head=one_line, body=BODY),
        ]
        self.storms: list[Storm] = []
        self.waited = 0.0  # seconds until all was stored
        self.persisted = 0

    async def run(self, context: BrowserContext, mood: Mood) -> None:
        if mood.jumps:
            start = time.time() * 1000
            jumps = [[start + at * SECONDS * 1000, by] for at, by in mood.jumps]
            await context.add_init_script(CLOCK.replace("JUMPS", json.dumps(jumps)))
        storm = Storm(context, self.addresses, random.Random(self.seed), EVENTS)
        self.storms.append(storm)
        weather = Weather(random.Random(self.seed + 1), self.network, self.collector, SECONDS)
        weather.started = asyncio.get_running_loop().time()
        await asyncio.gather(storm.run(SECONDS), mood.weather(weather))
        self.network.weather = lambda _: None
        well = time.monotonic()
        self.persisted = await visit(context, self.addresses)
        with contextlib.suppress(AssertionError):  # said below, with what is needed to see it again
            await asyncio.to_thread(wait_for, lambda: not self.missing(), "all events", IN_TIME)
        self.waited = time.monotonic() - well

    def rows(self) -> list[dict[str, Any]]:
        return [
            {**row, **json.loads(row["properties"])}
            for source in self.sources
            for row in self.collector.events(source)
        ]

    def missing(self) -> list[int]:
        stored = {row["n"] for row in self.rows()}
        return [n for n in self.storms[0].tracked if n not in stored]

    def facts(self) -> str:
        (storm,) = self.storms
        acts = ", ".join(f"{name} {count}" for name, count in storm.acts.items())
        return (
            f"seed {self.seed}, {len(storm.tracked)} events, {len(self.network.bodies)} requests,"
            f" {acts}, replaced {storm.replaced}, from the cache {self.persisted},"
            f" all stored after {self.waited:.1f} s"
        )


def disordered(rows: list[dict[str, Any]]) -> list[list[int]]:
    """The numbers of those requests in which the events of a page are not in the order of the
    calls."""
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for row in rows:
        numbers[row["request_id"], row["page"]].append(row["n"])
    return [found for found in numbers.values() if found != sorted(found)]


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("mood", MOODS, ids=lambda mood: mood.name)
def test_no_event_is_lost_or_late_and_none_is_stored_twice(
    collector: Collector, site: Site, full_executable: str, mood: Mood, run: int
) -> None:
    seed = int(os.environ.get("SEED", time.time_ns() % 1_000_000))
    with Network(collector) as network:
        case = Case(collector, site, network, seed)
        run_async(in_a_browser(full_executable, lambda context: case.run(context, mood)))
    rows = case.rows()
    missing, twice = case.missing(), len(rows) - len({row["n"] for row in rows})
    print(f"\nstorm {mood.name} {run}: {case.facts()}, missing {len(missing)}, twice {twice}")
    assert (missing, twice, disordered(rows)) == ([], 0, []), case.facts()
    for source in case.sources:
        of_source = [row for row in rows if row["source_id"] == source]
        for column in ("session_id", "profile_id"):
            assert len({row[column] for row in of_source}) <= 1, (column, case.facts())
