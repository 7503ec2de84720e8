"""Inputs that the fuzzers have found, sent again; and the fuzzers themselves, for a moment."""

import os
import random
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from ..fuzz import bodies, wire
from ..fuzz.__main__ import CASES
from ..fuzz.target import LAST, Problem, Target, target
from ..support import wait_for


@pytest.fixture(scope="module")
def victim(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    """A collector with two workers, which must be as it was after each test."""
    with target(tmp_path_factory.mktemp("fuzz")) as made:
        yield made


@pytest.fixture
def own_victim(tmp_path: Path) -> Iterator[Target]:
    """One that a test may break."""
    with target(tmp_path) as made:
        yield made


@pytest.mark.parametrize("case", sorted(CASES.glob("*.http")), ids=lambda path: path.stem)
def test_what_was_found_once_is_answered(victim: Target, case: Path) -> None:
    """At once, byte by byte, and in two pieces: with the same answers, none of them 500."""
    data = victim.reveal(case.read_bytes())
    ways = [[data[at : at + 1] for at in range(min(len(data), 5000))]] if len(data) <= 5000 else []
    wire.send(victim, data, [*ways, *wire.every_cut(data, max(1, len(data) // 50))])
    victim.check()


def test_whatever_is_sent_is_answered(victim: Target) -> None:
    """A short form of `make fuzz`, the same each time."""
    seeds = [*wire.recorded([wire.RECORDINGS]), *wire.others(victim.token)]
    bodies.run(victim, 1, 150)
    victim.check()
    wire.run(victim, 1, 60, seeds)
    victim.check()
    wire.cut(victim, 1, seeds, inputs=1)
    victim.check()
    assert {200, 204, 307, 400, 401, 403, 404, 422} <= set(victim.statuses)
    victim.check_database()
    victim.restart()


def test_the_fuzzer_finds_the_smallest_request_that_fails(own_victim: Target) -> None:
    with own_victim.collector.database() as database:
        database.execute(
            "CREATE TRIGGER no BEFORE INSERT ON event_rows BEGIN SELECT RAISE(ABORT, 'no'); END"
        )
    with pytest.raises(Problem, match="status 500") as found:
        bodies.run(own_victim, 1, 300)
    assert len(found.value.data) < 400
    assert found.value.data.startswith((b"POST /", b"GET /"))
    with pytest.raises(Problem, match="in the log"):
        own_victim.check()


def test_the_fuzzer_sees_a_process_that_was_replaced(own_victim: Target) -> None:
    worker = own_victim.collector.children("collector.child\0worker")[0]
    os.kill(worker, signal.SIGKILL)
    wait_for(lambda: worker not in own_victim.collector.children(), "the worker to end")
    with pytest.raises(Problem, match="a process has ended"):
        own_victim.check()


def test_the_fuzzer_sees_an_acknowledged_event_that_is_missing(own_victim: Target) -> None:
    own_victim.exchange([wire.others(own_victim.token)[0]])
    own_victim.exchange([wire.recorded([wire.RECORDINGS / "thamesthrive"])[1]])
    own_victim.sent.acknowledged.add("never stored")
    with pytest.raises(Problem, match="acknowledged, but not stored"):
        own_victim.check()


def test_inputs_are_cut_so_that_all_of_them_arrives() -> None:
    mutator = wire.Mutator(random.Random(1), [LAST * 3])
    for _ in range(200):
        data = mutator.input()
        assert b"".join(mutator.pieces(data)) == data
