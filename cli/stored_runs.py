"""Runs of tests as a database has them, without a collector."""

import sqlite3
from typing import Any

from collector.store.run_details import rejected_dict
from collector.store.runs import events_of_run, list_runs, rejected_of_run

MOST = 100_000  # rows of a kind


class StoredRuns:
    """What `QaClient` answers, but for the requests, which only a running collector knows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def runs(self) -> list[dict[str, Any]]:
        """The runs there are, the newest first."""
        return [run.as_dict() for run in list_runs(self._connection)]

    def events(self, run: str) -> list[dict[str, Any]]:
        """The events of a run, oldest first."""
        found = events_of_run(self._connection, run, limit=MOST)
        return [event.as_dict() for event in found]

    def rejected(self, run: str) -> list[dict[str, Any]]:
        """Rejected events of a run, oldest first."""
        rows = rejected_of_run(self._connection, run, limit=MOST)
        return [rejected_dict(self._connection, row) for row in rows]

    def journal(self, _: str) -> list[dict[str, Any]]:
        """None."""
        return []
