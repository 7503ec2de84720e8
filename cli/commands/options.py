"""Options that several commands share, and the database behind them."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector.errors import SettingsError
from collector.settings import Settings, env_of, help_of, load_settings

from ..errors import CliError, Missing

if TYPE_CHECKING:
    from sqlite_utils import Database


def _help(name: str) -> str:
    return f"{help_of(name)} [{env_of(name)}]"


DbOption = Annotated[
    Path | None, typer.Option("--db", help=_help("db"), show_default="thamesthrive.db")
]
HostOption = Annotated[str | None, typer.Option(help=_help("host"), show_default=Settings.host)]
PortOption = Annotated[
    int | None, typer.Option(help=_help("port"), show_default=str(Settings.port))
]
WorkersOption = Annotated[
    int | None, typer.Option(help=_help("workers"), show_default="one per core, up to 4")
]
BundleOption = Annotated[Path | None, typer.Option(help=_help("bundle"))]
SiteOption = Annotated[Path | None, typer.Option(help=_help("site"))]
QaOption = Annotated[bool | None, typer.Option("--qa", help=_help("qa"))]
QueueOption = Annotated[
    int | None, typer.Option(help=_help("queue_mb"), show_default=str(Settings.queue_mb))
]
ProxiesOption = Annotated[
    int | None, typer.Option(help=_help("proxies"), show_default=str(Settings.proxies))
]
DrainOption = Annotated[
    float | None,
    typer.Option(help=_help("drain_seconds"), show_default=str(Settings.drain_seconds)),
]
LogLevelOption = Annotated[
    str | None, typer.Option(help=_help("log_level"), show_default=Settings.log_level)
]
LogFormatOption = Annotated[
    str | None, typer.Option(help=_help("log_format"), show_default=Settings.log_format)
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def complete_sources(incomplete: str) -> list[tuple[str, str]]:
    """Ids of sources that begin so, with their names, for the shell. What cannot be read has none:
    a shell shows no errors."""
    try:
        path = load_settings().db
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            found = connection.execute(
                "SELECT id, name FROM sources ORDER BY created_at"
            ).fetchall()
    except (SettingsError, sqlite3.Error):
        return []
    return [(id_, name) for id_, name in found if id_.startswith(incomplete)]


@contextmanager
def open_database(db: Path | None, *, create: bool = False) -> "Iterator[Database]":
    """The database of the settings, up to date. Without `create`, raises Missing if there is
    none."""
    from sqlite_utils import Database

    from collector.store import connect, migrate

    path = load_settings({"db": db}).db
    if not create and not path.exists():
        raise Missing(
            f"There is no database {path}. `thamesthrive source add NAME` makes one; --db or {env_of('db')} names another."
        )
    with explained(path):
        migrate(path)
        connection = connect(path)
    try:
        with explained(path):
            yield Database(connection)
    finally:
        connection.close()


@contextmanager
def explained(path: Path) -> Iterator[None]:
    """Says which database it was that SQLite could not use."""
    try:
        yield
    except sqlite3.Error as error:
        raise CliError(
            f"The database {path} cannot be used: {error}.{_hint(path.resolve().parent)}"
        ) from error


def _hint(folder: Path) -> str:
    if not folder.is_dir():
        return f" There is no folder {folder}."
    if os.statvfs(folder).f_flag & os.ST_RDONLY:
        return " Its disk is mounted read-only: mount it read-write, or choose another place with --db."
    if not os.access(folder, os.W_OK):
        return f" This user may not write to {folder}."
    return ""


@contextmanager
def open_readonly(db: Path | None) -> Iterator[sqlite3.Connection]:
    """A connection that reads only, beside a running collector. Raises Missing if there is no
    database."""
    from collector.store import connect_readonly, migrate

    path = load_settings({"db": db}).db
    if not path.exists():
        raise Missing(
            f"There is no database {path}. If a collector runs, name its database with --db or {env_of('db')}; if none does: thamesthrive serve"
        )
    with explained(path):
        migrate(path)
        connection = connect_readonly(path)
        try:
            yield connection
        finally:
            connection.close()
