"""The collector of a test session: one that is started for it, or one that runs already."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from .client import Client
from .steps import Ask


@dataclass(frozen=True)
class TrackingSource:
    """A source that tests send to. `collector`: its address."""

    id: str
    collector: str

    def snippet(self, *, one_line: bool = False, nonce: str | None = None) -> str:
        """The HTML that `thamesthrive snippet` prints for it."""
        from ..install.snippet import render_snippet
        from ..settings import default_bundle

        return render_snippet(
            self.id, self.collector, default_bundle(), one_line=one_line, nonce=nonce
        ).html


class TrackingCollector:
    """A collector that tests talk to. Changes of sources hold from the next request on.

    `url`: its address. `database`: its file, None where it runs elsewhere.
    """

    def __init__(self, url: str, token: str | None, database: Path | None = None) -> None:
        self.url = url.rstrip("/")
        self.database = database
        self.client = Client(url, token)

    def add_source(self, name: str = "Test", **fields: Any) -> TrackingSource:
        """Creates a source. `fields`: any that `thamesthrive source add` has an option for. Raises
        CollectorUnreachable with the reason if it is refused."""
        made = self.client.change("POST", "/api/sources", {"name": name, **fields})
        return TrackingSource(made["id"], self.url)

    def set_source(self, source: TrackingSource, **fields: Any) -> None:
        """Changes fields of a source, e.g. `enabled=False`."""
        self.client.change("PATCH", f"/api/sources/{source.id}", fields)

    def set_schema(self, source: TrackingSource, type_: str, schema: dict[str, Any]) -> None:
        """Sets the JSON Schema of the properties of an event type."""
        path = f"/api/sources/{source.id}/schemas/{quote(type_, safe='')}"
        self.client.change("PUT", path, schema)

    def remove_schema(self, source: TrackingSource, type_: str) -> None:
        """Removes the schema of an event type."""
        self.client.change("DELETE", f"/api/sources/{source.id}/schemas/{quote(type_, safe='')}")

    def show_command(self, run: str) -> str:
        """What shows a run in a terminal."""
        database = f" --db {self.database}" if self.database else ""
        return f"thamesthrive qa show {run}{database}"

    def offers_runs(self) -> bool:
        """Whether it was started with `--qa`."""
        return self.client.ask(Ask("/qa/runs"))[0] == 200


@contextmanager
def started(folder: Path) -> Iterator[TrackingCollector]:
    """Starts a collector on a free port, with its database in a folder; ends it at the end of the
    block. Raises SettingsError if it cannot start."""
    from sqlite_utils import Database

    from .. import embedded, store
    from ..settings import Settings

    file = folder / "events.db"
    store.migrate(file)
    connection = store.connect(file)
    try:
        _, token = store.create_token(Database(connection), "tests")
    finally:
        connection.close()
    settings = Settings(
        db=file, port=0, workers=1, qa=True, console="off", drain_seconds=0, log_level="error"
    )
    with embedded.running(settings) as running:
        yield TrackingCollector(running.url, token, file)
