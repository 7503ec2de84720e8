"""What tests of many machines have in common: edges, what is sent to them, and stores behind them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

import psycopg

from collector.ids import uuid7

from ..support import Collector, wait_for
from .clickhouse_server import ClickHouseServer
from .postgres_server import PostgresServer


@contextmanager
def collecting(folder: Path, *options: str, workers: int = 1) -> Iterator[Collector]:
    collector = Collector(folder, workers=workers, options=options)
    try:
        yield collector.start()
    finally:
        collector.end()


def body(source: str, events: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"source": {"id": source}, "session": {"id": uuid7()}, "events": events, **more}


def send(collector: Collector, source: str, count: int, **more: Any) -> list[str]:
    """The ids that were acknowledged."""
    events = [{"id": uuid7(), "type": "page-view", "properties": {"n": n}} for n in range(count)]
    answer = collector.post(body(source, events, **more))
    assert answer.status_code == 200, answer.text
    return [*answer.json()["events"]]


class Store(Protocol):
    """A database of a server."""

    url: str

    def rows(self, select: str) -> list[Any]:
        """The rows of a query, with {} for where the tables are; those of one column as values.
        None before there are tables."""
        ...

    def change(self, statement: str) -> None: ...

    def lose_after(self, seq: int) -> None:
        """Goes back to when it had so many events."""
        ...


class Postgres:
    def __init__(self, server: PostgresServer, database: str) -> None:
        self.server, self.database = server, database
        self.url = server.url(database)

    def rows(self, select: str) -> list[Any]:
        try:
            return self.server.run(select.replace("{}", "thamesthrive"), database=self.database)
        except psycopg.errors.UndefinedTable:
            return []

    def change(self, statement: str) -> None:
        self.server.run(statement.replace("{}", "thamesthrive"), database=self.database)

    def lose_after(self, seq: int) -> None:
        self.change(f"DELETE FROM {{}}.event_rows WHERE seq > {seq}")
        self.change(f"UPDATE {{}}.edges SET cursor = {seq}")


class ClickHouse:
    def __init__(self, server: ClickHouseServer, database: str) -> None:
        self.server, self.database = server, database
        self.url = server.url(database)

    def rows(self, select: str) -> list[Any]:
        found = "SELECT count() FROM system.tables WHERE name = 'events' AND database = '{}'"
        if self.server.run(found.replace("{}", self.database)) == [0]:
            return []
        rows = self.server.run(select.replace("{}", self.database))
        return [int(row) if isinstance(row, str) and row.isdigit() else row for row in rows]

    def change(self, statement: str) -> None:
        self.server.run(statement.replace("{}", self.database), end="")

    def lose_after(self, seq: int) -> None:
        self.change(f"DELETE FROM {{}}.event_rows WHERE seq > {seq}")
        self.change(
            f"ALTER TABLE {{}}.edges UPDATE cursor = {seq} WHERE 1 SETTINGS mutations_sync = 1"
        )


def ids_in(store: Store) -> list[str]:
    return store.rows("SELECT id FROM {}.events ORDER BY id")


def wait_for_ids(store: Store, ids: list[str]) -> None:
    """Until exactly these are there, each once."""
    wait_for(lambda: set(ids_in(store)) >= set(ids), "all events in the store", 60)
    assert ids_in(store) == sorted(ids)
