"""Buckets of a minute, with the time as the test wants it."""

import sys
import tracemalloc
from contextlib import closing
from pathlib import Path

import pytest
from sqlite_utils import Database

from collector import store
from collector.event.types import Event, Payload
from collector.ipc import SenderInfo, WriteRequest
from collector.worker.sender import limited_address
from collector.writer.group import Writer
from collector.writer.limits import MAX_ADDRESSES, MB, Buckets, Limits

NOON = 1_000_000.0  # monotonic seconds


def take(buckets: Buckets, amount: int, now: float, *, per_minute: int = 600) -> int:
    return buckets.take("a", per_minute, amount, now)


def test_a_minutes_worth_may_come_at_once_after_a_quiet_minute() -> None:
    buckets = Buckets()
    assert take(buckets, 600, NOON) == 0
    assert take(buckets, 1, NOON) == 1
    assert take(buckets, 300, NOON + 29) == 1
    assert take(buckets, 300, NOON + 30) == 0
    # However long it was quiet, it is one minute's worth.
    assert take(buckets, 600, NOON + 10_000) == 0
    assert take(buckets, 100, NOON + 10_000) == 10
    assert take(buckets, 100, NOON + 10_010) == 0


def test_more_than_a_minutes_worth_is_admitted_alone_and_paid_for() -> None:
    buckets = Buckets()
    assert take(buckets, 1200, NOON) == 0
    assert take(buckets, 1, NOON) == 61
    assert take(buckets, 1200, NOON + 119) == 1
    assert take(buckets, 1200, NOON + 120) == 0


def test_what_is_refused_takes_nothing() -> None:
    buckets = Buckets()
    take(buckets, 600, NOON)
    assert [take(buckets, 10, NOON) for _ in range(100)] == [1] * 100
    assert take(buckets, 10, NOON + 1) == 0


def test_a_limit_that_is_raised_counts_at_once() -> None:
    buckets = Buckets()
    take(buckets, 600, NOON)
    assert take(buckets, 600, NOON + 30) == 30
    assert take(buckets, 600, NOON + 30, per_minute=6000) == 0


def request(
    number: int, address: str = "", *, size: int = 0, source: str = "s", limit: int | None = None
) -> WriteRequest:
    event = Event(0, f"{source}-{number}-{address}", "a", "2026-11-27T05:00:00.000Z", "{}", "{}")
    payload = Payload(source, events=(event,), anonymous=True)
    return WriteRequest(
        source, f"r-{number}", "2026-11-27T05:00:00.000Z", SenderInfo(), payload,
        number=number, size=size, address=address, rate_limit=limit,
    )  # fmt: skip


def test_100_000_addresses_take_little_memory_and_the_greedy_one_is_remembered() -> None:
    limits = Limits(address_mb=1)
    greedy = request(0, "192.0.2.1", size=MB)
    assert limits.refusal(greedy, NOON) is None
    tracemalloc.start()
    for number in range(100_000):
        address = f"2001:db8:{number // 65536:x}:{number % 65536:x}::/64"
        assert limits.refusal(request(number, address, size=MB // 2), NOON + number / 1e5) is None
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used < 8 * MB
    assert len(limits._addresses) <= MAX_ADDRESSES
    assert limits.refusal(greedy, NOON + 1) is not None


def test_addresses_that_were_served_are_forgotten_when_their_minute_is_over() -> None:
    buckets = Buckets(100)
    for number in range(1000):
        assert not buckets.take(str(number), 600, 1, NOON + number)
    assert len(buckets) <= 100


def test_a_request_that_one_limit_refuses_is_not_counted_by_the_others() -> None:
    limits = Limits(source_mb=2, address_mb=1)
    for number in range(3):
        limits.refusal(request(number, "192.0.2.1", size=MB), NOON)
    # The source has one megabyte left, for others.
    assert limits.refusal(request(4, "192.0.2.2", size=MB), NOON) is None
    assert limits.refusal(request(5, "192.0.2.3", size=MB), NOON) is not None
    assert limits.refusal(request(6, "192.0.2.3", size=MB), NOON + 30) is None


def test_requests_of_two_workers_with_the_same_number_have_their_own_verdicts(
    tmp_path: Path,
) -> None:
    """Each worker numbers by itself, and a group has requests of all."""
    path = tmp_path / "x.db"
    store.migrate(path)
    with closing(store.connect(path)) as connection:
        limited, free = (store.add_source(Database(connection), name).id for name in "ab")
    with closing(Writer(path)) as writer:
        first = writer.write([request(1, source=limited, limit=1)])
        second = writer.write([request(2, source=limited, limit=1), request(2, source=free)])
    assert [result.refused for result in (*first, *second)] == [None, "rate_limited", None]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("192.0.2.7", "192.0.2.7"),
        (" 192.0.2.7 ", "192.0.2.7"),
        ("192.0.2.7:4711", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8::1", "2001:db8::/64"),
        ("2001:db8::ffff:1:2:3", "2001:db8::/64"),
        ("2001:db8:0:1::1", "2001:db8:0:1::/64"),
        ("[2001:db8::1]", "2001:db8::/64"),
        ("[2001:db8::1]:4711", "2001:db8::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("127.0.0.1", ""),
        ("127.8.9.1", ""),
        ("::1", ""),
        ("::ffff:127.0.0.1", ""),
        ("unknown", "unknown"),
        ("x" * 1000, "x" * 64),
        ("", ""),
    ],
)
def test_whose_bytes_are_counted_together(address: str, counted: str) -> None:
    assert limited_address(address) == counted
    assert sys.getsizeof(counted) < 200
