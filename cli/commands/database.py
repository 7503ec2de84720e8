"""`thamesthrive db …`: the database file."""

import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from collector.settings import load_settings
from collector.store import check_database

from ..errors import CliError, Findings, Usage
from ..output import json_data, note, progress
from .options import DbOption, JsonOption, open_readonly

app = typer.Typer(
    no_args_is_help=True, help="The database file.\n\nExamples:\n\n- `thamesthrive db check`"
)

PAGES = 2000  # copied at a time; in between, others read and write


@app.command()
def backup(
    target: Annotated[Path, typer.Argument(help="The file to write. It must not exist.")],
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copies the database while the collector runs: as it is when the copy begins, complete and
    consistent.

    Examples:

    - `thamesthrive db backup events-backup.db`
    """
    if target.exists():
        raise Usage(f"{target} exists. Name a file that does not, or remove it first.")
    if not target.resolve().parent.is_dir():
        raise Usage(f"There is no folder {target.resolve().parent}.")
    part = target.with_name(target.name + ".part")
    started = time.monotonic()
    try:
        with (
            open_readonly(db) as source,
            closing(sqlite3.connect(part)) as copy,
            progress("Copying") as step,
        ):
            # One snapshot: without it, SQLite would begin again each time the collector writes.
            source.execute("BEGIN")
            source.execute("SELECT count(*) FROM sources").fetchone()
            source.backup(
                copy, pages=PAGES, progress=lambda _, left, total: step(total - left, total)
            )
            copy.execute("PRAGMA journal_mode=DELETE")
        part.rename(target)
    except sqlite3.Error as error:
        raise CliError(f"The backup could not be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)
    size, seconds = target.stat().st_size, time.monotonic() - started
    if as_json:
        json_data({"file": str(target), "bytes": size, "seconds": round(seconds, 3)})
    else:
        note(f"{target}: {size / 1e6:.1f} MB in {seconds:.1f} s.")


@app.command()
def check(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Checks the file, its references and its counts. Exit code 1 if something is wrong.

    Examples:

    - `thamesthrive db check`
    - `thamesthrive db check --db events-backup.db --json`
    """
    path = load_settings({"db": db}).db
    with open_readonly(db) as connection, progress("Checking"):
        findings = check_database(connection)
    if as_json:
        json_data({"ok": not findings, "findings": findings})
    if findings:
        raise Findings(f"{path}: {len(findings)} findings: {'; '.join(findings[:5])}")
    note(f"{path} is sound.")
