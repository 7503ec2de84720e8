"""`thamesthrive stats saved …`: questions with a name."""

from typing import Annotated

import typer

from collector.store import saved_reports

from ..output import data, note, show, show_list
from .analyses import run_analysis
from .options import DbOption, JsonOption, open_database

app = typer.Typer(
    no_args_is_help=True,
    help="Saved reports: questions with a name. `--save NAME` of explore, funnel or retention saves"
    " one.\n\nExamples:\n\n- `thamesthrive stats saved list`",
)

_NAME = Annotated[str, typer.Argument(metavar="NAME", help="The name of the report, or its id.")]


@app.command("list")
def list_(db: DbOption = None, as_json: JsonOption = False) -> None:
    """Lists the saved reports by name.

    Examples:

    - `thamesthrive stats saved list`
    """
    with open_database(db) as database:
        found = saved_reports.list_saved_reports(database)
    show_list(
        found,
        {
            "name": "name",
            "kind": "kind",
            "source": lambda report: report.source_id or "all",
            "command": lambda report: report.analysis.command(),
        },
        empty="No saved reports. Save one: thamesthrive stats explore --type TYPE --save NAME",
        whole=("name",),
        as_json=as_json,
    )


@app.command("show")
def show_(name: _NAME, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Prints the command that a saved report stands for.

    Examples:

    - `thamesthrive stats saved show "Purchases by campaign"`
    """
    with open_database(db) as database:
        report = saved_reports.get_saved_report(database, name)
    show(report, lambda: data(report.analysis.command()), as_json=as_json)


@app.command()
def run(
    name: _NAME,
    csv: Annotated[bool, typer.Option("--csv", help="Print CSV instead of a table.")] = False,
    db: DbOption = None,
    as_json: JsonOption = False,
) -> None:
    """Runs a saved report and prints what it finds now.

    Examples:

    - `thamesthrive stats saved run "Purchases by campaign"`
    """
    with open_database(db) as database:
        report = saved_reports.get_saved_report(database, name)
    run_analysis(report.analysis, db, csv=csv, as_json=as_json)


@app.command()
def remove(name: _NAME, db: DbOption = None, as_json: JsonOption = False) -> None:
    """Removes a saved report. Events are not touched.

    Examples:

    - `thamesthrive stats saved remove "Purchases by campaign"`
    """
    with open_database(db) as database:
        saved_reports.remove_saved_report(database, name)
    show({"name": name, "removed": True}, lambda: note(f"Removed report {name}."), as_json=as_json)
