"""Logs go to standard error: standard output carries data only."""

import logging


def log_to_stderr(level: int = logging.INFO) -> None:
    """Plain lines with time and level; the web framework speaks only when something is wrong."""
    logging.basicConfig(level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("sanic").setLevel(logging.WARNING)
