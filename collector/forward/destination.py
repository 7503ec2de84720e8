"""What a destination is, and which one an address names."""

from collections.abc import Iterator, Sequence
from typing import Protocol

from ..errors import CollectorError
from ..store.forwarding import Batch
from ..targets import Target, require_driver


class Unreachable(CollectorError):
    """The destination cannot take anything now. It is tried again."""


class Refused(CollectorError):
    """The destination will never take one of these rows. The others are sent without it."""


class Unsuitable(CollectorError):
    """The destination works, but not for this: a right or a version is missing."""


class Destination(Protocol):
    """A store that keeps one row for an id, however often it is sent."""

    def open(self) -> None:
        """Connects, and makes or migrates the tables. Raises Unreachable, Unsuitable."""
        ...

    def close(self) -> None:
        """Ends the connection. It may be opened again."""
        ...

    def cursor(self, edge: str) -> int | None:
        """The number of the last event of this edge that it knows to have; None if it knows none.
        Raises Unreachable."""
        ...

    def send(self, batch: Batch) -> None:
        """Stores all rows of a batch, or none of them. Raises Unreachable, Refused."""
        ...

    def forget(self, profiles: Sequence[str]) -> None:
        """Removes all rows of these profiles. Raises Unreachable."""
        ...

    def missing(self, ids: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        """Which of these events, each by source and id, it does not have. Raises Unreachable."""
        ...


def pending(
    migrations: Sequence[tuple[str, ...]], version: int
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """The migrations behind a version, each with its number. Raises Unsuitable for a version of which
    this program knows nothing."""
    if version > len(migrations):
        raise Unsuitable(
            f"Its tables are of a newer version of ThamesThrive (migration {version}). Update this one"
            " first."
        )
    yield from enumerate(migrations[version:], version + 1)


def destination_for(target: Target) -> Destination:
    """The destination at an address, not opened yet."""
    require_driver(target)
    # Each imports a driver, which not everybody has.
    if target.name.startswith("postgresql"):
        from .postgresql import PostgreSQL

        return PostgreSQL(target.url)
    from .clickhouse import ClickHouse

    return ClickHouse(target.url)
