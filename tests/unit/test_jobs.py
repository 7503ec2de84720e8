"""Questions in threads: a few at a time, given up when nobody wants them any more, and really so."""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from collector import store
from collector.console import jobs
from collector.console.jobs import Job, Jobs
from collector.errors import Overloaded, StoreError

from ..support import wait_for

ENDLESS = "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"


class Question:
    """Work with as many steps as the test lets it take."""

    def __init__(self, *, statement: str = "SELECT 1", error: Exception | None = None) -> None:
        self.statement = statement
        self.error = error
        self.begun = threading.Event()
        self.may_end = threading.Event()
        self.found: list[int] = []
        self.is_left = threading.Event()

    @contextmanager
    def begin(self, connection: sqlite3.Connection) -> Iterator["Question"]:
        self.connection = connection
        try:
            yield self
        finally:
            self.is_left.set()

    def steps(self) -> Iterator[tuple[int, int]]:
        self.begun.set()
        if self.error:
            raise self.error
        yield 1, 2
        self.connection.execute(self.statement).fetchall()
        while not self.may_end.wait(0.01):
            yield 1, 2
        self.found.append(7)
        yield 2, 2

    def rows(self) -> list[Any]:
        return [*self.found]


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[Jobs]:
    path = tmp_path / "x.db"
    store.migrate(path)
    found = Jobs(path)
    yield found
    for job in [*found._jobs]:
        job.stopping.set()
    for job in [*found._jobs]:
        assert job.ended.wait(20)


def ask(asked: Jobs, question: Question, owner: str = "ann", wait: float = 0.0) -> Job:
    return asked.ask(owner, id(question), question.begin, wait, again=True)


def test_an_answer_is_there_when_it_is_and_is_kept(asked: Jobs) -> None:
    question = Question()
    job = ask(asked, question)
    assert question.begun.wait(20)
    assert (job.is_done, job.rows) == (False, [])
    wait_for(lambda: job.part == 0.5, "the first step")
    assert ask(asked, question) is job
    question.may_end.set()
    assert ask(asked, question, wait=20) is job
    assert (job.is_done, job.rows, job.part) == (True, [7], 1.0)
    job.is_shown = True
    # For its file; a page asks again.
    assert asked.ask("ann", id(question), question.begin, 0, again=False) is job
    assert ask(asked, question) is not job


def test_what_others_ask_is_theirs(asked: Jobs) -> None:
    question = Question()
    job = ask(asked, question)
    assert ask(asked, question, owner="bob") is not job
    asked.stop("bob", job.id)
    assert not job.stopping.is_set()


def test_two_are_answered_at_a_time(asked: Jobs) -> None:
    questions = [Question() for _ in range(3)]
    for question in questions:
        ask(asked, question)
    assert all(question.begun.wait(20) for question in questions[:2])
    assert not questions[2].begun.wait(0.5)
    questions[0].may_end.set()
    assert questions[2].begun.wait(20)


def test_a_question_that_waits_can_be_stopped(asked: Jobs) -> None:
    for _ in range(jobs.MAX_RUNNING):
        ask(asked, Question())
    waiting = Question()
    job = ask(asked, waiting)
    asked.stop("ann", job.id)
    assert job.ended.wait(20)
    assert not waiting.begun.is_set()


@pytest.mark.parametrize("statement", [ENDLESS, "SELECT 1"], ids=["statement", "steps"])
def test_stopping_ends_the_work(asked: Jobs, statement: str) -> None:
    """Also in the middle of a statement that has no end."""
    question = Question(statement=statement)
    job = ask(asked, question)
    assert question.begun.wait(20)
    asked.stop("ann", job.id)
    assert question.is_left.wait(20)
    assert job.ended.wait(20)
    assert (job.is_done, job.is_stopped, job.error) == (False, True, "")
    assert ask(asked, question) is not job


def test_what_nobody_looks_at_is_given_up(asked: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "UNSEEN_SECONDS", 0.2)
    question = Question(statement=ENDLESS)
    job = ask(asked, question)
    assert question.is_left.wait(20)
    assert job.ended.wait(20)


def test_who_asks_something_else_gives_up_what_was_asked_before(
    asked: Jobs, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs, "LEFT_SECONDS", 0.0)
    first = Question(statement=ENDLESS)
    job = ask(asked, first)
    ask(asked, Question())
    assert job.ended.wait(20)


def test_an_error_is_told_once(asked: Jobs) -> None:
    question = Question(error=StoreError("It cannot be."))
    job = ask(asked, question, wait=20)
    assert job.error == "The question was not answered: It cannot be."
    assert ask(asked, question) is job
    job.is_shown = True
    assert ask(asked, question) is not job


def test_there_are_only_so_many(asked: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_JOBS", 3)
    questions = [Question() for _ in range(4)]
    first, *_ = [ask(asked, question) for question in questions[:3]]
    with pytest.raises(Overloaded, match="Too many questions"):
        ask(asked, questions[3])
    questions[0].may_end.set()
    assert first.ended.wait(20)
    assert ask(asked, questions[3]) is not first


def test_one_session_leaves_room_for_others(asked: Jobs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "MAX_OF_SESSION", 2)
    questions = [Question() for _ in range(3)]
    for question in questions[:2]:
        ask(asked, question)
    with pytest.raises(Overloaded, match="2 of your questions"):
        ask(asked, questions[2])
    assert ask(asked, questions[2], owner="somebody else")
    for question in questions:
        question.may_end.set()
