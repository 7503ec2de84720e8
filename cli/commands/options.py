"""Options that several commands share, and the database behind them."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from collector.errors import SettingsError
from collector.settings import Settings, env_of, load_settings

from ..errors import CliError, Missing
from .declared import setting_option

if TYPE_CHECKING:
    from sqlite_utils import Database


DbOption = Annotated[Path | None, setting_option("db")]
HostOption = Annotated[str | None, setting_option("host")]
PortOption = Annotated[int | None, setting_option("port")]
ClusterSecretOption = Annotated[Path | None, setting_option("cluster_secret")]
ApiOption = Annotated[
    str | None,
    typer.Option(
        help="The collector's address, as pages reach it.", show_default="from host and port"
    ),
]
AliasOption = Annotated[str | None, setting_option("alias")]
BundleOption = Annotated[Path | None, setting_option("bundle")]
LimitOption = Annotated[
    int,
    typer.Option("--limit", "-n", min=1, max=1_000_000, help="How many, counted from the latest."),
]
TokenOption = Annotated[
    str | None,
    typer.Option(
        envvar="THAMESTHRIVE_TOKEN",
        help="A token of the collector, where it is on another machine.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


def address_of(settings: Settings, api: str | None) -> str:
    """Where pages reach the collector, without a slash at the end."""
    return (api or f"http://{settings.host}:{settings.port}").rstrip("/")


def require_source(connection: sqlite3.Connection, source_id: str | None) -> None:
    """Raises NotFound if a source is named that does not exist."""
    from sqlite_utils import Database

    from collector.store import get_source

    if source_id is not None:
        get_source(Database(connection), source_id)


def complete_sources(incomplete: str) -> list[tuple[str, str]]:
    """Ids of sources that begin so, with their names, for the shell.

    A database that cannot be read has none: a shell shows no errors.
    """
    from collector.store import connect_readonly
    from collector.store.sources import source_names

    try:
        with closing(connect_readonly(load_settings().db)) as connection:
            found = source_names(connection)
    except (SettingsError, sqlite3.Error):
        return []
    return [(id_, name) for id_, name in found if id_.startswith(incomplete)]


SourceArgument = Annotated[
    str,
    typer.Argument(
        metavar="ID",
        help="The source's id, as `thamesthrive source list` shows it.",
        autocompletion=complete_sources,
    ),
]


@contextmanager
def open_database(db: Path | None, *, create: bool = False) -> "Iterator[Database]":
    """The database of the settings, up to date. Without `create`, raises Missing if there is
    none."""
    from sqlite_utils import Database

    from collector.store import connect, migrate

    path = load_settings({"db": db}).db
    if not create and not path.exists():
        raise Missing(
            f"There is no database {path}. `thamesthrive source add NAME` creates one;"
            f" --db or {env_of('db')} names another."
        )
    with database_errors_explained(path):
        migrate(path)
        connection = connect(path)
    try:
        with database_errors_explained(path):
            yield Database(connection)
    finally:
        connection.close()


@contextmanager
def database_errors_explained(path: Path) -> Iterator[None]:
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
        return " Its disk is mounted read-only: mount it read-write, or choose another folder with --db."
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
            f"There is no database {path}. If a collector runs, name its database with --db or"
            f" {env_of('db')}; if none does: thamesthrive serve"
        )
    with database_errors_explained(path):
        migrate(path)
        connection = connect_readonly(path)
        try:
            yield connection
        finally:
            connection.close()
