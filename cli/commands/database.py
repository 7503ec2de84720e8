"""`thamesthrive db …`: the database file."""

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from collector import store
from collector.event.timestamps import iso
from collector.settings import load_settings

from ..errors import CliError, ProblemsFound, Usage
from ..output import json_data, key_values, note, progress, show
from .options import DbOption, JsonOption, open_database, open_readonly

app = typer.Typer(
    no_args_is_help=True, help="The database file.\n\nExamples:\n\n- `thamesthrive db check`"
)


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
        with open_readonly(db) as source, progress("Copying") as step:
            store.backup(source, part, step)
        part.rename(target)
    except sqlite3.Error as error:
        raise CliError(f"The backup could not be written: {error}.") from error
    finally:
        part.unlink(missing_ok=True)
    size, seconds = target.stat().st_size, time.monotonic() - started
    show(
        {"file": str(target), "bytes": size, "seconds": round(seconds, 3)},
        lambda: note(f"{target}: {size / 1e6:.1f} MB in {seconds:.1f} s."),
        as_json=as_json,
    )


@app.command()
def size(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Shows how large the database is, and when its disk will be full if it grows as in the last 7
    or 30 days.

    Examples:

    - `thamesthrive db size`
    """
    with open_readonly(db) as connection:
        found = store.database_size(connection)
    show(found, lambda: _show_size(found), as_json=as_json)


def _show_size(found: store.DatabaseSize) -> None:
    sizes = found.sizes
    shown = {
        "database": f"{_megabytes(sizes.database)}, of which {_megabytes(sizes.reusable)} can be reused",
        "write-ahead log": _megabytes(sizes.log),
        "free on the disk": f"{_megabytes(sizes.free)} of {_megabytes(sizes.disk)}",
    }
    for table in found.rows:
        shown[table.table] = f"{table.rows:,}" if table.exact else f"at most {table.rows:,}"
    for forecast in found.forecasts:
        left = (
            f"full in {forecast.days_left:,} days"
            if forecast.days_left is not None
            else "not full within a century"
        )
        shown[f"as in {forecast.days} days"] = f"{_megabytes(forecast.bytes_a_day)} a day: {left}"
    key_values(shown)
    if not found.forecasts:
        note("There is no forecast yet: it needs 1,000 counted events.")


def _megabytes(count: int) -> str:
    return f"{count / 1e6:,.1f} MB"


rollups = typer.Typer(
    no_args_is_help=True,
    help="What reports are read from.\n\nExamples:\n\n- `thamesthrive db rollups rebuild`",
)
app.add_typer(rollups, name="rollups")


@rollups.command()
def rebuild(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Counts all events again, while the collector runs. Reports show the counts of before until
    all is done.

    Examples:

    - `thamesthrive db rollups rebuild`
    """
    started, done = time.monotonic(), 0
    with open_database(db) as database, progress("Counting") as step:
        for done, total in store.rebuild_rollups(database.conn):
            step(done, total)
    seconds = time.monotonic() - started
    show(
        {"events": done, "seconds": round(seconds, 3)},
        lambda: note(f"Counted up to event {done:,} in {seconds:.1f} s."),
        as_json=as_json,
    )


@app.command()
def clock(
    accept: Annotated[
        bool, typer.Option("--accept", help="Say that this machine's clock is right.")
    ] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Shows whether this machine's clock is believed, and whether events are removed for their age.

    A time that is more than a week after the last at which a collector ran is not believed: a wrong
    clock would remove everything. Exit code 1 if something seems wrong.

    Examples:

    - `thamesthrive db clock`
    - `thamesthrive db clock --accept`
    """
    now = datetime.now(UTC)
    with open_database(db) as database:
        if accept:
            store.accept_clock(database.conn, now)
        known = store.last_known(database.conn)
        problem = store.describe_clock(database.conn, now)
    found = {"now": iso(now), "last_known": known, "problem": problem}
    if as_json:
        json_data(found)
    elif not problem:
        note(f"The clock is believed: {now:%Y-%m-%d %H:%M} UTC.")
    if problem:
        raise ProblemsFound(problem)


@app.command()
def check(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Checks the file, its references and its counts: all events are counted again, and held
    against the rollups. Exit code 1 if something is wrong.

    Examples:

    - `thamesthrive db check`
    - `thamesthrive db check --db events-backup.db --json`
    """
    path = load_settings({"db": db}).db
    with open_readonly(db) as connection, progress("Checking") as step:
        problems = store.check_database(connection, step)
    if as_json:
        json_data({"ok": not problems, "findings": problems})
    if problems:
        count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}"
        raise ProblemsFound(f"{path}: {count}: {'; '.join(problems[:5])}")
    note(f"{path} is sound.")
