"""Expectations that do not hold, and what they say: the docstring of each. `tests/testing/test_plugin.py`
runs them, and compares."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from collector.testing import EMAIL, Tracking

from .conftest import Send

STRANGER = "00000000-0000-4000-8000-000000000000"


def test_none_but_one_came(send: Send, tracking: Tracking) -> None:
    """Expected no refund, stored 1."""
    send("refund")
    tracking.expect_none("refund")


def test_none_and_one_comes_later(send: Send, tracking: Tracking) -> None:
    """Expected no refund {"amount": 2}, stored 1 (test_wrong.py:"""
    tracking.expect_none("refund", {"amount": 2})
    send("refund", {"amount": 2})


def test_once_and_another_comes_later(send: Send, tracking: Tracking) -> None:
    """Expected 1 × refund, stored 2 (test_wrong.py:"""
    send("refund")
    tracking.expect("refund", times=1)
    send("refund")


def test_out_of_order(send: Send, tracking: Tracking) -> None:
    """Expected the sequence b → a within 0.5 s: a is missing after b."""
    send("a")
    send("b")
    tracking.expect_sequence("b", "a")


def test_nothing_was_rejected(send: Send, tracking: Tracking) -> None:
    """Expected a rejected event with {'reason': 'invalid', 'type': 'rating'} within 0.5 s, found none."""
    send("rating", {"stars": 3})
    tracking.expect_rejected("invalid", type="rating")


def test_rejected_elsewhere(send: Send, tracking: Tracking) -> None:
    """Nearest: pointer: expected "/properties/star", stored "/properties/stars"."""
    send("rating", {"stars": 9})
    tracking.expect_rejected("invalid", "/properties/star")


def test_rejected_unexpectedly(send: Send, tracking: Tracking) -> None:
    """Expected no rejected events."""
    assert send("rating", {"stars": 9}) == 200


def test_refused_unexpectedly(send: Send, tracking: Tracking) -> None:
    """Expected no refused requests."""
    assert send("rating", source=STRANGER) == 401


def test_nothing_was_refused(send: Send, tracking: Tracking) -> None:
    """Expected a request refused with unknown_source within 0.5 s; there was: 200 stored."""
    send("a")
    tracking.expect_refused("unknown_source")


def test_two_sessions_are_not_one(send: Send, tracking: Tracking) -> None:
    """Expected one session, stored: 11111111-1111-4111-8111-111111111111 (a), 22222222-"""
    send("a", session="11111111-1111-4111-8111-111111111111")
    send("a", session="22222222-2222-4222-8222-222222222222")
    tracking.expect_identity(same_session=True)


def test_one_profile_is_not_two(send: Send, tracking: Tracking) -> None:
    """Expected more than one profile, stored:"""
    session = "33333333-3333-4333-8333-333333333333"
    send("a", session=session)
    send("b", session=session)
    first, second = tracking.expect_sequence("a", "b")
    tracking.expect_identity(first, second, same_profile=False)


def test_too_many_requests(send: Send, tracking: Tracking) -> None:
    """Expected 1 request with a, there were 2."""
    send("a")
    send("a")
    tracking.expect_delivery("a", requests=1)


def test_a_duplicate(send: Send, tracking: Tracking) -> None:
    """Expected at most 0 duplicates with a, there was 1."""
    for _ in range(2):
        send("a", id="0197c0de-0000-7000-8000-000000000001")
    tracking.expect_delivery("a", duplicates=0)


def test_a_name_in_an_event(send: Send, tracking: Tracking) -> None:
    """Expected no regex("""
    send("a", {"deep": [{"who": "jane%40example.com"}]})
    tracking.expect_privacy(no=[EMAIL])


def test_no_snapshot_yet(send: Send, tracking: Tracking) -> None:
    """Write it: pytest --tracking-update"""
    send("a")
    tracking.snapshot("none-yet.json")


def test_another_snapshot(send: Send, tracking: Tracking) -> None:
    """[0].properties.price: expected 1, stored 2"""
    file = Path(__file__).parent / "snapshots" / "one.json"
    assert file.is_file()
    send("a", {"price": 2, "order": "x"})
    tracking.snapshot("one.json", ignore=["properties.order"])


def test_one_more_than_expected(send: Send, tracking: Tracking) -> None:
    """Expected exactly a → b within 0.5 s: stored 3, c {"n": 1} is one too many."""
    send("a")
    send("b")
    send("c", {"n": 1})
    tracking.expect_exactly("a", "b")


def test_one_more_comes_later(send: Send, tracking: Tracking) -> None:
    """Expected exactly no events (test_wrong.py:"""
    tracking.expect_exactly()
    send("a")


def test_one_of_several_is_missing(send: Send, tracking: Tracking) -> None:
    """Expected exactly a → b within 0.5 s: b {"n": 2} is missing."""
    send("a")
    send("b", {"n": 1})
    tracking.expect_exactly("a", ("b", {"n": 2}))


def test_stored_out_of_order(send: Send, tracking: Tracking) -> None:
    """Expected events to be stored in the order in which they were tracked: b came before a."""
    earlier = (datetime.now(UTC) - timedelta(minutes=1)).isoformat()
    send("b")
    send("a", time={"create": earlier})
    tracking.expect_delivery(in_order=True)


def test_nothing_in_the_console(send: Send, tracking: Tracking) -> None:
    """Expected 'ready' in the console within 0.5 s; it said: nothing."""
    tracking.expect_console("ready")
