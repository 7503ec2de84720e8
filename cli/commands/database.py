"""`thamesthrive db …`: the database file."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import Progress

from collector.settings import load_settings
from collector.store import check_database

from ..errors import CliError, Findings, Usage
from ..output import json_data, note
from .options import DbOption, JsonOption, open_readonly

app = typer.Typer(no_args_is_help=True, help="The database file.")

PAGES = 2000  # copied at a time; in between, others read and write


@app.command()
def backup(target: Annotated[Path, typer.Argument(help="The file to write. It must not exist.")], db: DbOption = None) -> None:
    """Copies the database while the collector runs: as it is when the copy begins, complete and consistent.

    Example: `thamesthrive db backup /backups/events-2026-11-23.db`
    """
    if target.exists():
        raise Usage(f"{target} exists. Name a file that does not, or remove it first.")
    if not target.resolve().parent.is_dir():
        raise Usage(f"There is no folder {target.resolve().parent}.")
    part = target.with_name(target.name + ".part")
    started = time.monotonic()
    try:
        with open_readonly(db) as source, closing(sqlite3.connect(part)) as copy, Progress(transient=True) as progress:
            task = progress.add_task("Copying", total=None)
            # One snapshot: without it, SQLite would begin again each time the collector writes.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sources").fetchone()
            source.backup(
                copy, pages=PAGES, progress=lambda _, left, total: progress.update(task, completed=total - left, total=total)
            )
            copy.execute("PRAGMA journal_mode=DELETE")
        part.rename(target)
    except sqlite3.Error as error:
        raise CliError(f"The backup could not be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)
    note(f"{target}: {target.stat().st_size / 1e6:.1f} MB in {time.monotonic() - started:.1f} s.")


@app.command()
def check(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Checks the file, its references and its counts. Exit code 1 if something is wrong."""
    path = load_settings({"db": db}).db
    with open_readonly(db) as connection:
        findings = check_database(connection)
    if as_json:
        json_data({"ok": not findings, "findings": findings})
    if findings:
        raise Findings(f"{path}: {len(findings)} findings: {'; '.join(findings[:5])}")
    note(f"{path} is sound.")
