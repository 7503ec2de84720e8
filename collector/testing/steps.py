"""What an expectation needs from outside: questions to the collector, and pages to leave. An
expectation is a generator of these, so that tests with and without `await` share one."""

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Ask:
    """A question to the collector: `GET path?query`. `patience`: seconds that it may take to answer;
    0 for one that is answered at once."""

    path: str
    query: tuple[tuple[str, str], ...] = ()
    patience: float = 0.0


@dataclass(frozen=True)
class Leave:
    """Leave all pages, as a visitor does."""


@dataclass(frozen=True)
class Look:
    """Let the browser say what it has yet to say. `screenshot`: of the pages as well."""

    screenshot: bool = False


Reply: TypeAlias = tuple[int, dict[str, Any]]
Steps: TypeAlias = Generator[Ask | Leave | Look, Reply, T]
