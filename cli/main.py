"""The entry point: one app, its groups, and what an error looks like."""

import os
import sqlite3
import sys
from typing import Annotated

import typer

from collector import __version__
from collector.errors import CollectorError, InUse, NotFound, SettingsError, StoreError

from .commands import (
    build,
    config,
    database,
    demo,
    doctor,
    events,
    profile,
    redirect,
    rejected,
    schema,
    serve,
    snippet,
    source,
    token,
)
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
app.add_typer(schema.app, name="schema", rich_help_panel="Set up")
app.add_typer(redirect.app, name="redirect", rich_help_panel="Set up")
app.add_typer(token.app, name="token", rich_help_panel="Set up")
app.add_typer(events.app, name="events", rich_help_panel="Look")
app.add_typer(rejected.app, name="rejected", rich_help_panel="Look")
app.add_typer(profile.app, name="profile", rich_help_panel="Look")
app.command(rich_help_panel="Look after")(doctor.doctor)
app.add_typer(config.app, name="config", rich_help_panel="Look after")
app.add_typer(database.app, name="db", rich_help_panel="Look after")
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
    except (NotFound, InUse) as error:
        _fail(str(error), 1)
    except StoreError as error:
        _fail(str(error), 2)
    except CollectorError as error:
        _fail(str(error), 1)
    except sqlite3.Error as error:
        _fail(f"The database cannot be used: {error}.", 1)
    except BrokenPipeError:
        # Who read our output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'The output'}: {error.strerror}.", 1)


def _fail(message: str, code: int) -> None:
    note(f"Error: {message}")
    sys.exit(code)


if __name__ == "__main__":
    main()
