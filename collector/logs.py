"""Logs go to standard error: standard output carries data only."""

import logging
import sys

import structlog

from .printable import printable
from .settings import Settings


def log_to_stderr(settings: Settings) -> None:
    """Lines for people or for machines, as the settings say; the web framework speaks only when
    something is wrong."""
    stamp = structlog.processors.TimeStamper(fmt="iso", utc=True)
    render: list[structlog.typing.Processor]
    if _is_json(settings):
        # Characters that are not ASCII are escaped, so a terminal that shows it obeys nothing.
        render = [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    else:
        render = [structlog.processors.format_exc_info, _line]
    handler = logging.StreamHandler()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_log_level,
                structlog.stdlib.add_logger_name,
                stamp,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    logging.basicConfig(level=settings.log_level.upper(), handlers=[handler], force=True)
    for name in ("sanic", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)
    # A sender's mistakes are answered, not logged, so that nobody can fill the log from outside.
    logging.getLogger("sanic.error").addFilter(
        lambda record: "body not consumed" not in record.getMessage()
    )


def _is_json(settings: Settings) -> bool:
    if settings.log_format == "auto":
        return not sys.stderr.isatty()
    return settings.log_format == "json"


def _line(_: object, __: str, event: structlog.typing.EventDict) -> str:
    # One line for one event, whatever is in it: a line break from outside must not look like a line
    # of ours. A traceback is indented for that, as the texts of exceptions may have any.
    exception = event.pop("exception", None)
    text = printable(str(event["event"])).replace("\n", "\\n")
    line = f"{event['timestamp']} {event['level']:<7} {event['logger']}: {text}"
    if not exception:
        return line
    return line + "".join(f"\n  | {printable(part)}" for part in exception.split("\n"))
