"""Makes a database with a year of traffic, as a small company's sites may have it: five sources of
different size, returning visitors, a few frequent pages and event types and many rare ones.

    python -m tests.bench.history FILE --events 20000000

The same seed, number of events and end make the same rows. Rows go into the tables directly, which
takes a tenth of the time of sending them; the rollups are then counted as after a restore.
"""

import argparse
import json
import random
import sqlite3
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, NamedTuple

from sqlite_utils import Database

from collector import store
from collector.event.timestamps import iso
from collector.store.rows import insert_rows

DAYS = 365
EVENTS_A_VISITOR = 20
EVENTS_A_SESSION = 6.22  # with the weights below
BOTS = 0.03  # of sessions
LATE = 0.01  # of requests: they waited for a network for up to two hours
SERVER = 0.01  # of requests: a server's, which have no session
REJECTED = 0.005  # of events, in the last REJECTED_DAYS
REJECTED_DAYS = 30
MAX_REJECTED = 9000  # rows of a source

# Name, share of the traffic, pages, and the part of its events that is rejected.
SOURCES = (
    ("Shop", 0.50, 1500, REJECTED),
    ("Blog", 0.25, 1000, REJECTED),
    ("Documentation", 0.15, 800, REJECTED),
    ("Help centre", 0.08, 500, REJECTED),
    ("Campaign site", 0.02, 200, 0.08),
)
FREQUENT = (
    "page-view", "click", "scroll", "interest", "product-view", "search", "add-to-cart",
    "video-play", "form-submit", "sign-up", "purchase", "checkout-start",
)  # fmt: skip
TYPES = (*FREQUENT, *(f"custom-{n:03}" for n in range(len(FREQUENT), 199)), "order-shipped")
PRODUCTS = ("Sun glasses", "Reading glasses", "Case", "Cloth", "Lens", "Gift card")
HOURS = (1, 1, 1, 1, 1, 2, 4, 7, 9, 10, 10, 10, 9, 9, 9, 9, 10, 10, 11, 12, 11, 8, 5, 2)
AGENT = "Mozilla/5.0 ({system}) AppleWebKit/537.36 (KHTML, like Gecko) {end}"
BROWSERS = (
    (AGENT.format(system="Windows NT 10.0; Win64; x64", end="Chrome/142.0.0.0 Safari/537.36"), 34),
    (
        AGENT.format(system="Linux; Android 10; K", end="Chrome/142.0.0.0 Mobile Safari/537.36"),
        22,
    ),
    (
        "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like"
        " Gecko) Version/26.0 Mobile/15E148 Safari/604.1",
        20,
    ),
    ("Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:144.0) Gecko/20100101 Firefox/144.0", 8),
    (
        AGENT.format(
            system="Windows NT 10.0; Win64; x64",
            end="Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0",
        ),
        8,
    ),
    (
        "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko)"
        " Version/26.0 Safari/605.1.15",
        6,
    ),
    (AGENT.format(system="X11; Linux x86_64", end="Chrome/142.0.0.0 OPR/123.0.0.0"), 2),
)
BOT = "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"
SCREENS = (
    (1920, 1080),
    (390, 844),
    (412, 915),
    (1536, 864),
    (1440, 900),
    (2560, 1440),
    (820, 1180),
)
PLACES = (  # language, minutes as getTimezoneOffset() has them
    ("en-US", 300), ("de-DE", -60), ("en-GB", 0), ("pl-PL", -60), ("fr-FR", -60), ("en-US", 480),
    ("es-ES", -60), ("pt-BR", 180), ("hi-IN", -330), ("ja-JP", -540), ("en-AU", -600),
)  # fmt: skip
REFERRERS = (
    "https://www.google.com/", "https://www.bing.com/search", "https://duckduckgo.com/",
    "https://t.co/x", "https://www.linkedin.com/feed/", "https://news.ycombinator.com/item?id=1",
    *(f"https://www.partner-{n}.example/page" for n in range(300)),
)  # fmt: skip
CAMPAIGNS = ("spring-sale", "summer", "newsletter", *(f"campaign-{n:02}" for n in range(57)))


