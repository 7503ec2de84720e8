"""Options that several commands share, and the database behind them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from sqlite_utils import Database

from collector.settings import Settings, env_of, help_of, load_settings
from collector.store import connect, migrate

from ..errors import Missing


def _help(name: str) -> str:
    return f"{help_of(name)} [{env_of(name)}]"


DbOption = Annotated[Path | None, typer.Option("--db", help=_help("db"), show_default="thamesthrive.db")]
HostOption = Annotated[str | None, typer.Option(help=_help("host"), show_default=Settings.host)]
PortOption = Annotated[int | None, typer.Option(help=_help("port"), show_default=str(Settings.port))]
WorkersOption = Annotated[int | None, typer.Option(help=_help("workers"), show_default="one per core, up to 4")]
BundleOption = Annotated[Path | None, typer.Option(help=_help("bundle"))]
SiteOption = Annotated[Path | None, typer.Option(help=_help("site"))]
QaOption = Annotated[bool | None, typer.Option("--qa", help=_help("qa"))]
QueueOption = Annotated[int | None, typer.Option(help=_help("queue_mb"), show_default=str(Settings.queue_mb))]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@contextmanager
def open_database(db: Path | None, *, create: bool = False) -> Iterator[Database]:
    """The database of the settings, up to date. Without `create`, raises Missing if there is none."""
    path = load_settings({"db": db}).db
    if not create and not path.exists():
        raise Missing(
            f"There is no database {path}. `thamesthrive source add NAME` makes one; --db or {env_of('db')} names another."
        )
    migrate(path)
    connection = connect(path)
    try:
        yield Database(connection)
    finally:
        connection.close()
