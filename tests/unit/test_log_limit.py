"""How many lines of the log senders can cause."""

import logging

import pytest

from collector.worker.log_limit import INTERVAL, LogLimit


def test_a_reason_has_a_line_again_when_its_minute_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    now = [0.0]
    limit = LogLimit(lambda: now[0])
    assert [limit.is_first("invalid") for _ in range(1000)] == [True] + [False] * 999
    assert limit.is_first("rate_limited")
    limit.flush()
    assert caplog.messages == []
    now[0] = INTERVAL
    limit.flush()
    assert caplog.messages == ["invalid: 999 more within a minute, not logged"]
    assert limit.is_first("invalid")
