"""Failures of the command line, each with its exit code (CONTRACT: 1 a problem, 2 usage, 3 something is missing, 4 no server)."""


class CliError(Exception):
    """One line for standard error, and an exit code."""

    exit_code = 1


class BuildError(CliError):
    """A build that found something wrong in its sources: file, line, what, and what to do."""


class Usage(CliError):
    """What was asked for cannot be."""

    exit_code = 2


class Findings(CliError):
    """A check that found something."""


class Missing(CliError):
    """Something that the command needs is not on this machine."""

    exit_code = 3
