"""`thamesthrive qa …`: tests of tracking."""

import typer

from .qa_record import record

app = typer.Typer(
    no_args_is_help=True,
    help="Tests of tracking.\n\nExamples:\n\n- `thamesthrive qa record http://127.0.0.1:8000/shop`",
)


@app.callback()
def group() -> None:
    """Keeps this a group while it has one command."""


app.command()(record)
