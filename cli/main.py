"""The entry point: one app, its groups, and what an error looks like."""

import sqlite3
import sys
from typing import Annotated

import typer

from collector import __version__
from collector.errors import CollectorError, SettingsError

from .commands import build, demo, events, serve, snippet, source
from .errors import CliError
from .output import data, note

app = typer.Typer(
    name="thamesthrive",
    help="Event tracking that counts right. Start with `thamesthrive demo`.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command(rich_help_panel="Run")(serve.serve)
app.command(rich_help_panel="Run")(demo.demo)
app.add_typer(source.app, name="source", rich_help_panel="Set up")
app.command(rich_help_panel="Set up")(snippet.snippet)
app.add_typer(events.app, name="events", rich_help_panel="Look")
app.add_typer(build.app, name="build", rich_help_panel="Develop")


def _print_version(wanted: bool) -> None:
    if wanted:
        data(__version__)
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Event tracking that counts right. Start with `thamesthrive demo`."""


def main() -> None:
    """Runs the command line. A problem is one line on standard error and an exit code, never a traceback."""
    try:
        app()
    except SettingsError as error:
        _fail(str(error), 2)
    except CliError as error:
        _fail(str(error), error.exit_code)
    except CollectorError as error:
        _fail(str(error), 1)
    except sqlite3.Error as error:
        _fail(f"The database cannot be used: {error}.", 1)


def _fail(message: str, code: int) -> None:
    note(f"Error: {message}")
    sys.exit(code)


if __name__ == "__main__":
    main()
