"""How many descriptors a process may have, which bounds its connections."""

import resource

ENOUGH = 1_048_576  # no process here needs more, and some systems say "a billion"
RESERVED = 128  # of a worker: the database, the writer, files it serves, connections that end


def raise_limit() -> None:
    """Takes as many as this process and its children may have without asking."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = highest()
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def highest() -> int:
    """How many this process may have once the limit is raised."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    return ENOUGH if hard == resource.RLIM_INFINITY else min(hard, ENOUGH)


def most_connections(wanted: int, descriptors: int) -> int:
    """How many connections a worker can have with this number of descriptors, at most `wanted`."""
    return max(1, min(wanted, descriptors - RESERVED))
