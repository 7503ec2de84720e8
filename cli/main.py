"""The entry point: one app, its groups, and what an error looks like."""

import os
import sqlite3
import sys
from importlib import import_module
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException

from collector.errors import CollectorError

from .errors import CliError
from .help import Command, Group, usage_error
from .output import data, fail, set_quiet

COMMANDS = {
    "serve": "Run",
    "dev": "Run",
    "demo": "Run",
    "source": "Set up",
    "snippet": "Set up",
    "schema": "Set up",
    "redirect": "Set up",
    "token": "Set up",
    "console": "Inspect",
    "stats": "Inspect",
    "events": "Inspect",
    "rejected": "Inspect",
    "report": "Inspect",
    "profile": "Inspect",
    "audit": "Inspect",
    "verify": "Inspect",
    "doctor": "Operate",
    "config": "Operate",
    "db": "Operate",
    "forward": "Operate",
    "cluster": "Operate",
    "qa": "Develop",
    "build": "Develop",
}
"""What there is, in the order and under the headings of the help. Each is a module of
`commands`."""

_MODULES = {"db": "database"}
_PUBLISHES = ("build", "dev", "demo")  # what these write is for web servers and other users


def application(only: str | None = None) -> typer.Typer:
    """The command line; with `only`, no more of it than that command needs: what is not imported
    takes no time."""
    app = typer.Typer(
        name="thamesthrive",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode="markdown",
        context_settings={"help_option_names": ["-h", "--help"]},
        cls=InOrder,
    )
    app.callback()(root)
    for name in [only] if only else COMMANDS:
        module = import_module(f".commands.{_MODULES.get(name, name)}", __package__)
        if hasattr(module, "app"):
            _explain(module.app)
            app.add_typer(module.app, name=name, cls=Group, rich_help_panel=COMMANDS[name])
        else:
            command = app.command(name, cls=Command, rich_help_panel=COMMANDS[name])
            command(getattr(module, name))
    return app


def _explain(app: typer.Typer) -> None:
    """Gives all commands of a group, and of the groups within it, our own help."""
    for command in app.registered_commands:
        command.cls = Command
    for group in app.registered_groups:
        group.cls = Group
        if group.typer_instance:
            _explain(group.typer_instance)


class InOrder(Group):
    """Lists commands and groups in the order of COMMANDS; Typer would list commands before
    groups."""

    def list_commands(self, ctx: Any) -> list[str]:
        return sorted(super().list_commands(ctx), key=[*COMMANDS].index)


def _print_version(wanted: bool) -> None:
    if wanted:
        from .about import about

        data(about())
        raise typer.Exit


def root(
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="No notes and no progress: only data, and errors.")
    ] = False,
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Print the version and what it was built from, and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Event tracking that counts right. New here? `thamesthrive demo` shows everything at once.

    Examples:

    - `thamesthrive demo`
    - `thamesthrive source add "My shop"`
    - `thamesthrive --quiet build`
    """
    set_quiet(quiet)


COMPLETION = "_THAMESTHRIVE_COMPLETE"


def main() -> None:
    """Runs the command line. A problem is one line on standard error and an exit code, never a
    traceback."""
    try:
        # It may stand anywhere.
        arguments = sys.argv[1:]
        if "--quiet" in arguments[1:]:
            sys.argv[1:] = ["--quiet", *(word for word in arguments if word != "--quiet")]
        wanted = next((word for word in sys.argv[1:] if not word.startswith("-")), "")
        if wanted not in _PUBLISHES:
            os.umask(0o077)
        # Completion asks by a variable, and needs everything; so does the hint at what was meant.
        app = application(wanted if wanted in COMMANDS and COMPLETION not in os.environ else None)
        sys.exit(app(standalone_mode=False))
    except typer.Abort:
        fail("")  # the question's line has not ended
        _fail("The question was not answered, so nothing was done. --yes answers it.", 1)
    except TyperException as error:
        if message := usage_error(error):
            _fail(message, error.exit_code)
        sys.exit(error.exit_code)
    except (CollectorError, CliError) as error:
        _fail(str(error), error.exit_code)
    except sqlite3.Error as error:
        _fail(f"The database cannot be used: {error}.", 1)
    except BrokenPipeError:
        # Who read our output has seen enough, as `head` does.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _fail(f"{error.filename or 'The output'}: {error.strerror}.", 1)


def _fail(message: str, code: int) -> None:
    fail(f"Error: {message}")
    sys.exit(code)


if __name__ == "__main__":
    main()