class Weighted:
    """Values of which the first are far more frequent than the last (Zipf)."""

    def __init__(self, values: Any, weights: Any = None, skew: float = 1.0) -> None:
        self.values = list(values)
        found = weights or [1 / (n + 1) ** skew for n in range(len(self.values))]
        self.sums = list(accumulate(found))

    def take(self, rng: random.Random, count: int) -> Iterator[Any]:
        return iter(rng.choices(self.values, cum_weights=self.sums, k=count))


class Request(NamedTuple):
    """What becomes a request of some events. `at`: seconds since 1970."""

    at: float
    source: int
    session: int
    bot: bool
    page: str
    types: list[int]


@dataclass
class Made:
    """The rows of a day."""

    sessions: list[tuple[Any, ...]] = field(default_factory=list)
    profiles: list[tuple[Any, ...]] = field(default_factory=list)
    requests: list[tuple[Any, ...]] = field(default_factory=list)
    events: list[tuple[Any, ...]] = field(default_factory=list)


def _clients(rng: random.Random, agents: list[tuple[str, int]], count: int) -> list[str]:
    """Contexts of sessions: what browsers say of themselves."""
    browsers = Weighted([a for a, _ in agents], [w for _, w in agents]).take(rng, count)
    screens, places = (Weighted(x, skew=0.8).take(rng, count) for x in (SCREENS, PLACES))
    found = []
    for agent, (width, height), (language, offset) in zip(browsers, screens, places, strict=True):
        browser = {
            "userAgent": agent, "language": language, "cookieEnabled": True,
            "timezoneOffset": offset,
        }  # fmt: skip
        context = {"browser": browser, "screen": {"width": width, "height": height}}
        found.append(json.dumps(context, separators=(",", ":")))
    return found


class Traffic:
    """A year of requests, a day at a time."""

    def __init__(self, events: int, end: datetime, seed: int) -> None:
        self._rng = rng = random.Random(seed)
        self._total, self._end = events, end.timestamp()
        self.first = (end - timedelta(days=DAYS - 1)).replace(hour=0, minute=0, second=0)
        self.first = self.first.replace(microsecond=0)
        self._clients = _clients(rng, [*BROWSERS], 3000)
        self._bots = _clients(rng, [(BOT, 1)], 20)
        self._types = Weighted(range(len(TYPES) - 1), [0.001, *(1 / n for n in range(1, 199))])
        self._sources = Weighted(range(len(SOURCES)), [share for _, share, *_ in SOURCES])
        self._pages = [
            Weighted([f"/{name.split()[0].lower()}/{n}" if n else "/" for n in range(pages)])
            for name, _, pages, _ in SOURCES
        ]
        self._referrers = Weighted(["", *REFERRERS], skew=1.1)
        self._campaigns = Weighted(CAMPAIGNS)
        self._visitors: list[list[int]] = [[] for _ in SOURCES]
        self._profiles = self._sessions = 0
        self._waiting: list[Request] = []
        self.new_visitors = EVENTS_A_SESSION / EVENTS_A_VISITOR  # of sessions
        weights = [
            (1 + 0.6 * n / DAYS) * (0.7 if (self.first + timedelta(days=n)).weekday() > 4 else 1)
            * rng.uniform(0.9, 1.1)
            for n in range(DAYS)
        ]  # fmt: skip
        self._shares = [weight / sum(weights) for weight in weights]

    def day(self, number: int, rows: "Rows") -> Made:
        """The rows of a day; what reaches into the next one comes with the next."""
        made = Made()
        start = (self.first + timedelta(days=number)).timestamp()
        until = min(start + 86_400, self._end)
        count = int(self._total * self._shares[number] / EVENTS_A_SESSION)
        self._visits(made, start, count)
        ready = sorted(r for r in self._waiting if r.at < until)
        self._waiting = [r for r in self._waiting if start + 86_400 <= r.at < self._end]
        rows.add(made, ready)
        return made

    def _visits(self, made: Made, start: float, count: int) -> None:
        rng, rand = self._rng, self._rng.random
        sources = self._sources.take(rng, count)
        hours = Weighted(range(24), HOURS).take(rng, count)
        campaigns = self._campaigns.take(rng, count)
        referrers = self._referrers.take(rng, count)
        lengths = rng.choices(range(1, 9), weights=(40, 22, 13, 9, 6, 4, 3, 3), k=count)
        begun = sorted(
            (start + hour * 3600 + rand() * 3600, source, length, campaign, referrer)
            for hour, source, length, campaign, referrer in zip(
                hours, sources, lengths, campaigns, referrers, strict=True
            )
        )
        pages = [weighted.take(rng, count * 3) for weighted in self._pages]
        types = self._types.take(rng, count * 8)
        more = rng.choices(range(5), weights=(30, 28, 20, 13, 9), k=count * 3)
        steps = iter(more)
        for at, source, length, campaign, referrer in begun:
            if at >= self._end:
                break
            is_bot = rand() < BOTS
            session = self._session(made, at, source, is_bot, campaign if rand() < 0.12 else "")
            name = f"https://{SOURCES[source][0].split()[0].lower()}.example"
            for turn in range(length):
                path = next(pages[source], "/")
                page = (
                    f'{{"page":{{"url":"{name}{path}","path":"{path}","referrer":'
                    f'"{name if turn else referrer}"}}}}'
                )
                found = [0, *(next(types, 1) for _ in range(next(steps, 1)))]
                self._waiting.append(Request(at, source, session, is_bot, page, found))
                at += 5 + 180 * rand() * rand()  # noqa: PLW2901
            if rand() < SERVER:
                self._waiting.append(Request(at, source, 0, False, "{}", [len(TYPES) - 1]))

    def _session(self, made: Made, at: float, source: int, is_bot: bool, campaign: str) -> int:
        rng = self._rng
        pool = self._visitors[source if rng.random() > 0.03 else 0]
        if is_bot or not pool or rng.random() < self.new_visitors:
            self._profiles += 1
            profile = self._profiles
            made.profiles.append((profile, _id(rng, at), "", _text(at)))
            if not is_bot:
                pool.append(profile)
        else:  # mostly one who came lately
            profile = pool[int(len(pool) * (1 - rng.random() ** 2)) - 1]
        self._sessions += 1
        clients = self._bots if is_bot else self._clients
        client = clients[profile * 7919 % len(clients)]
        utm = f'{{"source":"mail","campaign":"{campaign}"}}' if campaign else None
        made.sessions.append(
            (
                self._sessions, source + 1, _id(rng, at), profile,
                f"device-{profile:07}", client, _text(at), utm, utm,
            )
        )  # fmt: skip
        return self._sessions


