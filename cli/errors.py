"""Failures of the command line, each with its exit code.

1: a problem was found. 2: wrong usage. 3: something is missing on this machine.
"""

from dataclasses import dataclass
from pathlib import Path


class CliError(Exception):
    """One line for standard error, and an exit code."""

    exit_code = 1


@dataclass(frozen=True, order=True)
class Problem:
    """A place in a source, what is wrong there, and what to do."""

    path: Path
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


class BuildError(CliError):
    """A build that found something wrong in its sources: file, line, what, and what to do, for each
    thing found."""

    def __init__(self, *found: "Problem | str") -> None:
        super().__init__("\n".join(map(str, found)))
        self.problems = [problem for problem in found if isinstance(problem, Problem)]


class Usage(CliError):
    """What was asked for cannot be."""

    exit_code = 2


class ProblemsFound(CliError):
    """A check found problems."""


class Missing(CliError):
    """Something that the command needs is not on this machine."""

    exit_code = 3
