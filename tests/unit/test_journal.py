"""The journal is bounded, and knows what is on its way."""

import asyncio

from collector.worker.journal import Entry, Journal


def entry(run: str | None) -> Entry:
    return Entry(route="/track", method="POST", origin=None, headers={}, run=run)


def ended(journal: Journal, run: str | None) -> Entry:
    made = entry(run)
    journal.begin(made)
    journal.end(made, 200, "stored")
    return made


def test_the_oldest_requests_leave_first_whatever_their_run() -> None:
    journal = Journal(max_requests=3)
    made = [ended(journal, run) for run in ("a", "b", "a", "b")]
    assert [*journal.entries("a")] == [made[2]]
    assert [*journal.entries("b")] == [made[1], made[3]]
    assert (journal.requests("a"), journal.requests("b")) == (2, 2)


def test_what_they_take_is_bounded() -> None:
    one = entry("a").memory
    journal = Journal(max_bytes=2 * one)
    made = [ended(journal, "a") for _ in range(5)]
    assert [*journal.entries("a")] == made[3:]
    journal.remove("a")
    assert [ended(journal, "a") for _ in range(2)] == [*journal.entries("a")]


def test_requests_of_no_run_are_not_kept() -> None:
    journal = Journal()
    ended(journal, None)
    assert journal.runs() == {}


def test_who_may_still_be_of_a_run_is_in_flight_for_it() -> None:
    journal = Journal()
    unknown, own, other = entry(None), entry("a"), entry("b")
    for made in (unknown, own, other):
        journal.begin(made)
    assert journal.in_flight("a") == 2
    journal.drop(unknown)
    journal.end(own, 401, "unknown_source")
    journal.end(own, 500, "internal")  # once only
    assert (journal.in_flight("a"), journal.in_flight("b")) == (0, 1)
    assert [found.status for found in journal.entries("a")] == [401]


def test_sessions_are_bounded_and_forgotten_with_their_run() -> None:
    journal = Journal()
    for number in range(10_001):
        journal.remember_session("s", str(number), "a")
    assert journal.run_of_session("s", "0") is None
    assert journal.run_of_session("s", "1") == "a"
    ended(journal, "a")
    journal.remove("a")
    assert journal.run_of_session("s", "1") is None


def test_a_change_is_heard_of_at_once_and_its_absence_in_time() -> None:
    async def watch() -> tuple[bool, bool]:
        journal = Journal()
        waiting = asyncio.ensure_future(journal.change("a", 60))
        await asyncio.sleep(0)
        ended(journal, "b")
        await asyncio.sleep(0)
        before = waiting.done()
        ended(journal, "a")
        await waiting
        await journal.change("c", 0)
        return before, waiting.done()

    assert asyncio.run(watch()) == (False, True)