class Rows:
    """Makes rows of requests."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.seq = 0

    def add(self, made: Made, requests: list[Request]) -> None:
        rng, seq = self._rng, self.seq
        for at, source, session, bot, page, types in requests:
            received = _text(at)
            occurred = _text(at - rng.random() * 7200) if rng.random() < LATE else received
            key = seq + 1
            made.requests.append(
                (
                    key, len(types), source + 1, session, _id(rng, at), received,
                    "192.0.2.0", int(bot), None, page,
                )
            )  # fmt: skip
            for kind in types:
                seq += 1
                made.events.append(
                    (
                        seq, key, source + 1, kind + 1, _id(rng, at), occurred,
                        self._properties(kind),
                    )
                )  # fmt: skip
        self.seq = seq

    def _properties(self, kind: int) -> str:
        name, rand = TYPES[kind], self._rng.random
        if name in ("purchase", "add-to-cart", "product-view", "order-shipped"):
            return (
                f'{{"product":"{PRODUCTS[int(rand() * rand() * len(PRODUCTS))]}",'
                f'"price":{5 + 195 * rand() * rand():.2f},"quantity":{1 + int(4 * rand() ** 3)}}}'
            )
        if name == "scroll":
            return f'{{"depth":{25 * (1 + int(rand() * 4))}}}'
        return '{"label":"more"}' if name == "click" else "{}"


def _id(rng: random.Random, at: float) -> str:
    """A UUIDv7 of a time."""
    t, r = f"{int(at * 1000):012x}", f"{rng.getrandbits(76):019x}"
    return f"{t[:8]}-{t[8:]}-7{r[:3]}-a{r[4:7]}-{r[7:]}"


def _text(at: float) -> str:
    whole = int(at)
    return f"{_second(whole)}.{int((at - whole) * 1000):03}Z"


_seconds: dict[int, str] = {}


def _second(whole: int) -> str:
    found = _seconds.get(whole)
    if found is None:
        if len(_seconds) > 100_000:
            _seconds.clear()
        found = _seconds[whole] = datetime.fromtimestamp(whole, UTC).isoformat()[:19]
    return found


def _insert(connection: sqlite3.Connection, made: Made) -> None:
    connection.execute("BEGIN")
    for head, rows in (
        ("profile_rows (key, id, scope, first_seen_at)", made.profiles),
        (
            "session_rows (key, source, id, profile, device_id, context, first_seen_at, first_utm,"
            " last_utm)",
            made.sessions,
        ),
        (
            "request_rows (key, events, source, session, request_id, received_at, ip, bot, request,"
            " context)",
            made.requests,
        ),
        ("event_rows (seq, request, source, type, id, occurred_at, properties)", made.events),
    ):
        insert_rows(connection, f"INSERT INTO {head}", rows)
    connection.execute("COMMIT")


def _reject(
    connection: sqlite3.Connection, ids: list[str], events: int, end: datetime, rng: random.Random
) -> None:
    """Rejected events of the last days, the newest of which are kept as rows."""
    hours: Counter[tuple[int, str, str, str]] = Counter()
    rows = []
    recent = events * 1.25 / DAYS * REJECTED_DAYS
    problems = Weighted(
        [
            ("invalid", "/properties/price: -1 is less than the minimum of 0", "purchase"),
            ("invalid", '/properties/email: "x" is not a "email"', "sign-up"),
            ("invalid", '"product" is a required property', "add-to-cart"),
            ("invalid", '/properties/quantity: 0.5 is not of type "integer"', "purchase"),
            ("invalid", "properties must be an object", "click"),
        ]
    )
    for source, (_, share, _, part) in enumerate(SOURCES):
        count = int(recent * share * part)
        for number, (reason, detail, kind) in enumerate(problems.take(rng, count)):
            at = end - timedelta(days=REJECTED_DAYS) * rng.random()
            text = iso(at)
            hours[source + 1, text[:13], reason, kind] += 1
            if number < MAX_REJECTED:
                seconds = at.timestamp()
                name = _id(rng, seconds)
                payload = json.dumps({"id": name, "type": kind, "properties": {"price": -1}})
                rows.append(
                    (
                        reason, detail, name, kind, ids[source], payload, _id(rng, seconds), text,
                        text, "https://shop.example",
                    )
                )  # fmt: skip
    connection.execute("BEGIN")
    insert_rows(
        connection,
        "INSERT INTO rejected (reason, detail, event_id, type, source_id, payload, request_id,"
        " received_at, last_seen_at, origin)",
        sorted(rows, key=lambda row: row[7]),
    )
    insert_rows(
        connection,
        "INSERT INTO rejected_hours (source, hour, reason, type, events)",
        [(*key, count) for key, count in sorted(hours.items())],
    )
    connection.execute("COMMIT")


def make(path: Path, events: int, end: datetime, seed: int = 1) -> None:
    """Makes the file, which must not exist. `end`: the time of the last event."""
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        for pragma in ("journal_mode=MEMORY", "synchronous=OFF", "cache_size=-200000"):
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("PRAGMA foreign_keys=OFF")
        ids = [store.add_source(Database(connection), name).id for name, *_ in SOURCES]
        connection.executemany("INSERT INTO source_keys VALUES (?, ?)", [*enumerate(ids, 1)])
        connection.executemany("INSERT INTO event_types VALUES (?, ?)", [*enumerate(TYPES, 1)])
        traffic, rows = Traffic(events, end, seed), Rows(random.Random(seed))
        started = time.monotonic()
        for number in range(DAYS):
            _insert(connection, traffic.day(number, rows))
            if number % 10 == 9:
                _talk(f"day {number + 1}: {rows.seq:,} events", started)
        _reject(connection, ids, events, end, random.Random(seed))
        connection.execute("PRAGMA journal_mode=WAL")
        for done, total in store.rebuild_rollups(connection):
            if done % 1_000_000 == 0 or done == total:
                _talk(f"{done:,} of {total:,} events counted", started)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _talk(text: str, started: float) -> None:
    print(f"{time.monotonic() - started:6.0f} s  {text}", file=sys.stderr, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--until", type=datetime.fromisoformat, default=datetime.now(UTC), metavar="TIME",
        help="the time of the last event; by default now",
    )  # fmt: skip
    options = parser.parse_args()
    if options.file.exists():
        sys.exit(f"{options.file} exists already.")
    make(options.file, options.events, options.until.astimezone(UTC), options.seed)


if __name__ == "__main__":
    main()
