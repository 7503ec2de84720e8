"""What the command `thamesthrive` begins with: settings of the interpreter that make a short
command shorter."""

import gc
import os


def main() -> None:
    """Runs the command line."""
    # To look for cycles as often as Python does takes a tenth of the time of a short command, which
    # has none.
    gc.set_threshold(100_000)
    # Typer brings pydantic, which would look through all installed packages for plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from .main import main as run

    run()
